# SPDX-License-Identifier: BSD-3-Clause
"""Prepare what Kokoro's voices read: sentences of a manual, as the phonemes of the model.

espeak-ng writes the phonemes. Kokoro was trained on a similar notation, in which each diphthong and
affricate is one letter. Punctuation stays, because it shapes the melody.
"""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path

import numpy as np

from toolkit.common.errors import ToolError

SHORTEST, LONGEST = 40, 220  # characters of a sentence
# espeak-ng joins the parts of such a sound with ^ when it is asked to.
_Table = tuple[tuple[str, str], ...]
_LETTERS: _Table = (
    *(("a^ɪ", "I"), ("a^ʊ", "W"), ("e^ɪ", "A"), ("o^ʊ", "O"), ("ə^ʊ", "Q"), ("ɔ^ɪ", "Y")),
    *(("d^ʒ", "ʤ"), ("t^ʃ", "ʧ"), ("d^z", "ʣ"), ("t^s", "ʦ"), ("ə^l", "ᵊl"), ("^", "")),
)
_ENGLISH: _Table = (("r", "ɹ"), ("ɐ", "ə"))
_AMERICAN: _Table = (("ɚɹ", "əɹ"), ("ɚ", "əɹ"), ("ɜː", "ɜɹ"), ("ː", ""))
_MARKS = re.compile(r'([,.!?()"“”«»—–]+)')
# No figures, commands or file names: espeak-ng would spell them out.
_PLAIN = re.compile(r"[^\W\d_][^\d_/<>\\=\[\]@#$%&*+|{}~`^:;]*[.!?]")
_NAMES = re.compile(r"[A-Z]{4}|\w\.\w")


def sentences(folder: Path) -> list[str]:
    """Return the sentences of the HTML pages in `folder` that suit reading, sorted, each once.

    Raises ToolError if there is none.
    """
    found = set()
    for page in folder.glob("*.html"):
        text = page.read_text(encoding="utf-8", errors="replace")
        for paragraph in re.findall(r"<p[^>]*>(.*?)</p>", text, re.DOTALL):
            bare = " ".join(html.unescape(re.sub(r"<[^>]+>", "", paragraph)).split())
            found |= {s for s in re.split(r"(?<=[.!?])\s+", bare) if _fit(s)}
    if not found:
        raise ToolError(f"{folder} holds no sentence to read: another version of the package?")
    return sorted(found)


def _fit(sentence: str) -> bool:
    plain = SHORTEST <= len(sentence) <= LONGEST and _PLAIN.fullmatch(sentence)
    return bool(plain) and not _NAMES.search(sentence)


def phonemes(sentence: str, language: str) -> str:
    """Return `sentence` in Kokoro's letters, by espeak-ng's voice `language` ("en-us", "fr-fr").

    Raises ToolError if espeak-ng is missing or does not know the voice.
    """
    spoken = ""
    pieces = _MARKS.split(sentence)
    for words, mark in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        if words.strip():
            spoken += " " + letters(_espeak(words.strip(), language), language)
        if mark:
            spoken += mark[0] if mark[0] in ",.!?" else ","
    return spoken.strip()


def letters(ipa: str, language: str) -> str:
    """Return espeak-ng's output for one clause, sounds joined by ^, in Kokoro's letters."""
    ipa = re.sub(r"\([^)]*\)", "", " ".join(ipa.split()))  # (en)...(fr): a foreign word's bounds
    table = _LETTERS
    if language.startswith("en"):
        table += _ENGLISH
    if language == "en-us":
        table += _AMERICAN
    for sound, letter in table:
        ipa = ipa.replace(sound, letter)
    return ipa


def _espeak(words: str, language: str) -> str:
    command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", language, "--", words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ToolError(
            "espeak-ng is missing, which tells Kokoro how words sound: apt-get install espeak-ng"
        ) from None
    if done.returncode:
        raise ToolError(f"espeak-ng failed: {done.stderr.strip() or 'no message'}")
    return done.stdout


def draw(
    rng: np.random.Generator, text: list[str], language: str, vocabulary: dict[str, int], room: int
) -> list[int]:
    """Return the numbers of the phonemes of a few sentences, at most `room` of them.

    Sentences are drawn until a third of the room is filled: about ten seconds of speech where
    `room` is 480. Letters that the vocabulary lacks are left out.
    """
    numbers: list[int] = []
    while len(numbers) < room // 3:
        said = phonemes(text[int(rng.integers(len(text)))], language)
        numbers += [vocabulary[c] for c in f"{' ' if numbers else ''}{said}" if c in vocabulary]
    return numbers[:room]

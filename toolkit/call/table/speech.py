# SPDX-License-Identifier: BSD-3-Clause
"""The recordings of a table: files that are given, or the held-out speech."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from quantize.files.array_file import map_array
from toolkit.common.errors import InputError
from toolkit.speech.audio import OGG_SUFFIXES, Pcm, read_audio
from toolkit.speech.kokoro.model import CATALOGUE
from toolkit.speech.kokoro.source import NAME as KOKORO
from toolkit.verify.scoring.utterances import excerpts, levelled

SUFFIXES: Final = (".wav", *OGG_SUFFIXES)
RATE: Final = 16000
_CLIP_S: Final = 5  # of a synthetic voice, as long as the others
# Groups of recordings. Of "prompts" the networks have heard the speakers, but not these words.
GIVEN, UNSEEN, PROMPTS = "given", "unseen", "prompts"


@dataclass(frozen=True)
class Recording:
    """Speech, int16 at 16 kHz, and where it is from; language and speaker are "" if unknown."""

    name: str
    group: str
    language: str
    speaker: str
    pcm: Pcm

    @property
    def facts(self) -> dict[str, Any]:
        """What a table tells about it."""
        return {
            "name": self.name, "group": self.group, "language": self.language,
            "speaker": self.speaker, "seconds": len(self.pcm) / RATE,
        }  # fmt: skip


def given(paths: Sequence[Path]) -> list[Recording]:
    """Read recordings: files, and all in folders, by name.

    Raises InputError for a folder without recordings, a file that cannot be used, and two of one
    name.
    """
    found: dict[str, Recording] = {}
    for path in (file for place in paths for file in _files(place)):
        if path.name in found:
            raise InputError(f"{path}: another recording has this name; rename one of them")
        found[path.name] = Recording(path.name, GIVEN, "", "", read_audio(path))
    return list(found.values())


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise InputError(f"{place}: no recordings: want files named *{', *'.join(SUFFIXES)}")
    return found


def held_out(data: Path, note: Callable[[str], None]) -> list[Recording]:
    """Return the utterances that `dredkit score` judges, fetched into a folder where absent.

    Where `dredkit train data --source kokoro` has been there, a clip of each synthetic voice that
    training never hears is added. `note` gets a text for each source.
    """
    found = [
        Recording(e.name, e.group, e.source.language, e.source.speaker, e.pcm)
        for e in excerpts(data, note)
    ]
    return found + list(_kokoro(data / KOKORO / "clips"))


def _kokoro(clips: Path) -> Iterator[Recording]:
    """Yield the beginning of the first clip of each held-out voice that is there."""
    for voice in CATALOGUE["test"]:
        path = clips / f"{voice}_0000.npy"
        if path.is_file():
            again = "delete it and run `dredkit train data --source kokoro`"
            pcm = map_array(path, np.int16, (None,), again)[: _CLIP_S * RATE]
            language = CATALOGUE["languages"][voice[0]]["text"]
            yield Recording(
                f"kokoro-{voice}", UNSEEN, language, f"Kokoro {voice}, synthetic",
                levelled(np.asarray(pcm)),
            )  # fmt: skip

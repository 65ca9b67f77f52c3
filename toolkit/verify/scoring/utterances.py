# SPDX-License-Identifier: BSD-3-Clause
"""The utterances that voices are scored on: the same ones on every machine, never trained on.

There are two groups. "unseen" are speakers of data/score_sources.toml, held out whole. "prompts"
are the prompts that training leaves out of each source that networks are trained on.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantize.features import floats as features
from toolkit.common.errors import ToolError
from toolkit.common.paths import ROOT
from toolkit.speech.recordings import I16, Source, decode, fetch, part_of, sources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SOURCES_FILE = ROOT / "toolkit" / "data" / "score_sources.toml"
GROUPS = ("unseen", "prompts")
PROMPTS = 2  # utterances of each source that networks are trained on
SHORTEST, LONGEST = 3.0, 8.0  # seconds
LEVEL = 0.05  # RMS of each utterance, of full scale
_LEAST = 0.8  # seconds: shorter clips are single words
_PEAK = 0.98


@dataclass(frozen=True)
class Utterance:
    """Real speech to be spoken again."""

    name: str  # source and number
    group: str
    files: tuple[str, ...]  # names of the files that were joined
    pcm: I16  # 16 kHz, whole frames of 160 samples
    features: NDArray[np.float32]  # [frames, 20], no delay


@dataclass(frozen=True)
class Excerpt:
    """Speech of a source: 16 kHz, whole frames of 160 samples, all at one level."""

    name: str  # source and number
    group: str
    files: tuple[str, ...]  # names of the files that were joined
    source: Source
    pcm: I16


def held_out(cache: Path, note: Callable[[str], None]) -> list[Utterance]:
    """Return the 30 utterances with their features; see `excerpts`."""
    return [
        Utterance(e.name, e.group, e.files, e.pcm, features.extract(e.pcm, delay=0))
        for e in excerpts(cache, note)
    ]


def excerpts(cache: Path, note: Callable[[str], None]) -> list[Excerpt]:
    """Fetch, choose and join the 30 utterances; `note` gets a text for each source.

    Raises ToolError where a package cannot be fetched, or has changed.
    """
    found = []
    for source, count in _unseen():
        found += _of_source(source, count, "unseen", cache, note)
    for source in sources():
        if source.use == "train":
            found += _of_source(source, PROMPTS, "prompts", cache, note)
    return found


def _unseen() -> Iterator[tuple[Source, int]]:
    table = tomllib.loads(SOURCES_FILE.read_text(encoding="utf-8"))
    for name, row in table.items():
        count = row.pop("utterances")
        yield Source(name=name, **{**row, "skip": tuple(row["skip"])}), count


def _of_source(
    source: Source, count: int, group: str, cache: Path, note: Callable[[str], None]
) -> list[Excerpt]:
    note(f"{source.name}: {source.speaker}")
    root = fetch(source, cache)
    paths = [p for p in root.glob(source.files) if not any(w in p.name for w in source.skip)]
    if group == "prompts":
        paths = [p for p in paths if part_of(str(p)) == "test"]
    made: list[Excerpt] = []
    for files, pcm in _join(sorted(paths, key=_shuffled)):
        pcm = levelled(pcm[: len(pcm) // features.FRAME * features.FRAME])
        name = f"{source.name}-{len(made) + 1}"
        made.append(Excerpt(name, group, files, source, pcm))
        if len(made) == count:
            return made
    raise ToolError(f"{source.package} holds too little of {source.files}: another version?")


def _shuffled(path: Path) -> tuple[int, str]:
    return zlib.crc32(path.name.encode()), path.name


def _join(paths: list[Path]) -> Iterator[tuple[tuple[str, ...], I16]]:
    """Yield stretches of 3 to 8 s: short clips joined, long ones divided."""
    rate = features.SAMPLE_RATE
    shortest, longest = int(SHORTEST * rate), int(LONGEST * rate)
    names: tuple[str, ...] = ()
    joined = np.zeros(0, np.int16)
    for path in paths:
        pcm = decode(path)
        if len(pcm) < _LEAST * rate or not pcm.any():
            continue
        if len(pcm) > longest:
            for part in np.array_split(pcm, -(-len(pcm) // longest)):
                yield (path.name,), part
            continue
        if len(joined) + len(pcm) > longest:
            names, joined = (), joined[:0]
        names, joined = (*names, path.name), np.concatenate([joined, pcm])
        if len(joined) >= shortest:
            yield names, joined
            names, joined = (), joined[:0]


def levelled(pcm: I16) -> I16:
    """Return speech at the one level that all utterances have; peaks stay within full scale."""
    x = pcm.astype(np.float64) / 32768
    gain = min(LEVEL / np.sqrt(np.mean(x**2)), _PEAK / np.abs(x).max())
    return np.asarray(np.rint(x * gain * 32768), np.int16)

# SPDX-License-Identifier: BSD-3-Clause
"""Which packets of a call are lost: in bursts as on real networks, by a two-state channel, a file.

Real networks lose packets in bursts of very different length. Here the lengths of bursts and of the
gaps between them are drawn from mixtures of two geometric distributions, fitted to the generator
that libopus ships. About one lost packet in seven lies in a burst of ten or more. Bursts of
Gilbert's channel with the same mean are hardly ever so long.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from quantize.files.reading import file_bytes
from toolkit.common.errors import InputError

LOSS_MAX: Final = 90  # percent
_DRAWS: Final = 20


@dataclass(frozen=True)
class _Mixture:
    """Lengths in packets: a geometric length of mean `short`, or else, with `rare`, of `long`."""

    short: float
    long: float
    rare: float

    @property
    def mean(self) -> float:
        return (1 - self.rare) * self.short + self.rare * self.long

    def towards(self, other: _Mixture, part: float) -> _Mixture:
        pairs = zip(self._values(), other._values(), strict=True)
        return _Mixture(*((1 - part) * own + part * theirs for own, theirs in pairs))

    def scaled_to(self, mean: float) -> _Mixture:
        """Return a mixture of that mean, 1 or more, in which no length is under one packet."""
        factor = (mean - 1) / (self.mean - 1)
        return _Mixture(1 + factor * (self.short - 1), 1 + factor * (self.long - 1), self.rare)

    def draw(self, rng: np.random.Generator) -> int:
        mean = self.long if rng.random() < self.rare else self.short
        return int(rng.geometric(1 / mean))

    def _values(self) -> tuple[float, float, float]:
        return self.short, self.long, self.rare


# Percent lost: bursts, gaps between them; for packets of 20 ms.
_FITTED: Final = (
    (5.0, _Mixture(1.2, 5.6, 0.11), _Mixture(13.1, 93.7, 0.21)),
    (20.0, _Mixture(1.4, 6.2, 0.10), _Mixture(4.8, 47.4, 0.07)),
    (40.0, _Mixture(1.8, 7.7, 0.06), _Mixture(2.4, 23.4, 0.04)),
)


def bursty(count: int, percent: float, seed: int) -> list[bool]:
    """Draw which of `count` packets are lost: in bursts, `percent` (0 .. LOSS_MAX) of all.

    Short calls vary much, so of 20 draws the one counts whose share is nearest to `percent`.
    """
    if not 0 <= percent <= LOSS_MAX:
        raise InputError(f"a loss of {percent:g} %: want 0 to {LOSS_MAX}")
    if percent == 0:
        return [False] * count
    bursts, gaps = _mixtures(percent)
    rng = np.random.default_rng(seed)
    draws = [_alternate(count, bursts, gaps, rng) for _ in range(_DRAWS)]
    return min(draws, key=lambda lost: abs(100 * sum(lost) - percent * count))


def gilbert(count: int, starts: float, ends: float, seed: int) -> list[bool]:
    """Draw losses by a channel of two states; a packet is lost where the state is bad.

    `starts` is the chance that a packet after a good one is lost, `ends` that one after a lost one
    is not; both above 0, at most 1.
    """
    rng = np.random.default_rng(seed)
    lost, bad = [], False
    for draw in rng.random(count).tolist():
        bad = draw >= ends if bad else draw < starts
        lost.append(bad)
    return lost


def read_pattern(path: Path) -> list[bool]:
    """Read a loss pattern: a 1 for each packet that is lost, a 0 for each other; spaces are free.

    Raises InputError for a file that holds anything else, or no flag.
    """
    data = file_bytes(path, "give a loss pattern: 0 or 1 for each packet")
    flags = b"".join(data.split())
    wrong = next((i for i, flag in enumerate(flags) if flag not in b"01"), None)
    if wrong is not None:
        raise InputError(f"{path}: flag {wrong} is neither 0 nor 1: not a loss pattern")
    if not flags:
        raise InputError(f"{path}: no flags: give a loss pattern, 0 or 1 for each packet")
    return [flag == ord("1") for flag in flags]


def spread(flags: list[bool], count: int) -> list[bool]:
    """Return the first `count` flags; packets after the pattern's end arrive."""
    return (flags + [False] * count)[:count]


def _mixtures(percent: float) -> tuple[_Mixture, _Mixture]:
    """Return mixtures of bursts and gaps that lose `percent` on average.

    Between the fitted rates they are interpolated. What is left to correct is done by the gaps, and
    above the highest fitted rate by the bursts, as gaps cannot be under one packet.
    """
    low, high = _FITTED[0], _FITTED[-1]
    for before, after in pairwise(_FITTED):
        if before[0] <= percent <= after[0]:
            low, high = before, after
    part = min(max((percent - low[0]) / (high[0] - low[0]), 0.0), 1.0)
    bursts, gaps = low[1].towards(high[1], part), low[2].towards(high[2], part)
    odds = percent / (100 - percent)
    if percent > _FITTED[-1][0]:
        return bursts.scaled_to(gaps.mean * odds), gaps
    return bursts, gaps.scaled_to(bursts.mean / odds)


def _alternate(
    count: int, bursts: _Mixture, gaps: _Mixture, rng: np.random.Generator
) -> list[bool]:
    lost: list[bool] = []
    while len(lost) < count:
        lost += [False] * gaps.draw(rng)
        lost += [True] * bursts.draw(rng)
    return lost[:count]

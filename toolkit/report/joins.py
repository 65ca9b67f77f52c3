# SPDX-License-Identifier: BSD-3-Clause
"""Where speech takes over from good audio and where it gives way: is there a click?

A join's step is the largest difference of neighbouring samples at it; around it, within 20 ms of
what was sent, the signal itself has steps of its own. A join no larger than those is none to hear.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.receiver import FADE, STEP

Int16s = npt.NDArray[np.int16]

_AROUND = 320  # samples before and after: 20 ms
_SHOWN = 480  # samples on either side in a picture: 30 ms


@dataclass(frozen=True)
class Join:
    """One join: at which sample, whether speech begins or ends there, its step, and the signal's
    own largest step around it."""

    sample: int
    begins: bool
    step: int
    around: int

    def as_json(self) -> dict[str, Any]:
        """The join as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class JoinPlot:
    """A picture of a join: two SVG paths in a box of 100 by 100, and where the join is."""

    join: Join
    seconds: float
    sent: str
    played: str
    at: float


def joins(sent: Int16s, played: Int16s, gaps: Sequence[Sequence[int]]) -> list[Join]:
    """Measure both ends of each gap, (first, packets), of `played`; `sent` is what it should be.

    The end of the recording is no join.
    """
    found = []
    for first, count in gaps:
        for sample, begins in ((first * STEP, True), ((first + count) * STEP, False)):
            if 0 < sample < len(played):
                found.append(_join(sent, played, sample, begins))
    return found


def _join(sent: Int16s, played: Int16s, sample: int, begins: bool) -> Join:
    places = [sample] if begins else [sample, sample + FADE]
    step = max(abs(int(played[n]) - int(played[n - 1])) for n in places)
    near = sent[max(sample - _AROUND, 0) : sample + _AROUND].astype(np.int64)
    return Join(sample, begins, step, int(np.abs(np.diff(near)).max()))


def plot(join: Join, sent: Int16s, played: Int16s, rate: int) -> JoinPlot:
    """Draw what was sent and what was played within 30 ms of a join."""
    first = max(join.sample - _SHOWN, 0)
    span = slice(first, min(join.sample + _SHOWN, len(played)))
    top = max(int(np.abs(part[span].astype(np.int64)).max()) for part in (sent, played)) or 1
    count = span.stop - first
    return JoinPlot(
        join=join,
        seconds=join.sample / rate,
        sent=_path(sent[span], top),
        played=_path(played[span], top),
        at=100 * (join.sample - first) / count,
    )


def _path(samples: Int16s, top: int) -> str:
    points = [
        f"{100 * n / len(samples):.2f} {50 - 48 * int(value) / top:.1f}"
        for n, value in enumerate(samples)
    ]
    return "M" + "L".join(points)

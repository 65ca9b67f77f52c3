# SPDX-License-Identifier: BSD-3-Clause
"""The joins between received and synthetic speech: is there a click?

quantize.vocoder.join measures a join: the kink in the wave there, against the kinks around it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.codec.receiver import STEP
from quantize.codec.receiver_model import BOARD_CONFIG
from quantize.vocoder.join import AROUND
from quantize.vocoder.join import join as measured

Int16s = npt.NDArray[np.int16]

_OVER = BOARD_CONFIG.over_ms * STEP // 20  # samples that are spoken over before the fade
_FADE = BOARD_CONFIG.fade_ms * STEP // 20
_SHOWN = 640  # samples on either side in a picture: 40 ms


@dataclass(frozen=True)
class Join:
    """One join between received and synthetic speech.

    `sample` is its place. Synthetic speech `begins` there, or ends. `step` is the second difference
    at the join, `around` the largest second difference near it.
    """

    sample: int
    begins: bool
    step: int
    around: int

    def as_json(self) -> dict[str, Any]:
        """Return the join as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class JoinPlot:
    """A drawing of a join: two SVG paths in a box of 100 by 100, and the join's place."""

    join: Join
    seconds: float
    sent: str
    played: str
    at: float


def joins(played: Int16s, gaps: Sequence[Sequence[int]]) -> list[Join]:
    """Measure both ends of each gap, (first, packets), in `played`, whose own end is not a join.

    Where synthetic speech ends, the worse end of the cross-fade counts.
    """
    found = []
    for first, count in gaps:
        for sample, begins in ((first * STEP, True), ((first + count) * STEP, False)):
            if 0 < sample < len(played):
                places = [sample] if begins else [sample + _OVER, sample + _OVER + _FADE]
                places = [place for place in places if place <= len(played) - AROUND] or [sample]
                worst = max((measured(played, n) for n in places), key=lambda j: j.at - j.around)
                found.append(Join(sample, begins, worst.at, worst.around))
    return found


def plot(join: Join, sent: Int16s, played: Int16s, rate: int) -> JoinPlot:
    """Draw the sent and the played samples within 40 ms of a join."""
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

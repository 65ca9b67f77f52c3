# SPDX-License-Identifier: BSD-3-Clause
"""Find a click where a voice continues what was heard, by second differences.

A step or a kink in the wave makes one large second difference; smooth speech of any level makes
small ones. The differences of the signal in a frame on each side say what is large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.features.integers import FRAME

AROUND: Final = FRAME  # samples to each side that a join is compared with


@dataclass(frozen=True)
class Join:
    """The largest second difference `at` a join, of samples that straddle it, and `around` it."""

    at: int
    around: int

    @property
    def smooth(self) -> bool:
        """Whether the difference at the join is no larger than the largest around it."""
        return self.at <= self.around


def join(pcm: npt.NDArray[np.integer], first: int) -> Join:
    """Measure the join before sample `first` of PCM.

    Raises InputError unless there is a frame of samples on both sides.
    """
    if not AROUND <= first <= len(pcm) - AROUND:
        raise InputError(f"no frame of samples on both sides of sample {first} of {len(pcm)}")
    near = pcm[first - AROUND : first + AROUND].astype(np.int64)
    bend = np.abs(near[2:] - 2 * near[1:-1] + near[:-2])
    straddle = slice(AROUND - 2, AROUND)  # of the sample before the join, and of the one after
    return Join(int(bend[straddle].max()), int(np.delete(bend, straddle).max()))

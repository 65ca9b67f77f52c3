# SPDX-License-Identifier: BSD-3-Clause
"""Is there a click where a voice goes on from what was heard? The second difference tells.

A step in the wave, or a kink, makes one large second difference; smooth speech of any level makes
small ones. The signal's own, a frame to each side, say what is large.
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
    """Largest second difference of the samples that straddle a join, and of those around it."""

    at: int
    around: int

    @property
    def smooth(self) -> bool:
        """Is the join no larger than what the signal does by itself?"""
        return self.at <= self.around


def join(pcm: npt.NDArray[np.integer], first: int) -> Join:
    """Measure the join before sample `first` of PCM.

    Raises InputError where a frame of samples is missing before it or after it.
    """
    if not AROUND <= first <= len(pcm) - AROUND:
        raise InputError(f"no frame of samples on both sides of sample {first} of {len(pcm)}")
    near = pcm[first - AROUND : first + AROUND].astype(np.int64)
    bend = np.abs(near[2:] - 2 * near[1:-1] + near[:-2])
    straddle = slice(AROUND - 2, AROUND)  # of the sample before the join, and of the one after
    return Join(int(bend[straddle].max()), int(np.delete(bend, straddle).max()))

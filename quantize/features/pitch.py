# SPDX-License-Identifier: BSD-3-Clause
"""The pitch from the pitch network's scores: 180 classes, 60 per octave.

This is step 8 of docs/FORMAT.md, section 5.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.dsp.scalar import LOG_FRAC, Ints, exp2, rounded, saturate, shifted

CLASSES: Final = 180
PITCH_FRAC: Final = 20
MIN_PERIOD: Final = 32
MAX_PERIOD: Final = 256
_REACH: Final = 2  # classes on each side of the best one in the mean
LOG2_E: Final = int(np.floor(2.0**15 / np.log(2.0) + 0.5))  # Q15


def pitch(scores: Ints, frac: int) -> Ints:
    """Return octaves below a period of 256 samples, 0 to 2.98, Q20 [frames].

    `scores` are [frames, 180] int16 with `frac` fraction bits, 0 to 15. The result is the mean of
    the classes around the largest score (the first one of equals), weighted by the exponentials of
    their scores. The pitch feature is this less 1.5.
    """
    best = scores.argmax(axis=1)
    row = np.arange(len(scores))
    weight = np.zeros(len(scores), np.int64)
    moment = np.zeros(len(scores), np.int64)
    for step in range(-_REACH, _REACH + 1):
        at = best + step
        inside = (at >= 0) & (at < CLASSES)
        below = scores[row, np.clip(at, 0, CLASSES - 1)] - scores[row, best]
        power = shifted(below * LOG2_E, np.asarray(frac + 15 - LOG_FRAC))
        whole, part = power >> LOG_FRAC, power & ((1 << LOG_FRAC) - 1)
        one = np.where(inside, shifted(exp2(part), np.minimum(17 - whole, 40)), 0)  # Q13
        weight += one
        moment += one * step
    size = (np.abs(moment) << 16) // weight
    place = (best << 16) + np.where(moment < 0, -size, size)  # class, Q16
    return np.asarray((place * 4 + 7) // 15)  # 2^20 / (60 * 2^16)


def period(octaves: Ints) -> Ints:
    """Return the period in samples, 32..256: floor(1/2 + 256 / 2^octaves)."""
    power = -(octaves << (LOG_FRAC - PITCH_FRAC))
    whole, part = power >> LOG_FRAC, power & ((1 << LOG_FRAC) - 1)
    return np.clip(shifted(exp2(part), 22 - whole), MIN_PERIOD, MAX_PERIOD)


def pitch_feature(octaves: Ints, frac: int) -> Ints:
    """Return the pitch feature, octaves - 1.5, as int16 with `frac` bits."""
    return saturate(rounded(octaves - (3 << (PITCH_FRAC - 1)), PITCH_FRAC - frac), 16)

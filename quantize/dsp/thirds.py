# SPDX-License-Identifier: BSD-3-Clause
"""Convert between 16 and 48 kHz without a shift in time, for speech inside 48-kHz audio.

One symmetric low-pass serves both ways: a sinc of 16 kHz in a Kaiser window. Its gain is within
0.1 dB of 1 up to 7 kHz, one half at 8 kHz, and below -50 dB from 9 kHz on. Every third tap is
0, but for the middle one: sample 3 u at 48 kHz is sample u at 16 kHz, unchanged on the way up.
This module defines firmware/dredkit/dsp/thirds.c.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.dsp.scalar import Ints, saturate

UP: Final = 3
REACH: Final = 12  # samples at 16 kHz on each side
TAP_FRAC: Final = 14
_BETA: Final = 4.55  # of the window
_THIRD: Final = 10923  # 2^15 / 3
_THIRD_FRAC: Final = 15


def _taps() -> Ints:
    """Return [24] Q14: the weights of samples u - 11 .. u + 12 in the sample at u + 1/3."""
    distance = UP * np.arange(1 - REACH, REACH + 1) - 1
    reach = UP * REACH
    window = np.i0(_BETA * np.sqrt(1 - (distance / reach) ** 2)) / np.i0(_BETA)
    taps = np.floor(np.sinc(distance / UP) * window * 2.0**TAP_FRAC + 0.5).astype(np.int64)
    taps[REACH - 1] += (1 << TAP_FRAC) - taps.sum()  # a constant stays as it is
    return np.asarray(taps)


TAPS: Final[Ints] = _taps()


def upsample(pcm: Ints) -> Ints:
    """Return 3 n samples at 48 kHz for samples REACH .. REACH + n - 1 of `pcm` [n + 2 REACH]."""
    count = len(pcm) - 2 * REACH
    at = np.arange(count)[:, None] + np.arange(1, 2 * REACH + 1)
    near = pcm[at]  # u - 11 .. u + 12
    half = 1 << (TAP_FRAC - 1)
    thirds = (near @ TAPS + half) >> TAP_FRAC, (near @ TAPS[::-1] + half) >> TAP_FRAC
    between = [saturate(third, 16) for third in thirds]
    return np.stack([pcm[REACH : REACH + count], *between], axis=1).reshape(-1)


def downsample_end(pcm: Ints, count: int) -> Ints:
    """Return the last `count` samples at 16 kHz of a signal at 48 kHz [3 (count + 12)] or longer.

    Sample u is at the place of sample 3 u; the last three samples at 48 kHz make the last one. The
    signal is continued by its reflection in its last sample.
    """
    beyond = UP * (REACH - 1)  # samples that the filter takes after the end
    reflected = saturate(2 * pcm[-1] - pcm[-2 : -2 - beyond : -1], 16)
    whole = np.concatenate([pcm[-UP * (count + REACH) :], reflected])
    middle = UP * (REACH + np.arange(count))
    distance = UP * np.arange(1 - REACH, REACH + 1) - 1
    sums = whole[middle] << TAP_FRAC
    sums = sums + whole[middle[:, None] + distance] @ TAPS
    sums = sums + whole[middle[:, None] - distance] @ TAPS
    frac = TAP_FRAC + _THIRD_FRAC
    return np.asarray(saturate((sums * _THIRD + (1 << (frac - 1))) >> frac, 16))

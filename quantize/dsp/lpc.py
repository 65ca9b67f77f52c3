# SPDX-License-Identifier: BSD-3-Clause
"""LPC of order 16 from a frame's band logarithms, and the residual (steps 5 and 6).

The cepstrum is an orthonormal transform of the logarithms and keeps all 18, so its inverse would
give the logarithms again. They are used directly. The spectrum is interpolated linearly between the
band densities, and its inverse FFT is linear too. One constant matrix therefore turns 18 densities
into 17 lags. It also contains the bands' weights and the lag window.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.dsp.scalar import EXP_FRAC, LOG_FRAC, Ints, bit_length, exp2, rounded, saturate
from quantize.dsp.spectrum import BANDS, EDGES, EMPHASIS_FRAC, FRAME, PREEMPHASIS

ORDER: Final = 16
LPC_FRAC: Final = 24
RESIDUAL_FRAC: Final = 10
TAPS: Final = ORDER + 2  # of predictor and pre-emphasis joined
_MATRIX_FRAC: Final = 24
_REFLECTION_FRAC: Final = 30
_LIMIT: Final = (1 << 29) - 1  # coefficients within +-32, so that 64-bit sums cannot overflow
_FLOOR: Final = 429497  # 1e-4, Q32
_SMALLEST: Final = 65536 // 1000 + 1  # 30 dB below lag 0, Q16 (rounded up)


def _lag_matrix() -> Ints:
    """Return [17, 18] Q24: what a unit of each band's 10^L adds to the windowed lags."""
    half = FRAME + 1
    rise = np.zeros((BANDS, half))
    for band, (low, high) in enumerate(pairwise(EDGES)):
        step = np.arange(high - low) / (high - low)
        rise[band, low:high] += 1 - step
        rise[band + 1, low:high] += step
    weight = rise.sum(axis=1)
    weight[[0, -1]] *= 2  # the end bands' energies are doubled
    lag = np.arange(ORDER + 1)
    cosines: npt.NDArray[np.float64] = np.cos(np.pi * np.arange(half)[:, None] * lag / FRAME)
    cosines[1:FRAME] *= 2
    matrix = (4 / weight)[:, None] * (rise @ cosines) * (1 - 6e-5 * lag**2)
    return np.asarray(np.floor(matrix.T * 2.0**_MATRIX_FRAC + 0.5), np.int64)


LAG_MATRIX: Final[Ints] = _lag_matrix()
NOISE_FLOOR: Final = int(np.floor(26 / 38 * 2.0**30 + 0.5))  # Q30


def autocorrelation(logs: Ints) -> Ints:
    """Return lags [frames, 17], scaled so that lag 0 is in [2^29, 2^30), from band logs Q24."""
    return scaled_autocorrelation(logs)[0]


def scaled_autocorrelation(logs: Ints) -> tuple[Ints, Ints]:
    """Return `autocorrelation` and its exponents [frames]: true lags are lags * 2^exponent."""
    top = (logs.max(axis=1) >> LOG_FRAC) + 1  # 2^top is above the largest
    below = logs - (top << LOG_FRAC)[:, None]
    density = np.right_shift(
        exp2(below & ((1 << LOG_FRAC) - 1)), np.minimum(-(below >> LOG_FRAC), 31)
    )
    lags = density @ LAG_MATRIX.T  # Q54 times 2^top
    noise = np.left_shift(np.int64(NOISE_FLOOR), np.maximum(24 - top, 0))
    noise = np.where(top > 24, np.right_shift(noise, np.maximum(top - 24, 0)), noise)
    lags[:, 0] += (((lags[:, 0] >> 20) * _FLOOR) >> 12) + noise
    down = bit_length(lags[:, 0]) - 30
    exponent = top + down - EXP_FRAC - _MATRIX_FRAC
    return np.asarray(np.right_shift(lags, down[:, None])), np.asarray(exponent)


def levinson(lags: Ints) -> Ints:
    """Return predictors [frames, 16] Q24 from lags [frames, 17]; stop at a gain of 30 dB."""
    return levinson_and_error(lags)[0]


def levinson_and_error(lags: Ints) -> tuple[Ints, Ints]:
    """Return `levinson` and the energy [frames] that the predictor leaves of lag 0, 1 or more."""
    frames = len(lags)
    lpc = np.zeros((frames, ORDER), np.int64)
    error = lags[:, 0].copy()
    alive = np.ones(frames, bool)
    enough = (lags[:, 0] * _SMALLEST) >> 16
    one = np.int64(1) << _REFLECTION_FRAC
    for order in range(ORDER):
        acc = lags[:, order + 1].copy()
        if order:
            past = (lpc[:, :order] * lags[:, order:0:-1]).sum(axis=1)
            acc += rounded(past, LPC_FRAC)
        # The quotient is truncated towards zero, and its magnitude stays below one.
        size = np.minimum(np.abs(acc), error - 1) * one // error
        reflection = np.where(alive, np.where(acc > 0, -size, size), 0)
        if order:
            mirrored = lpc[:, order - 1 :: -1][:, :order]
            change = rounded(reflection[:, None] * mirrored, _REFLECTION_FRAC)
            lpc[:, :order] = np.clip(lpc[:, :order] + change, -_LIMIT, _LIMIT)
        lpc[:, order] = rounded(reflection, _REFLECTION_FRAC - LPC_FRAC)
        square = (reflection * reflection) >> _REFLECTION_FRAC
        error = error - ((error * square) >> _REFLECTION_FRAC)
        alive &= error > enough
    return lpc, error


def joined(lpc: Ints) -> Ints:
    """Join predictor and pre-emphasis to a filter on PCM: [frames, 18] Q24, newest tap first."""
    ones = np.full((len(lpc), 1), 1 << LPC_FRAC, np.int64)
    zero = np.zeros((len(lpc), 1), np.int64)
    poly = np.concatenate([ones, lpc, zero], axis=1)
    past = np.concatenate([zero, ones, lpc], axis=1)
    return np.asarray(poly - rounded(past * PREEMPHASIS, EMPHASIS_FRAC))


def residual(pcm: Ints, lpc: Ints) -> Ints:
    """Return the residual [frames, 160] Q10 int32 of samples [frames, 177]: 17 past, 160 new."""
    taps = joined(lpc)
    acc = np.zeros((len(pcm), FRAME), np.int64)
    for k in range(TAPS):
        acc += taps[:, k : k + 1] * pcm[:, TAPS - 1 - k : TAPS - 1 - k + FRAME]
    return saturate(rounded(acc, LPC_FRAC - RESIDUAL_FRAC), 31)

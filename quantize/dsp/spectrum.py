# SPDX-License-Identifier: BSD-3-Clause
"""Spectrum of a frame: pre-emphasis, window, FFT, band logarithms, cepstrum, phase advances.

These are steps 1 to 4 and 7 of the features (docs/FORMAT.md, section 5). Here a frame is the 160
samples of a feature vector and the 160 before them. quantize.features.floats does it in floats.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from quantize.dsp import fft
from quantize.dsp.scalar import (
    LOG_FRAC,
    Ints,
    bit_length,
    log2,
    rounded,
    rounded_by,
    rsqrt,
    saturate,
)

FRAME: Final = 160
BANDS: Final = 18
PREEMPHASIS: Final = 27853  # 0.85, Q15
EMPHASIS_FRAC: Final = 15
CEPSTRUM_FRAC: Final = 20
IF_FEATURES: Final = 88
IF_FRAC: Final = 15
_IF_BINS: Final = 30  # bin 0 gives its power, bins 1..29 their phase advance and power
_UNIT_FRAC: Final = 14  # of the unit vectors that keep a bin's phase
_WINDOW_FRAC: Final = 23
# Bins of 50 Hz where the triangles of two neighbouring bands begin and end.
EDGES: Final = tuple(
    4 * edge for edge in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 34, 40)
)
COMMON: Final = 48  # all interval widths divide 48, so weights of bins are whole 48ths
_MOST_UP: Final = 12  # most bits that a quiet frame is raised by: 0.01 still fits 64 bits

_LOG10_2: Final = float(np.log10(2.0))


def _q(value: float, frac: int) -> int:
    return int(np.floor(value * 2.0**frac + 0.5))


# Logarithms here are to the base 2, Q24; in the float features these constants are decades.
LOG_RANGE: Final = _q(8.0 / _LOG10_2, LOG_FRAC)
LOG_FOLLOW: Final = _q(2.5 / _LOG10_2, LOG_FRAC)
LOG_START: Final = _q(-2.0 / _LOG10_2, LOG_FRAC)
LOG_75: Final = _q(float(np.log2(75.0)), LOG_FRAC)
LOG_POINTS: Final = _q(float(np.log2(320.0**2)), LOG_FRAC)
# (10 log10 p - 6) / 64 from log2 p.
IF_SLOPE: Final = _q(10.0 * _LOG10_2 / 64.0, 18)
IF_OFFSET: Final = _q(6.0 / 64.0, IF_FRAC)


def _window() -> Ints:
    n = (np.arange(FRAME) + 0.5) / FRAME
    half = np.sin(0.5 * np.pi * np.sin(0.5 * np.pi * n) ** 2)
    return np.asarray(np.floor(half * 2.0**_WINDOW_FRAC + 0.5), np.int64)


def _cosines() -> Ints:
    """Return sqrt(2 / 18) log10(2) cos(pi k / 36), k = 0..71, Q30, for the DCT of 18 points."""
    angle = np.pi * np.arange(4 * BANDS) / (2 * BANDS)
    return np.asarray(
        np.floor(np.sqrt(2.0 / BANDS) * _LOG10_2 * np.cos(angle) * 2.0**30 + 0.5), np.int64
    )


WINDOW: Final[Ints] = _window()  # rising half, Q23
DCT_COSINES: Final[Ints] = _cosines()
DCT_FIRST: Final = _q(float(np.sqrt(1.0 / BANDS)) * _LOG10_2, 30)


def emphasise(pcm: Ints, before: Ints) -> Ints:
    """Compute step 1: x[n] - 0.85 x[n-1], Q15 int32, of [frames, n] int16; `before` [frames, 1]."""
    past = np.concatenate([before, pcm[:, :-1]], axis=1)
    return np.asarray((pcm << EMPHASIS_FRAC) - PREEMPHASIS * past)


def spectrum(emphasised: Ints) -> tuple[Ints, Ints, Ints]:
    """Compute step 2: the spectrum of [frames, 320] samples in Q15.

    Real and imaginary parts are [frames, 161] int32, with a scale [frames]: a bin is its value
    / 2^scale / 320. The scale is chosen so that the samples fill 22 bits before the window.
    """
    peak = bit_length(np.abs(emphasised).max(axis=1))
    up = np.minimum(fft.INPUT_BITS - peak, _MOST_UP)  # -9 .. 12
    window = np.concatenate([WINDOW, WINDOW[::-1]])
    # The same rounding removes the window's fraction bits.
    shift = (_WINDOW_FRAC - up)[:, None]
    re, im = fft.real_fft(rounded_by(emphasised * window, shift))
    return re, im, EMPHASIS_FRAC + up


def band_sums(values: Ints) -> Ints:
    """Return sums [frames, 18] over the bands' triangles of values [frames, 160 or more] of bins.

    The weights are whole 48ths; both end bands are doubled.
    """
    sums = np.zeros((len(values), BANDS), np.int64)
    for band, (low, high) in enumerate(pairwise(EDGES)):
        width = high - low
        total = values[:, low:high].sum(axis=1)
        ramp = (values[:, low:high] * np.arange(width)).sum(axis=1)
        sums[:, band] += (width * total - ramp) * (COMMON // width)
        sums[:, band + 1] += ramp * (COMMON // width)
    sums[:, [0, BANDS - 1]] *= 2
    return sums


def band_logs(re: Ints, im: Ints, scale: Ints) -> Ints:
    """Compute step 3 and the logs of step 4: log2(0.01 + E) over the running floor, [., 18] Q24.

    Powers are exact sums of |X|^2 / 256. With weights in 48ths, 0.01 is a whole number too.
    """
    power = (re * re + im * im) >> 8
    energy = band_sums(power)
    # E = energy / 48 * 2^8 / 2^(2 scale) / 320^2, and 48 * 320^2 = 75 * 2^16.
    floor = np.left_shift(np.int64(3), 6 + 2 * scale)  # 0.01 * 75 * 2^(8 + 2 scale)
    logs = log2(energy + floor[:, None]) - LOG_75 - ((8 + 2 * scale) << LOG_FRAC)[:, None]
    return floored(logs)


def floored(logs: Ints) -> Ints:
    """Return logarithms [frames, 18] Q24 above the running floor of step 4."""
    logs = logs.copy()
    peak = np.full(len(logs), LOG_START, np.int64)
    follow = peak.copy()
    for band in range(BANDS):
        value = np.maximum(peak - LOG_RANGE, np.maximum(follow - LOG_FOLLOW, logs[:, band]))
        peak = np.maximum(peak, value)
        follow = np.maximum(follow - LOG_FOLLOW, value)
        logs[:, band] = value
    return logs


def cepstrum(logs: Ints) -> Ints:
    """Compute the rest of step 4: orthonormal DCT-II in decades, c0 less 4; [., 18] Q20."""
    n = np.arange(BANDS)
    matrix = DCT_COSINES[((2 * n[:, None] + 1) * n[None]) % (4 * BANDS)]
    matrix[:, 0] = DCT_FIRST
    result = rounded(logs @ matrix, 30 + LOG_FRAC - CEPSTRUM_FRAC)
    result[:, 0] -= 4 << CEPSTRUM_FRAC
    return np.asarray(result)


def unit_vectors(re: Ints, im: Ints) -> tuple[Ints, Ints]:
    """Return X / |X| of each bin in Q14, zero for a zero bin; |re|, |im| < 2^31."""
    length = bit_length(np.maximum(np.abs(re), np.abs(im)))
    up = np.where(length > 0, 31 - length, 0)
    a, b = (re << up) >> 16, (im << up) >> 16  # the larger in [2^14, 2^15]
    square = a * a + b * b
    # rsqrt takes [2^30, 2^32): smaller squares move up by two bits, a zero bin takes 2^30.
    small = square < (1 << 30)
    root = rsqrt(np.where(length > 0, np.where(small, square << 2, square), 1 << 30))
    shift = np.where(small, 31, 32)
    return rounded_by(a * root, shift), rounded_by(b * root, shift)


def log_power(re: Ints, im: Ints, scale: Ints) -> Ints:
    """Return (10 log10 |X|^2 - 6) / 64 within -1..1, Q15 int16; -1 for a zero bin."""
    square = re * re + im * im
    logs = log2(np.maximum(square, 1)) - ((2 * scale)[:, None] << LOG_FRAC) - LOG_POINTS
    value = rounded(rounded(logs, 12) * IF_SLOPE, 15) - IF_OFFSET
    return np.where(square == 0, -32768, saturate(value, 16))


def phase_features(re: Ints, im: Ints, scale: Ints) -> Ints:
    """Compute step 7: [frames, 88] int16 Q15 of consecutive spectra, with silence before them."""
    re, im = re[:, :_IF_BINS], im[:, :_IF_BINS].copy()
    im[:, 0] = 0
    features = np.zeros((len(re), IF_FEATURES), np.int64)
    power = log_power(re, im, scale)
    features[:, 0] = power[:, 0]
    features[:, 3::3] = power[:, 1:]
    now_re, now_im = unit_vectors(re[:, 1:], im[:, 1:])
    past_re, past_im = (np.concatenate([0 * x[:1], x[:-1]]) for x in (now_re, now_im))
    shift = 2 * _UNIT_FRAC - IF_FRAC
    features[:, 1::3] = saturate(rounded(now_re * past_re + now_im * past_im, shift), 16)
    features[:, 2::3] = saturate(rounded(now_im * past_re - now_re * past_im, shift), 16)
    return features

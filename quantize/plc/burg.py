# SPDX-License-Identifier: BSD-3-Clause
"""Burg cepstra in integers: 36 numbers for a frame, the predictor's view of heard samples.

Burg's method finds a predictor of order 16 in each half of a frame, without a window and without
samples of other frames. The predictor's spectrum, in the bands of the features, gives a cepstrum.
The results are half the sum of both halves' cepstra, then their difference (libopus' deep PLC;
docs/FORMAT.md, section 6). firmware/dredkit/plc/burg.c gives the same bits.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.dsp import fft, spectrum
from quantize.dsp.lpc import ORDER
from quantize.dsp.scalar import LOG_FRAC, Ints, bit_length, exp2, log2, rounded, rsqrt, shifted
from quantize.dsp.spectrum import BANDS, EMPHASIS_FRAC, FRAME, LOG_START

HALF: Final = FRAME // 2
CEPSTRA: Final = 2 * BANDS
SAMPLES: Final = HALF - 1  # pre-emphasised samples of a half: the first has no sample before it
SAMPLE_BITS: Final = 26  # of the largest: no error signal of the recursion then passes int32
COEFFICIENT_FRAC: Final = 20  # of the predictor; |a| is below 1669 with a gain of 30 dB at most
REFLECTION_FRAC: Final = 30
LEAST_GAIN: Final = 1073742  # 0.001, Q30: what the predictor leaves at least
LOADING: Final = 42950  # 1e-5, Q32: white noise that conditions the recursion
WIDENING: Final = 0.995  # moves the predictor's poles inwards
FLOOR: Final = int(np.floor(320.0**2 * 1e-9 * 2.0**46 + 0.5))  # added to |A|^2, Q46
_WIDEN_FRAC: Final = 30
_QUOTIENT_BITS: Final = 16  # of a bin's power when it is inverted
_QUOTIENT_UP: Final = 14
# libopus' factor 0.45, the unit of the band sums, the FFT's length, and the mean of 50 samples, as
# a base-2 logarithm, Q24.
LEVEL: Final = int(
    np.floor(np.log2(0.45 / (spectrum.COMMON * fft.POINTS * 50)) * 2.0**LOG_FRAC + 0.5)
)
_SURE: Final = 24  # octaves above 0.01 from which adding 0.01 changes nothing


def _widening() -> Ints:
    power = WIDENING ** np.arange(1.0, ORDER + 1)
    return np.asarray(np.floor(power * 2.0**_WIDEN_FRAC + 0.5), np.int64)


WIDEN: Final[Ints] = _widening()  # 0.995^k, k = 1 .. 16, Q30


def cepstra(pcm: Ints) -> Ints:
    """Return the Burg cepstra [frames, 36] Q20 of samples [frames, 160] int16."""
    first, second = cepstrum(pcm[:, :HALF]), cepstrum(pcm[:, HALF:])
    return np.concatenate([rounded(first + second, 1), first - second], axis=1)


def cepstrum(pcm: Ints) -> Ints:
    """Return the cepstrum [rows, 18] Q20 of half frames [rows, 80] int16."""
    x, scale = _normalised(pcm)
    lpc, energy = burg(x)
    return spectrum.cepstrum(spectrum.floored(_logs(lpc, energy, scale)))


def _normalised(pcm: Ints) -> tuple[Ints, Ints]:
    """Return pre-emphasised samples [rows, 79] of 26 bits; each is its value * 2^scale."""
    exact = (pcm[:, 1:] << EMPHASIS_FRAC) - spectrum.PREEMPHASIS * pcm[:, :-1]
    down = bit_length(np.abs(exact).max(axis=1)) - SAMPLE_BITS
    return shifted(exact, down[:, None]), EMPHASIS_FRAC - down


def burg(x: Ints) -> tuple[Ints, Ints]:
    """Return predictors [rows, 16] Q20 and the energies [rows] that they leave of x [rows, 79].

    The residual is x[n] + sum a[k] x[n - 1 - k]. The recursion stops at a gain of 30 dB.
    """
    rows = len(x)
    forward, backward = x.copy(), x.copy()
    total = (x * x).sum(axis=1)
    loading = ((total >> 16) * LOADING) >> 16
    a = np.zeros((rows, 0), np.int64)
    left = np.full(rows, 1 << REFLECTION_FRAC, np.int64)
    alive = np.ones(rows, bool)
    for order in range(ORDER):
        f, b = forward[:, order + 1 :], backward[:, order:-1]
        ahead = np.concatenate([np.full((rows, 1), 1 << COEFFICIENT_FRAC), a], axis=1)
        ahead = np.concatenate([ahead, np.zeros((rows, 1), np.int64)], axis=1)
        behind = ahead[:, ::-1]
        cross = (f * b).sum(axis=1) + _loaded(loading, (ahead * behind).sum(axis=1))
        energy = (f * f).sum(axis=1) + (b * b).sum(axis=1)
        energy += 2 * _loaded(loading, (ahead * ahead).sum(axis=1))
        k = np.where(alive, _reflection(cross, energy), 0)
        square = (k * k) >> REFLECTION_FRAC
        next_left = left - ((left * square) >> REFLECTION_FRAC)
        full = alive & (next_left <= LEAST_GAIN)
        k = np.where(full, np.sign(k) * _last_reflection(left), k)
        left = np.where(full, LEAST_GAIN, np.where(alive, next_left, left))
        a = ahead[:, 1:] + rounded(k[:, None] * behind[:, 1:], REFLECTION_FRAC)
        change = rounded(k[:, None] * b, REFLECTION_FRAC)
        backward[:, order + 1 :] = b + rounded(k[:, None] * f, REFLECTION_FRAC)
        forward[:, order + 1 :] = f + change
        alive &= ~full
    own = (forward[:, ORDER:] ** 2).sum(axis=1)
    rest = total - (x[:, :ORDER] ** 2).sum(axis=1)
    return a, np.where(alive, own, ((rest >> 20) * LEAST_GAIN) >> (REFLECTION_FRAC - 20))


def _loaded(loading: Ints, product: Ints) -> Ints:
    """Return what the loading adds, for a product of the predictor with itself, Q40."""
    top = (1 << 31) - 1
    return np.asarray((loading >> 12) * np.clip(product >> 28, -top, top))


def _reflection(cross: Ints, energy: Ints) -> Ints:
    """Return -2 cross / energy, Q30, truncated towards zero, of a magnitude below one."""
    down = np.maximum(bit_length(energy) - 32, 0)
    bottom = np.maximum(energy >> down, 2)
    size = np.minimum((2 * np.abs(cross)) >> down, bottom - 1)
    size = (size << REFLECTION_FRAC) // bottom
    return np.asarray(np.where(cross > 0, -size, size))


def _last_reflection(left: Ints) -> Ints:
    """Return sqrt(1 - 0.001 / left), Q30, of what is left, above 0.001, Q30."""
    part = ((left - LEAST_GAIN) << REFLECTION_FRAC) // left
    up = (32 - bit_length(part)) & ~1
    mantissa = np.where(part > 0, part << up, 1 << 30)
    root = (mantissa * rsqrt(mantissa)) >> 31
    return np.where(part > 0, root >> (up >> 1), 0)


def _logs(lpc: Ints, energy: Ints, scale: Ints) -> Ints:
    """Return log2(0.01 + E) [rows, 18] Q24 of the bands of energy / |A|^2."""
    taps = np.zeros((len(lpc), fft.POINTS), np.int64)
    taps[:, 0] = 1 << COEFFICIENT_FRAC
    taps[:, 1 : ORDER + 1] = rounded(lpc * WIDEN, _WIDEN_FRAC)
    down = bit_length(np.abs(taps).max(axis=1)) - fft.INPUT_BITS  # -1 .. 9
    re, im = fft.real_fft(shifted(taps, down[:, None]))
    double = 2 * (COEFFICIENT_FRAC - down)  # powers are |A|^2 * 2^double
    power = (re * re + im * im)[:, :FRAME] + (FLOOR >> (46 - double))[:, None]
    length = bit_length(power)
    least = length.min(axis=1)
    mantissa = _scaled(power, length - _QUOTIENT_BITS)
    inverse = ((0xFFFFFFFF // mantissa) << _QUOTIENT_UP) >> (length - least[:, None])
    sums = spectrum.band_sums(inverse)
    # 1 / |A|^2 is the inverse * 2^(double - 30 - least).
    exponent = double - 30 - least - 2 * scale
    level = log2(np.maximum(energy, 1)) + LEVEL + (exponent << LOG_FRAC)
    logs = log2(np.maximum(sums, 1)) + level[:, None]
    return np.where(energy[:, None] > 0, _above_floor(logs), LOG_START)


def _scaled(x: Ints, shift: Ints) -> Ints:
    """Return x / 2^shift rounded down; a negative shift multiplies."""
    return np.left_shift(np.right_shift(x, np.maximum(shift, 0)), np.maximum(-shift, 0))


def _above_floor(logs: Ints) -> Ints:
    """Return log2(0.01 + 2^x) of logarithms x, Q24."""
    above = logs - LOG_START
    whole, part = above >> LOG_FRAC, above & ((1 << LOG_FRAC) - 1)
    grown = (np.int64(1) << 30) + shifted(exp2(part), np.minimum(-whole, 40))
    small = log2(np.where(whole < _SURE, grown, 1 << 30)) - (30 << LOG_FRAC)
    return LOG_START + np.where(whole < _SURE, small, above)

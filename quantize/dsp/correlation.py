# SPDX-License-Identifier: BSD-3-Clause
"""The normalised correlations of the residual (step 6) and the voicing correlation (step 9)."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.signal import ellip

from quantize.dsp.lpc import RESIDUAL_FRAC
from quantize.dsp.scalar import (
    LOG_FRAC,
    Ints,
    bit_length,
    exp2,
    log2,
    rounded,
    rounded_by,
    rsqrt,
    saturate,
    shifted,
)
from quantize.dsp.spectrum import FRAME

MAX_PERIOD: Final = 256
LAGS: Final = 224
SPAN: Final = FRAME + MAX_PERIOD  # samples that the lags of one frame need
EXCITATION_ZERO: Final = 1503238554  # 0.7, Q31
_ENERGY: Final = (1 << 30) - (1 << 20)  # the most of a span, less what rounding may add
_LOWPASS_FRAC: Final = 30
_VALUE_BITS: Final = 27  # of samples whose products the voicing correlation sums in 64 bits
VOICING_FRAC: Final = 15


def _lowpass() -> Ints:
    """Return b1, a1, a2 (b0 = b2 = 1) of the second-order elliptic low-pass at 1.2 kHz.

    It has 2 dB of ripple and attenuates by 20 dB.
    """
    b, a = ellip(2, 2, 20, 1200, fs=16000)
    values = np.array([b[1] / b[0], a[1], a[2]])
    return np.asarray(np.floor(values * 2.0**_LOWPASS_FRAC + 0.5), np.int64)


LOWPASS: Final[Ints] = _lowpass()
VOICING_SLOPE: Final = int(np.floor(5.0 / np.log(2.0) * 2.0**15 + 0.5))  # 5 log2 e, Q15
# 1 / log2(1 + e^5), Q18: the feature is log2(1 + e^5c) times this, less a half.
VOICING_NORM: Final = int(np.floor(2.0**18 / np.log2(1 + np.exp(5.0)) + 0.5))


def excitation(residual: Ints, before: Ints) -> Ints:
    """Return e[n] = r[n] + 0.7 r[n-1], Q10 int32, of [frames, 160] and `before` [frames, 1]."""
    past = np.concatenate([before, residual[:, :-1]], axis=1)
    return np.asarray(residual + rounded(past * EXCITATION_ZERO, 31))


def lowpass(residual: Ints) -> Ints:
    """Return the low-passed residual, Q10 int32, of all samples [n], starting from rest."""
    b1, a1, a2 = (int(v) for v in LOWPASS)
    half, top = 1 << (_LOWPASS_FRAC - 1), (1 << 31) - 1
    out = np.empty(len(residual), np.int64)
    x1 = x2 = y1 = y2 = 0
    for n, x in enumerate(residual.tolist()):
        y = x + x2 + ((b1 * x1 - a1 * y1 - a2 * y2 + half) >> _LOWPASS_FRAC)
        y = max(-top - 1, min(top, y))
        out[n] = y
        x2, x1, y2, y1 = x1, x, y1, y
    return out


def common_shift(span: Ints) -> Ints:
    """Return the right shifts [frames] that bring the energy of each [frames, 416] below 2^30."""
    peak = bit_length(np.abs(span).max(axis=1))
    coarse = np.maximum(peak - _VALUE_BITS, 0)
    values = np.right_shift(span, coarse[:, None])
    energy = (values * values).sum(axis=1)
    fine = (np.maximum(bit_length(energy) - 30, -11) + 1) >> 1  # energy >> 2 fine <= 2^30
    fine += np.right_shift(energy, np.maximum(2 * fine, 0)) > _ENERGY
    return np.asarray(coarse + fine)


def lag_features(span: Ints) -> Ints:
    """Compute step 6: [frames, 224] int16 Q15 for lags 256 down to 33, of e[n] [frames, 416]."""
    shift = common_shift(span)
    e = shifted(span, shift[:, None])
    now = e[:, MAX_PERIOD:]
    square = e * e
    dot = np.empty((len(e), LAGS), np.int64)
    one = 2 * (RESIDUAL_FRAC - shift)  # log2 of 1.0 in the energies' format
    unit = np.left_shift(np.int64(1), np.maximum(one, 0))  # never 0: it ends up in a divisor
    total = unit + square[:, MAX_PERIOD:].sum(axis=1)
    behind = np.concatenate([np.zeros((len(e), 1), np.int64), square.cumsum(axis=1)], axis=1)
    energy = total[:, None] + behind[:, FRAME : FRAME + LAGS] - behind[:, :LAGS]
    for i in range(LAGS):
        dot[:, i] = (now * e[:, i : i + FRAME]).sum(axis=1)
    return quotient(dot, energy)


def quotient(dot: Ints, energy: Ints) -> Ints:
    """Return 2 dot / energy in Q15 int16, truncated towards zero; 2 |dot| <= energy < 2^32."""
    up = 32 - bit_length(energy)
    size = np.left_shift(np.abs(dot), up) // (np.left_shift(energy, up) >> 16)
    size = np.minimum(size, 32767)
    return np.asarray(np.where(dot < 0, -size, size))


def voicing(now: Ints, past: Ints) -> Ints:
    """Return c = <now, past> / sqrt(1 + |now|^2 |past|^2).

    c is Q15 int16 [frames]; `now` and `past` are [frames, 160] Q10 int32.
    """
    peak = bit_length(np.maximum(np.abs(now), np.abs(past)).max(axis=1))
    down = np.maximum(peak - _VALUE_BITS, 0)[:, None]
    now, past = np.right_shift(now, down), np.right_shift(past, down)
    dot, e1, e2 = (now * past).sum(axis=1), (now * now).sum(axis=1), (past * past).sum(axis=1)
    # With mantissas of 31 bits, the product of the energies has 62 bits and 2^exponent.
    n1, n2 = bit_length(e1) - 31, bit_length(e2) - 31
    product = _scaled(e1, n1) * _scaled(e2, n2)
    exponent = n1 + n2
    # The 1 has the same format. If it would not fit, the product is shifted down instead.
    one = 4 * (RESIDUAL_FRAC - down[:, 0]) - exponent
    small = np.maximum(one - 61, 0)
    product = np.right_shift(product, np.minimum(small, 63))
    exponent, one = exponent + small, one - small
    product += np.where(one < 0, 0, np.left_shift(np.int64(1), np.maximum(one, 0)))
    # 1 / sqrt(product 2^exponent) = root 2^-46 2^-(rest / 2), where rest is even.
    rest = bit_length(product) - 32
    rest += (rest + exponent) & 1
    root = rsqrt(_scaled(product, rest))
    rest += exponent
    size = np.abs(dot)
    n3 = bit_length(size) - 31
    ratio = np.sign(dot) * _scaled(size, n3) * root
    shift = 46 - VOICING_FRAC + (rest >> 1) - n3
    return saturate(rounded_by(ratio, np.minimum(shift, 62)), 16)


def _scaled(x: Ints, shift: Ints) -> Ints:
    """Return x / 2^shift rounded down; a negative shift multiplies."""
    return np.left_shift(np.right_shift(x, np.maximum(shift, 0)), np.maximum(-shift, 0))


def voicing_feature(c: Ints, frac: int) -> Ints:
    """Return ln(1 + e^5c) / ln(1 + e^5) - 1/2 of a Q15 correlation, int16 with `frac` bits."""
    power = rounded(c * VOICING_SLOPE, VOICING_FRAC + 15 - LOG_FRAC)  # log2 e^5c, Q24
    whole, part = power >> LOG_FRAC, power & ((1 << LOG_FRAC) - 1)
    grown = (np.int64(1) << 30) + shifted(exp2(part), -whole)  # Q30
    value = rounded(rounded(log2(grown) - (30 << LOG_FRAC), 4) * VOICING_NORM, 18) - (1 << 19)
    return saturate(rounded(value, 20 - frac), 16)

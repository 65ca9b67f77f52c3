# SPDX-License-Identifier: BSD-3-Clause
"""Logarithm, exponential and reciprocal root from small tables and chords, without division.

Each entry of a table is raised by half of its chord's error in the middle, as in the sigmoid table
of quantize.integer. The error is then the same above and below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

LOG_FRAC: Final = 24  # logarithms to the base 2 are Q24
EXP_FRAC: Final = 30  # mantissas of the exponential, 1.0 to 2.0
_STEPS: Final = 64  # chords per octave
_PART: Final = 12  # bits of the place on a chord


def _balanced(curve: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], n: int) -> Ints:
    """Return integers nearest to curve(0..n), each raised by half of its chord's error."""
    i = np.arange(n + 1.0)
    misses = curve(i + 0.5) - (curve(i) + curve(i + 1.0)) / 2.0
    return np.asarray(np.floor(curve(i) + misses / 2.0 + 0.5), np.int64)


LOG_TABLE: Final[Ints] = _balanced(
    lambda i: np.asarray(np.log2(1.0 + i / _STEPS) * 2.0**LOG_FRAC), _STEPS
)
EXP_TABLE: Final[Ints] = _balanced(lambda i: np.asarray(2.0 ** (i / _STEPS + EXP_FRAC)), _STEPS)
# 2^31 / sqrt(m) at m = (16 + i) 2^26, i = 0..48: the first guess of the reciprocal root.
RSQRT_TABLE: Final[Ints] = np.minimum(
    _balanced(lambda i: np.asarray(2.0**31 / np.sqrt((16.0 + i) * 2.0**26)), 48), 65535
)


def saturate(x: Ints, bits: int) -> Ints:
    """Clip to a signed integer of `bits` bits."""
    return np.clip(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def rounded(x: Ints, shift: int) -> Ints:
    """Return x / 2^shift, rounded to nearest, half up; shift is at least 1."""
    return np.right_shift(x + (1 << (shift - 1)), shift)


def rounded_by(x: Ints, shift: Ints) -> Ints:
    """Return `rounded` with a shift for each element."""
    return np.right_shift(x + np.left_shift(np.int64(1), shift - 1), shift)


def shifted(x: Ints, shift: Ints) -> Ints:
    """Return x / 2^shift, rounded to nearest, half up; a negative shift multiplies."""
    down = np.maximum(shift, 0)
    half = np.where(down > 0, np.left_shift(np.int64(1), np.maximum(down - 1, 0)), 0)
    return np.left_shift(np.right_shift(x + half, down), np.maximum(-shift, 0))


def bit_length(x: Ints) -> Ints:
    """Return the number of bits of a non-negative integer: 0 for 0, 1 for 1, 63 at most."""
    x = np.asarray(x, np.int64)
    rest = x
    n = np.zeros(x.shape, np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        big = rest >= (np.int64(1) << step)
        n += big * step
        rest = np.where(big, np.right_shift(rest, step), rest)
    return n + (x > 0)


def log2(x: Ints) -> Ints:
    """Return the base-2 logarithm, Q24, of positive integers below 2^63; within 3e-5."""
    n = bit_length(x) - 1
    mantissa = np.where(
        n <= 31, np.left_shift(x, np.maximum(31 - n, 0)), np.right_shift(x, np.maximum(n - 31, 0))
    )
    step = (mantissa >> 25) & 63
    part = (mantissa >> (25 - _PART)) & ((1 << _PART) - 1)
    low = LOG_TABLE[step]
    chord = rounded((LOG_TABLE[step + 1] - low) * part, _PART)
    return np.asarray((n << LOG_FRAC) + low + chord)


def exp2(fraction: Ints) -> Ints:
    """Return 2^x in Q30 for a Q24 fraction x in [0, 1); within 1.1e-5, so possibly just below 1."""
    step = fraction >> 18
    part = (fraction >> (18 - _PART)) & ((1 << _PART) - 1)
    low = EXP_TABLE[step]
    return np.asarray(low + (((EXP_TABLE[step + 1] - low) * part) >> _PART))


def rsqrt(mantissa: Ints) -> Ints:
    """Return 2^46 / sqrt(m), in [2^30, 2^31], for m in [2^30, 2^32); within 6e-8.

    Improve a guess from a chord by one Newton step: y (3 - m y^2) / 2.
    """
    step = (mantissa >> 26) - 16
    part = (mantissa >> (26 - _PART)) & ((1 << _PART) - 1)
    low = RSQRT_TABLE[step]
    guess = low + (((RSQRT_TABLE[step + 1] - low) * part) >> _PART)
    # m y^2 is below 2^64. It is split so that this model stays within int64.
    square = guess * guess
    product = ((mantissa >> 16) * square + (((mantissa & 0xFFFF) * square) >> 16)) >> 16
    return np.asarray((guess * (3 * (1 << 30) - product)) >> 16)

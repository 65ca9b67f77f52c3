# SPDX-License-Identifier: BSD-3-Clause
"""The level of each chunk, and the dead-zone quantiser between values and symbols.

DRED quantises y = x scale / 256 as v = floor(y - d tanh(y / (d + 0.1)) + 1/2), d = deadzone / 256:
small values are pulled to zero, large ones moved by d. Since d < d + 0.1 the function under the
floor rises strictly, so each symbol covers one interval of y:

    |v| >= k  exactly when  |y| >= k - 1/2 + c_k(d),   0 <= c_k(d) <= d < 1.

c_k depends on one byte and is d itself from k = 6 on, where libopus' tanh has reached 1. Five rows
of 256 thresholds therefore replace every tanh and division: 2.5 KB of constants, and a symbol
costs one product and one comparison. The thresholds are part of the definition: Q16, rounded to
nearest. y is never rounded; a value on the threshold itself goes away from zero when it is
positive and towards zero when it is negative, as the floor does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.integer import Ints, saturate16

Bytes = npt.NDArray[np.uint8]

LEVEL_MAX: Final = 15
LEVEL_ZERO: Final = 8  # a decoder sees levels around this one, in eighths
SLOPES: Final = (0, 2, 3, 4, 6, 8, 12, 16)  # sixteenths of a level per 40-ms chunk, by dQ
VALUE_FRAC: Final = 16  # latents and states are int32 Q16 here
THRESHOLD_ROWS: Final = 5


def level(q0: int, dq: int, qmax: int, chunk: int) -> int:
    """Return the level of a chunk (0 is the newest): q0 rising with age up to qmax; all 0..15."""
    return min(qmax, q0 + (SLOPES[dq] * chunk + 8) // 16)


def _tanh(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """tanh as libopus approximates it (DRED-SPEC section 7), of x >= 0."""
    square = x * x
    above = (0.60863042 * square + 96.39235687) * square + 952.52801514
    below = (11.88600922 * square + 413.36801147) * square + 952.72399902
    return np.minimum(x * above / below, 1.0)


def _thresholds() -> Ints:
    """c_k(d) in Q16, [5][256]: row k - 1, by dead zone; found by bisection."""
    deadzone = np.arange(256.0) / 256.0
    rows = []
    for k in range(1, THRESHOLD_ROWS + 1):
        low, high = np.zeros(256), np.ones(256)
        for _ in range(60):
            c = (low + high) / 2.0
            reached = c >= deadzone * _tanh((k - 0.5 + c) / (deadzone + 0.1))
            low, high = np.where(reached, low, c), np.where(reached, c, high)
        rows.append(np.floor(high * 65536.0 + 0.5).astype(np.int64))
    return np.stack(rows)


THRESHOLDS: Final[Ints] = _thresholds()


def quantise(values: Ints, scale: Bytes, deadzone: Bytes) -> Ints:
    """int32 Q16 values to symbols, |v| <= 32640; scale and deadzone uint8 of the same shape."""
    if np.any(np.abs(values) > 1 << 31):
        raise InputError("a latent or state does not fit int32 Q16")
    product = values * scale.astype(np.int64)  # Q24, exact
    negative = product < 0
    size = np.maximum(np.abs(product) - negative, 0) >> 8  # Q16; the floor of |y|, just below it
    nearest = (size + 0x8000) >> 16
    beyond = size + 0x8000 - (nearest << 16)  # |y| - (nearest - 1/2), Q16 in [0, 65536)
    zone = deadzone.astype(np.int64)
    row = np.clip(nearest, 1, THRESHOLD_ROWS) - 1
    threshold = np.where(nearest <= THRESHOLD_ROWS, THRESHOLDS[row, zone], zone << 8)
    magnitude = np.maximum(nearest - (beyond < threshold), 0)
    return np.asarray(np.where(negative, -magnitude, magnitude))


def dequantise(symbols: Ints, scale: Bytes) -> Ints:
    """Symbols (int16) to int32 Q16: v 256 / scale, halves up, a scale of 0 read as 1; saturated."""
    divisor = np.maximum(scale.astype(np.int64), 1)
    numerator = symbols << (VALUE_FRAC + 8)
    value = (2 * numerator + divisor) // (2 * divisor)
    return np.asarray(np.clip(value, -(1 << 31), (1 << 31) - 1))


def to_input(values: Ints, frac: int) -> Ints:
    """int32 Q16 as a network takes them: int16 with `frac` (0..15) bits, halves up, saturated."""
    shift = VALUE_FRAC - frac
    return saturate16((values + (1 << (shift - 1))) >> shift)


def level_input(at: int, frac: int) -> int:
    """What a decoder is told of a chunk's level (0..15): level / 8 - 1, as `to_input` has it."""
    return int(to_input(np.array((at - LEVEL_ZERO) << (VALUE_FRAC - 3)), frac))

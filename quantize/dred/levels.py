# SPDX-License-Identifier: BSD-3-Clause
"""The level of each chunk, and the dead-zone quantiser between values and symbols.

DRED quantises y = x scale / 256 as v = floor(y - d tanh(y / (d + 0.1)) + 1/2), d = deadzone / 256
(docs/FORMAT.md, section 2). This pulls small values to zero and moves large ones towards zero by d.
Since d < d + 0.1, the function under the floor rises strictly, so each symbol covers one interval
of y:

    |v| >= k  exactly when  |y| >= k - 1/2 + c_k(d),   0 <= c_k(d) <= d < 1.

c_k depends on one byte. From k = 6 on it is d itself, because libopus' tanh has reached 1 there.
Five rows of 256 thresholds therefore replace every tanh and division. They take 2.5 KB, and a
symbol costs one product and one comparison. The thresholds are part of the definition: Q16, rounded
to nearest. y is never rounded. A value on the threshold itself rounds as the floor does: away from
zero if it is positive, towards zero if it is negative.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.integer import Ints, saturate16

Bytes = npt.NDArray[np.uint8]

LEVEL_MAX: Final = 15
LEVEL_ZERO: Final = 8  # the decoder network takes (level - this one) / 8
SLOPES: Final = (0, 2, 3, 4, 6, 8, 12, 16)  # sixteenths of a level per 40-ms chunk, by dQ
VALUE_FRAC: Final = 16  # latents and states are int32 Q16 here
THRESHOLD_ROWS: Final = 5


def level(q0: int, dq: int, qmax: int, chunk: int) -> int:
    """Return the level of a chunk (0 is the newest): q0 rising with age up to qmax; all 0..15."""
    return min(qmax, q0 + (SLOPES[dq] * chunk + 8) // 16)


def _tanh(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return tanh of x >= 0 as libopus approximates it (docs/FORMAT.md, section 2)."""
    square = x * x
    above = (0.60863042 * square + 96.39235687) * square + 952.52801514
    below = (11.88600922 * square + 413.36801147) * square + 952.72399902
    return np.minimum(x * above / below, 1.0)


def _thresholds() -> Ints:
    """Find c_k(d) by bisection, in Q16: [5][256], row k - 1, by dead zone."""
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
    """Quantise int32 Q16 values to symbols, |v| <= 32640.

    `scale` and `deadzone` are uint8 of the same shape. Raises InputError beyond int32.
    """
    if np.any(np.abs(values) > 1 << 31):
        raise InputError("a latent or state does not fit int32 Q16")
    product = values * scale.astype(np.int64)  # Q24, exact
    negative = product < 0
    # |y| in Q16, rounded down; if y is negative, a |y| that is whole in Q16 counts as one less.
    size = np.maximum(np.abs(product) - negative, 0) >> 8
    nearest = (size + 0x8000) >> 16
    beyond = size + 0x8000 - (nearest << 16)  # |y| - (nearest - 1/2), Q16 in [0, 65536)
    zone = deadzone.astype(np.int64)
    row = np.clip(nearest, 1, THRESHOLD_ROWS) - 1
    threshold = np.where(nearest <= THRESHOLD_ROWS, THRESHOLDS[row, zone], zone << 8)
    magnitude = np.maximum(nearest - (beyond < threshold), 0)
    return np.asarray(np.where(negative, -magnitude, magnitude))


def dequantise(symbols: Ints, scale: Bytes) -> Ints:
    """Convert symbols (int16) to int32 Q16: v 256 / scale, half up, saturated.

    A scale of 0 counts as 1.
    """
    divisor = np.maximum(scale.astype(np.int64), 1)
    numerator = symbols << (VALUE_FRAC + 8)
    value = (2 * numerator + divisor) // (2 * divisor)
    return np.asarray(np.clip(value, -(1 << 31), (1 << 31) - 1))


def to_input(values: Ints, frac: int) -> Ints:
    """Convert int32 Q16 to a network's int16 with `frac` (0..15) bits, half up, saturated."""
    shift = VALUE_FRAC - frac
    return saturate16((values + (1 << (shift - 1))) >> shift)


def level_input(at: int, frac: int) -> int:
    """Return the decoder's input for a chunk's level (0..15): level / 8 - 1, through `to_input`."""
    return int(to_input(np.array((at - LEVEL_ZERO) << (VALUE_FRAC - 3)), frac))

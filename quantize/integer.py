# SPDX-License-Identifier: BSD-3-Clause
"""The arithmetic of all networks. Every kernel and interpreter must give these results bit for bit.

The scheme is TFLite's int16x8, which is public and which LiteRT and TFLite Micro implement:

- A matrix product multiplies int8 weights by int8 activations x8 = round(127 x), or int16 weights
  by the network's int16 inputs. It sums exactly in int32; the quantiser proves that int32 is large
  enough.
- Requantisation rounds once and has a 16-bit multiplier (fully connected 16x8, 64-bit bias).
- tanh and sigmoid interpolate linearly in one table of 256 uint16 entries.
- Element-wise products are Q15 with TFLite's double rounding (MUL on int16). Sums saturate (ADD).

Exact sums do not depend on their order, so an implementation may reorder products. Nothing else
may differ. Arrays are int64 here for clarity. A result has the type that its docstring names: it
is proved to fit, or saturated.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

INT16_MIN: Final = -32768
INT16_MAX: Final = 32767
INT32_MAX: Final = 2**31 - 1
X8_ONE: Final = 127  # the x8 that stands for 1.0, as in libopus' int8 activations
PRE_FRAC: Final = 12  # of pre-activations: +-8 covers all of tanh, sigmoid to within 3e-4
Q15_FRAC: Final = 15
MULTIPLIER_MIN: Final = 1 << 14  # a normalised 16-bit multiplier keeps its top bit
MULTIPLIER_MAX: Final = (1 << 15) - 1
SHIFT_MIN: Final = 1
SHIFT_EASY: Final = 17  # from this shift on, the product's low 16 bits do not matter
SHIFT_MAX: Final = 46  # int32 times a 15-bit multiplier has 46 bits: a larger shift gives zero


def _sigmoid_table() -> Ints:
    """Return TFLite's table for int16 LOGISTIC and TANH: sigmoid(i / 24) in Q16, balanced.

    Interpolation draws chords, and the curve bends away from them. Each entry is therefore raised
    by half of the error at the middle of its chord, then rounded. The last entry is 1.0, saturated.
    """

    def sigmoid_q16(i: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(65536.0 / (1.0 + np.exp(-i / 24.0)))

    i = np.arange(256.0)
    chord_misses = sigmoid_q16(i + 0.5) - (sigmoid_q16(i) + sigmoid_q16(i + 1.0)) / 2.0
    table = np.floor(sigmoid_q16(i) + chord_misses / 2.0 + 0.5).astype(np.int64)
    table[255] = 65535
    return table


SIGMOID_TABLE: Final[Ints] = _sigmoid_table()


def saturate16(x: Ints) -> Ints:
    """Clip to the range of int16."""
    return np.minimum(np.maximum(x, INT16_MIN), INT16_MAX)


def requantise(acc: Ints, multiplier: Ints, shift: Ints) -> Ints:
    """Return int16 (acc * multiplier + half) >> shift, saturated, for int32 accumulators.

    This rounds once. The quantiser proves that `lifted` accumulators fit int32; the shifted product
    then fits int32 too.
    """
    half = np.left_shift(np.int64(1), shift - 1)
    return saturate16(np.right_shift(acc * multiplier + half, shift))


def lifted(acc: Ints, shift: Ints) -> Ints:
    """Return an accumulator as 32-bit requantisers hold it, for a shift of at least SHIFT_EASY."""
    return acc << np.maximum(SHIFT_EASY - shift, 0)


def narrow(q15: Ints) -> Ints:
    """Narrow Q15 to the int8 x8 that a matrix product takes: round(127 x), half up, [-127, 127]."""
    return (q15 * X8_ONE + (1 << 14)) >> 15


def mul_q15(a: Ints, b: Ints) -> Ints:
    """Multiply a Q15 factor by any int16; the product has the format of the int16.

    Round twice, as TFLite's int16 MUL does: halve (half up), then divide by 2^14 (half away from
    zero). Both factors are int16; the result saturates to int16.
    """
    halved = (a * b + 1) >> 1
    mask = (1 << 14) - 1
    threshold = (mask >> 1) + (halved < 0)
    return saturate16((halved >> 14) + ((halved & mask) > threshold))


def add16(a: Ints, b: Ints) -> Ints:
    """Add two int16 of one format and saturate (TFLite's int16 ADD with equal scales)."""
    return saturate16(a + b)


def tanh(pre: Ints) -> Ints:
    """Return tanh of a Q12 int16 as Q15: 2 sigmoid(2x) - 1, from the sigmoid table."""
    position = 3 * np.abs(pre)  # Q12 * 3 / 2^8 counts steps of 1/48 in x: the table's 1/24 in 2x
    step = np.minimum(position >> 8, 255)
    low = SIGMOID_TABLE[step]
    high = SIGMOID_TABLE[np.minimum(step + 1, 255)]
    value = np.where(step >= 255, 0xFFFF << 8, (low << 8) + (position & 0xFF) * (high - low))
    one_half = 1 << 23
    rounding = 1 << 7
    signed = np.where(pre >= 0, value - one_half + rounding, one_half - value + rounding - 1)
    return signed >> 8


def sigmoid(pre: Ints) -> Ints:
    """Return sigmoid of a Q12 int16 as Q15, in [0, 32767]."""
    position = 3 * np.abs(pre)  # Q12 * 3 / 2^9 counts the table's steps of 1/24
    step = np.minimum(position >> 9, 255)
    low = SIGMOID_TABLE[step]
    high = SIGMOID_TABLE[np.minimum(step + 1, 255)]
    value = np.where(step >= 255, 0x7FFF << 10, (low << 9) + (position & 0x1FF) * (high - low))
    rounding = 1 << 9
    return np.where(pre >= 0, value + rounding, (1 << 25) - value + rounding - 1) >> 10


def gru_update(from_input: Ints, from_state: Ints, state: Ints) -> Ints:
    """Return the new state of a GRU.

    Both pre-activation vectors are Q12 [3 n] in the order z, r, h; both states are Q15 [n].
    """
    n = len(state)
    z = sigmoid(add16(from_input[:n], from_state[:n]))
    r = sigmoid(add16(from_input[n : 2 * n], from_state[n : 2 * n]))
    h = tanh(add16(from_input[2 * n :], mul_q15(r, from_state[2 * n :])))
    return add16(mul_q15(z, state), mul_q15(INT16_MAX - z, h))


def to_fixed(x: npt.NDArray[np.floating], frac: int) -> Ints:
    """Convert real numbers to int16 with `frac` fractional bits: nearest, half up, saturated."""
    return saturate16(np.floor(np.asarray(x, np.float64) * 2.0**frac + 0.5).astype(np.int64))


def to_real(x: npt.ArrayLike, frac: int) -> npt.NDArray[np.float64]:
    """Convert int16 with `frac` fractional bits back to real numbers."""
    return np.asarray(np.asarray(x, np.float64) * 2.0**-frac)

# SPDX-License-Identifier: BSD-3-Clause
"""THE arithmetic. Every kernel, board and interpreter must equal these functions to the last bit.

The scheme is TFLite's int16x8 (public, and already implemented by LiteRT and TFLite Micro):

- products of int8 weights with int8 activations x8 = round(127 x), or of int16 weights with the
  int16 inputs of the network, summed exactly in an int32 that the quantiser proves large enough;
- requantise with one rounding and a 16-bit multiplier (fully connected 16x8 with a 64-bit bias);
- tanh and sigmoid from one 256-entry uint16 table with linear interpolation;
- element-wise products in Q15 with TFLite's double rounding (MUL on int16), saturating sums (ADD).

Sums commute exactly, so an implementation may reorder products; nothing else may differ.
Arrays are int64 here for clarity; every result is proved or saturated into the type named.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

INT16_MIN: Final = -32768
INT16_MAX: Final = 32767
INT32_MAX: Final = 2**31 - 1
X8_ONE: Final = 127  # libopus' int8 activations: 127 stands for 1.0
PRE_FRAC: Final = 12  # pre-activations are Q12: +-8 covers all of tanh, and sigmoid to 3e-4
Q15_FRAC: Final = 15
MULTIPLIER_MIN: Final = 1 << 14  # a normalised 16-bit multiplier keeps its top bit
MULTIPLIER_MAX: Final = (1 << 15) - 1
SHIFT_MIN: Final = 1
SHIFT_EASY: Final = 17  # from here on, the product's low 16 bits do not matter
SHIFT_MAX: Final = 46  # int32 times a 15-bit multiplier has 46 bits: more would always give zero


def _sigmoid_table() -> Ints:
    """TFLite's LUT for int16 LOGISTIC and TANH: sigmoid(i / 24) in Q16, balanced for chords.

    The curve bends away from the chords that interpolation draws, so that each entry is raised by
    half of what its chord misses at the middle, then rounded; the last one is 1.0, saturated.
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
    """int32 accumulators to int16: (acc * multiplier + half) >> shift, saturated; one rounding.

    The quantiser proves that `lifted` accumulators are int32, and so is then the shifted product.
    """
    half = np.left_shift(np.int64(1), shift - 1)
    return saturate16(np.right_shift(acc * multiplier + half, shift))


def lifted(acc: Ints, shift: Ints) -> Ints:
    """An accumulator as 32-bit requantisers hold it: with a shift of SHIFT_EASY at least."""
    return acc << np.maximum(SHIFT_EASY - shift, 0)


def narrow(q15: Ints) -> Ints:
    """Q15 to the int8 that a matrix product takes: round(127 x), half up; in [-127, 127]."""
    return (q15 * X8_ONE + (1 << 14)) >> 15


def mul_q15(a: Ints, b: Ints) -> Ints:
    """Product of a Q15 factor and any int16, in the format of the latter.

    Two roundings, as TFLite's int16 MUL: halve (half up), then divide by 2^14 (half away from
    zero). Both factors int16; the result is saturated to int16.
    """
    halved = (a * b + 1) >> 1
    mask = (1 << 14) - 1
    threshold = (mask >> 1) + (halved < 0)
    return saturate16((halved >> 14) + ((halved & mask) > threshold))


def add16(a: Ints, b: Ints) -> Ints:
    """Saturating sum of two int16 of one format (TFLite's int16 ADD with equal scales)."""
    return saturate16(a + b)


def tanh(pre: Ints) -> Ints:
    """tanh of a Q12 int16, as Q15: 2 sigmoid(2x) - 1 read from the sigmoid table."""
    position = 3 * np.abs(pre)  # Q12 * 3 / 2^8 counts steps of 1/48: the table's 1/24 in 2x
    step = np.minimum(position >> 8, 255)
    low = SIGMOID_TABLE[step]
    high = SIGMOID_TABLE[np.minimum(step + 1, 255)]
    value = np.where(step >= 255, 0xFFFF << 8, (low << 8) + (position & 0xFF) * (high - low))
    one_half = 1 << 23
    rounding = 1 << 7
    signed = np.where(pre >= 0, value - one_half + rounding, one_half - value + rounding - 1)
    return signed >> 8


def sigmoid(pre: Ints) -> Ints:
    """sigmoid of a Q12 int16, as Q15 in [0, 32767]."""
    position = 3 * np.abs(pre)  # / 2^9 counts the table's steps of 1/24
    step = np.minimum(position >> 9, 255)
    low = SIGMOID_TABLE[step]
    high = SIGMOID_TABLE[np.minimum(step + 1, 255)]
    value = np.where(step >= 255, 0x7FFF << 10, (low << 9) + (position & 0x1FF) * (high - low))
    rounding = 1 << 9
    return np.where(pre >= 0, value + rounding, (1 << 25) - value + rounding - 1) >> 10


def gru_update(from_input: Ints, from_state: Ints, state: Ints) -> Ints:
    """Advance a GRU: both pre-activation vectors Q12 [3 n] in the order z, r, h; state Q15 [n]."""
    n = len(state)
    z = sigmoid(add16(from_input[:n], from_state[:n]))
    r = sigmoid(add16(from_input[n : 2 * n], from_state[n : 2 * n]))
    h = tanh(add16(from_input[2 * n :], mul_q15(r, from_state[2 * n :])))
    return add16(mul_q15(z, state), mul_q15(INT16_MAX - z, h))


def to_fixed(x: npt.NDArray[np.floating], frac: int) -> Ints:
    """Real numbers to int16 with `frac` fractional bits: nearest, half up, saturated."""
    return saturate16(np.floor(np.asarray(x, np.float64) * 2.0**frac + 0.5).astype(np.int64))


def to_real(x: npt.ArrayLike, frac: int) -> npt.NDArray[np.float64]:
    """int16 with `frac` fractional bits back to real numbers."""
    return np.asarray(np.asarray(x, np.float64) * 2.0**-frac)

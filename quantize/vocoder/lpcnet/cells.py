# SPDX-License-Identifier: BSD-3-Clause
"""The arithmetic of LPCNet's sample loop, in exact integers, for one voice or many at once.

It differs from the arithmetic of the frame-rate networks (quantize.integer) because 16000 steps a
second must be cheap. Each matrix has one power of two as its scale, so requantising takes no
multiplication. Activations come from a table without interpolation. Together, all differences were
measured to cost less than 0.1 % of the cross-entropy.

- States are int16 Q15. Products take them as x8, int8 Q7, half up.
- Weights are int8. All of a GRU's weights have `frac` fractional bits; sums are int32 Q(7 + frac).
- tanh comes from a table of 2048 steps of 1/256 from -4 to 4, with the value at each step's middle.
  sigmoid(x) is (1 + tanh(x / 2)) / 2 from the same table.
- The tree multiplies the Q15 state by int16 weights; its chances come from integer.sigmoid.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.integer import Ints

CODES: Final = 256  # mu-law steps
ZERO: Final = 128  # the code of silence
BITS: Final = 8
STATE_FRAC: Final = 15
X8_FRAC: Final = 7
TANH_FRAC: Final = 8  # fractional bits of a position in the table
TANH_HALF: Final = 1024  # entries below zero; as many follow from zero on
DRAW_BITS: Final = 15


def _tanh_table() -> Ints:
    middle = (np.arange(-TANH_HALF, TANH_HALF) + 0.5) / 2.0**TANH_FRAC
    return np.asarray(np.floor(np.tanh(middle) * 2.0**STATE_FRAC + 0.5), np.int64)


def _mulaw_sizes(steps: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the |x| in int16 scale that lies `steps` mu-law steps from zero."""
    return np.asarray(np.expm1(steps / 128 * np.log(256.0)) * (32768 / 255))


TANH: Final[Ints] = _tanh_table()
SIGMOID: Final[Ints] = (1 << 14) + (TANH >> 1)
# Chance of a 1, Q15, for every Q12 int16 logit from -32768 on.
CHANCES: Final[Ints] = integer.sigmoid(np.arange(-(1 << 15), 1 << 15))
# LEVELS[k] is the smallest |x| that is nearer to k + 1 steps from zero than to k.
LEVELS: Final[Ints] = np.ceil(_mulaw_sizes(np.arange(ZERO) + 0.5)).astype(np.int64)
# DECODED[code] is the sample that a code stands for, in whole steps.
DECODED: Final[Ints] = np.asarray(
    np.sign(np.arange(CODES) - ZERO)
    * np.floor(_mulaw_sizes(np.abs(np.arange(CODES) - ZERO)) + 0.5),
    np.int64,
)


def _codes() -> Ints:
    x = np.arange(-_FARTHEST, _FARTHEST + 1)
    steps = np.searchsorted(LEVELS, np.abs(x), side="right")
    return np.clip(np.where(x < 0, ZERO - steps, ZERO + steps), 0, CODES - 1)


_FARTHEST: Final = 1 << 15  # from this |x| on, codes are the last ones
_CODES: Final[Ints] = _codes()


def encoded(x: Ints) -> Ints:
    """Return the mu-law code, nearest on the logarithmic scale, of samples of any size."""
    return _CODES.take(x + _FARTHEST, mode="clip")


def x8(state: Ints) -> Ints:
    """Narrow Q15 to the int8 Q7 that products take: half up, -128 .. 127."""
    return np.asarray(np.minimum((state + (1 << 7)) >> 8, 127))


def product(x: Ints, weights: npt.NDArray[np.float64]) -> Ints:
    """Return the exact product of x [rows, inputs] and weights [inputs, outputs], below 2^53."""
    return np.asarray((x.astype(np.float64) @ weights).astype(np.int64), np.int64)


def tanh(pre: Ints, frac: int) -> Ints:
    """Return tanh, Q15, |result| < 32768, of pre-activations with `frac` >= 8 fractional bits."""
    return TANH.take((pre >> (frac - TANH_FRAC)) + TANH_HALF, mode="clip")


def sigmoid(pre: Ints, frac: int) -> Ints:
    """Return sigmoid, Q15, 11 .. 32757, of pre-activations with `frac` >= 7 fractional bits."""
    return SIGMOID.take((pre >> (frac + 1 - TANH_FRAC)) + TANH_HALF, mode="clip")


def gru(gates: Ints, products: Ints, state: Ints, frac: int) -> Ints:
    """Return the new state of a GRU whose gates are in the order z, r, h.

    `gates` [rows, 3 n] comes from its inputs; `products` [rows, 3 n] comes from its state and
    includes the candidate's bias. Both have `frac` fractional bits; `state` [rows, n] is Q15. The
    new state lies between the old one and the candidate.
    """
    n = state.shape[1]
    zr = sigmoid(gates[:, : 2 * n] + products[:, : 2 * n], frac)
    kept = (products[:, 2 * n :] * zr[:, n:]) >> 16
    h = tanh(gates[:, 2 * n :] + 2 * kept, frac)
    return np.asarray(h + (((state - h) * zr[:, :n]) >> 15))


def logits(pre: Ints, scale: Ints, frac: int, scale_frac: int) -> Ints:
    """Return Q12 int16 logits of tree nodes from pre-activations [..., 2] and scales [..., 2]."""
    parts = tanh(pre, frac) * scale
    shift = STATE_FRAC + scale_frac - integer.PRE_FRAC
    return saturated((parts[..., 0] + parts[..., 1] + (1 << (shift - 1))) >> shift)


def saturated(x: Ints) -> Ints:
    """Clip to int16; faster than np.clip for few numbers."""
    return np.asarray(np.minimum(np.maximum(x, integer.INT16_MIN), integer.INT16_MAX))


def threshold(draw: int, tail: int) -> int:
    """Return the limit that a chance must exceed for a 1, from 15 random bits.

    The limit is Q15, tail .. 32767 - tail. If the rarer value of a bit has a chance below `tail`
    (Q15), the bit never takes it.
    """
    return tail + ((draw * ((1 << DRAW_BITS) - 2 * tail)) >> DRAW_BITS)

# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN's step of 40 samples in integers: the definition of firmware/dredkit/vocoder/fargan.c.

The arithmetic is quantize.integer's. What is special here:

- The signal is pre-emphasised, Q18 and saturated to 19 bits: an eighth of a step of PCM. In whole
  steps, a pause of 10 steps' loudness would be heard with 24 dB; so it is 30.
- The gain is e^x for x in Q11. It is held as mantissa, 2^14 .. 2^15 - 1, and shift, 9 .. 30, so it
  lies between 2^-16 and 64. The relative error is below 2^-13 within that range.
- The past is multiplied by 1 / (gain + 10^-5), likewise a factor and a shift. Below a gain of 6e-5,
  two steps of PCM, it grows no further. The relative error is below 2^-10 above that gain and
  below 2^-11 above a gain of 2^-9.
- Both products round once and saturate, the past to Q15, what is said to the signal.

Arrays are [size], or [size, rows] for voices side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from quantize import integer
from quantize.dsp.scalar import (
    EXP_FRAC,
    LOG_FRAC,
    bit_length,
    exp2,
    rounded,
    rounded_by,
    saturate,
)
from quantize.dsp.spectrum import EMPHASIS_FRAC, PREEMPHASIS
from quantize.integer import Ints
from quantize.nn.model import QuantisedMatrix
from quantize.vocoder.fargan.parts import (
    AROUND,
    GAIN_FRAC,
    HISTORY,
    PREDICTED,
    STEP,
    FarganParts,
)
from quantize.vocoder.synthesis import xorshift32

FINER: Final = 3  # bits by which the signal is finer than PCM
SIGNAL_BITS: Final = 16 + FINER
SIGNAL_ONE: Final = 1 << (SIGNAL_BITS - 1)
LOG2_E: Final = 1512775  # Q20
_LOG2_E_FRAC: Final = 20
SOFTEST: Final = -(16 << LOG_FRAC)  # of the gain's base-2 logarithm, Q24
LOUDEST: Final = (6 << LOG_FRAC) - 1
_MANTISSA_BITS: Final = 15
GAIN_ONE: Final = 14  # a gain of mantissa 2^14 and this shift is 1
DIVISOR_FRAC: Final = 24
QUIETEST: Final = 168  # 10^-5, Q24
LEAST_DIVISOR: Final = 1 << 10  # 6e-5, Q24: its reciprocal still has a shift of 1
BYTES: Final = 4  # noise inputs that a random word gives


@dataclass(frozen=True)
class Memory:
    """What a step passes on to the next one."""

    history: Ints  # [256] signal, newest last
    inputs: Ints  # [inputs] x8 of the last step's first layer
    states: tuple[Ints, Ints, Ints]  # of the GRUs, Q15


class Product:
    """A matrix as `QuantisedMatrix.apply` has it, ready for many vectors."""

    def __init__(self, matrix: QuantisedMatrix) -> None:
        self._weights = matrix.weights.astype(np.float64)
        self._bias, self._multiplier, self._shift = (
            values.astype(np.int64) for values in (matrix.bias, matrix.multiplier, matrix.shift)
        )

    def __call__(self, x: Ints) -> Ints:
        """Return int16 [rows] or [rows, n] for x [cols] or [cols, n]; exact, below 2^53."""
        acc = (self._weights @ x.astype(np.float64)).astype(np.int64)
        rows = (-1,) + (1,) * (x.ndim - 1)
        bias, multiplier, shift = (
            values.reshape(rows) for values in (self._bias, self._multiplier, self._shift)
        )
        return integer.requantise(acc + bias, multiplier, shift)


class StepNetwork:
    """The step of a voice, without its memory."""

    def __init__(self, model: FarganParts) -> None:
        self.sizes = model.topology
        self._products = {
            name.removeprefix("sig_net_"): Product(matrix)
            for name, matrix in model.step.matrices.items()
        }

    def begin(self, past: Ints) -> Memory:
        """Return the memory after `past`, signal [up to 256], with nothing spoken yet."""
        rows = past.shape[1:]
        silence = np.zeros((HISTORY - len(past), *rows), np.int64)
        states = [np.zeros((n, *rows), np.int64) for n in self.sizes.gru]
        inputs = np.zeros((self.sizes.inputs, *rows), np.int64)
        return Memory(np.concatenate([silence, past]), inputs, (states[0], states[1], states[2]))

    def step(
        self, vector: Ints, period: Ints, memory: Memory, noise: Ints, known: Ints | None = None
    ) -> tuple[Ints, Memory]:
        """Speak signal [40] from a vector [conditioning] Q15; return the memory after it.

        `noise` is x8 [noise]. If given, `known` signal [40] enters the history in place of what the
        step says.
        """
        mantissa, whole = gain(self._products["cond_gain_dense"](vector)[0])
        factor, down = reciprocal(mantissa, whole)
        predicted = scaled(repeated(memory.history, period), factor, down, 16)
        last = scaled(memory.history[HISTORY - STEP :], factor, down, 16)
        last8 = integer.narrow(last)
        parts = [integer.narrow(vector), integer.narrow(predicted), last8, noise]
        inputs = np.concatenate(parts)
        heard = predicted[AROUND : AROUND + STEP]
        x = integer.tanh(self._products["fwc0_conv"](np.concatenate([memory.inputs, inputs])))
        x = self._gated("fwc0_glu_gate", x)
        taps = integer.sigmoid(self._products["gain_dense_out"](x))
        weighed = [integer.narrow(integer.mul_q15(tap, heard)) for tap in taps]
        first = x8 = integer.narrow(x)
        states, outs = [], []
        for k, before in enumerate(memory.states):
            name = f"gru{k + 1}"
            a = self._products[f"{name}_input"](np.concatenate([x8, weighed[k], last8]))
            u = self._products[f"{name}_recurrent"](integer.narrow(before))
            states.append(integer.gru_update(a, u, before))
            x8 = integer.narrow(self._gated(f"{name}_glu_gate", states[-1]))
            outs.append(x8)
        joined = np.concatenate([*outs, first, weighed[3], last8])
        x = self._gated("skip_glu_gate", integer.tanh(self._products["skip_dense"](joined)))
        shape = integer.tanh(self._products["sig_dense_out"](integer.narrow(x)))
        said = scaled(shape, mantissa, GAIN_ONE - whole - FINER, SIGNAL_BITS)
        kept = said if known is None else known
        history = np.concatenate([memory.history[STEP:], kept])
        return said, Memory(history, inputs, (states[0], states[1], states[2]))

    def _gated(self, name: str, x: Ints) -> Ints:
        return integer.mul_q15(integer.sigmoid(self._products[name](integer.narrow(x))), x)


def gain(logarithm: Ints) -> tuple[Ints, Ints]:
    """Return e^x of Q11 as (mantissa, exponent): mantissa * 2^(exponent - 14)."""
    power = (logarithm * LOG2_E) >> (GAIN_FRAC + _LOG2_E_FRAC - LOG_FRAC)
    power = np.clip(power, SOFTEST, LOUDEST)
    mantissa = exp2(power & ((1 << LOG_FRAC) - 1)) >> (EXP_FRAC - GAIN_ONE)
    # 2^x may come out just below 1.
    return np.clip(mantissa, 1 << GAIN_ONE, (1 << _MANTISSA_BITS) - 1), power >> LOG_FRAC


def reciprocal(mantissa: Ints, exponent: Ints) -> tuple[Ints, Ints]:
    """Return 1 / (gain + 10^-5) as (factor, shift): factor * 2^(3 - shift), shift 1 .. 20.

    The factor is 2^11 .. 2^12, so its product with the signal fits int32. The 3 is FINER.
    """
    divisor = np.left_shift(mantissa, DIVISOR_FRAC - GAIN_ONE)
    divisor = np.right_shift(np.left_shift(divisor, 6), 6 - exponent) + QUIETEST
    divisor = np.maximum(divisor, LEAST_DIVISOR)
    up = 31 - bit_length(divisor)
    top = np.right_shift(np.left_shift(divisor, up), 15)  # 2^15 .. 2^16 - 1
    return ((1 << 27) + (top >> 1)) // top, 21 - up


def scaled(x: Ints, factor: Ints, shift: Ints, bits: int) -> Ints:
    """Return x * factor / 2^shift, rounded half up and saturated to `bits`; shift is 1 or more."""
    return saturate(rounded_by(x * factor, shift), bits)


def emphasised(pcm: Ints, before: int) -> Ints:
    """Return the signal of PCM [n]; `before` is the sample before it, Q18."""
    past = np.concatenate([[before], pcm[:-1] << FINER])
    exact = (pcm << (EMPHASIS_FRAC + FINER)) - PREEMPHASIS * past
    return saturate(rounded(exact, EMPHASIS_FRAC), SIGNAL_BITS)


def deemphasised(signal: Ints, before: int) -> Ints:
    """Undo `emphasised`: return samples Q18 [n], of which `before` is the one before the first."""
    samples = np.empty(len(signal), np.int64)
    half = 1 << (EMPHASIS_FRAC - 1)
    for n, value in enumerate(signal.tolist()):
        exact = (value << EMPHASIS_FRAC) + PREEMPHASIS * before + half
        before = max(-SIGNAL_ONE, min(SIGNAL_ONE - 1, exact >> EMPHASIS_FRAC))
        samples[n] = before
    return samples


def pcm_of(samples: Ints) -> Ints:
    """Round samples from Q18 to PCM."""
    return integer.saturate16(rounded(samples, FINER))


def repeated(history: Ints, period: Ints) -> Ints:
    """Return the last period of [256], from 2 samples before it on and repeated, [44].

    Of a period of 255 or 256 the first samples are missing: the oldest one stands for them.
    """
    places = HISTORY - AROUND - period + np.arange(PREDICTED).reshape((-1,) + (1,) * period.ndim)
    for _ in range(2):  # a period of 32 repeats within 44 samples
        places = np.where(places >= HISTORY, places - period, places)
    return np.take_along_axis(history, np.maximum(places, 0), axis=0)


def drawn(state: int, count: int) -> tuple[Ints, int]:
    """Return `count` uniform x8, a multiple of 4, and the next state of the generator."""
    words = []
    for _ in range(count // BYTES):
        state = xorshift32(state)
        words.append(state)
    values = np.array(words, "<u4").view(np.int8).astype(np.int64)
    return np.maximum(values, -integer.X8_ONE), state

# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN in floats, as libopus' plain C computes it: what the integer voice is judged by.

Layers with int8 weights take round(127 x) and sum in integers; tanh is libopus' quotient of
polynomials. A free-running voice hears itself, so any other rounding drifts away within half a
second: rounding what a gated unit multiplies, as training does, moves a sample by 0.2. Layers with
float weights, such as our own, take their inputs as they are.

Arrays have one column for each of `rows` voices that run side by side. The signal is pre-emphasised
and lies within +-1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantize.features.floats import MAX_PERIOD, MIN_PERIOD, PITCH
from quantize.nn.weights import Weights
from quantize.vocoder.fargan.parts import (
    AROUND,
    EMBEDDING,
    FRAME,
    HISTORY,
    PERIODS,
    PREDICTED,
    STEP,
    STEPS,
    topology_of,
)

F32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

DEEMPHASIS = 0.85
_QUIETEST = np.float32(1e-5)  # added to the gain before the past is divided by it
_ABOVE = tuple(np.float32(v) for v in (952.52801514, 96.39235687, 0.60863042))
_BELOW = tuple(np.float32(v) for v in (952.72399902, 413.36801147, 11.88600922))


@dataclass(frozen=True)
class FloatMemory:
    """What a step passes on to the next one."""

    history: F32  # [256, rows], newest last
    inputs: F32  # [inputs, rows] of the last step's first layer
    states: tuple[F32, F32, F32]  # of the GRUs, [units, rows]


class FloatFargan:
    """The networks of a voice. `layers` are as quantise_fargan takes them."""

    def __init__(self, layers: Mapping[str, Weights]) -> None:
        self.sizes = topology_of(layers, "the voice")
        self._layers = {name: _affine(layer) for name, layer in layers.items()}
        self._embedding = layers[EMBEDDING].matrix.astype(np.float32)

    def condition(self, features: F32) -> tuple[F32, Ints]:
        """Return vectors [frames, 4, conditioning, rows] and periods [frames, rows].

        `features` are [frames + 2, 20, rows]. Frame t sees the features t, t + 1 and t + 2, and has
        the period of t + 1.
        """
        found = periods(features[:, PITCH])
        hidden = []
        for frame, own in zip(features, found, strict=True):
            embedded = self._embedding[np.minimum(own - MIN_PERIOD, PERIODS - 1)].T
            joined = np.concatenate([frame, embedded]).astype(np.float32)
            hidden.append(tanh(self._layers["cond_net_fdense1"](joined)))
        vectors = []
        for three in zip(hidden[:-2], hidden[1:-1], hidden[2:], strict=True):
            x = tanh(self._layers["cond_net_fconv1"](np.concatenate(three)))
            x = tanh(self._layers["cond_net_fdense2"](x))
            vectors.append(x.reshape(STEPS, self.sizes.conditioning, -1))
        return np.array(vectors, np.float32), found[1:-1]

    def begin(self, past: F32) -> FloatMemory:
        """Return the memory after `past`, signal [up to 256, rows], with nothing spoken yet."""
        rows = past.shape[1]
        history = np.concatenate([np.zeros((HISTORY - len(past), rows)), past]).astype(np.float32)
        states = [np.zeros((n, rows), np.float32) for n in self.sizes.gru]
        inputs = np.zeros((self.sizes.inputs, rows), np.float32)
        return FloatMemory(history, inputs, (states[0], states[1], states[2]))

    def step(
        self, vector: F32, period: Ints, memory: FloatMemory, noise: F32, known: F32 | None = None
    ) -> tuple[F32, FloatMemory]:
        """Speak the signal of a step, [40, rows], and return the memory after it.

        `vector` is [conditioning, rows], `period` [rows], `noise` [noise, rows]. If given, `known`
        [40, rows] enters the history in place of what the step says.
        """
        gain = np.exp(self._layers["sig_net_cond_gain_dense"](vector))
        scale = 1 / (_QUIETEST + gain)
        places = repeat_places(period)
        repeated = np.take_along_axis(memory.history, places, axis=0)
        predicted = np.clip(scale * repeated, -1, 1)
        last = np.clip(scale * memory.history[HISTORY - STEP :], -1, 1)
        inputs = np.concatenate([vector, predicted, last, noise])
        heard = predicted[AROUND : AROUND + STEP]
        x = tanh(self._layers["sig_net_fwc0_conv"](np.concatenate([memory.inputs, inputs])))
        first = x = self._gated("sig_net_fwc0_glu_gate", x)
        taps = sigmoid(self._layers["sig_net_gain_dense_out"](x))
        states, outs = [], []
        for k, before in enumerate(memory.states):
            joined = np.concatenate([x, taps[k] * heard, last])
            states.append(self._recurred(f"sig_net_gru{k + 1}", joined, before))
            x = self._gated(f"sig_net_gru{k + 1}_glu_gate", states[-1])
            outs.append(x)
        joined = np.concatenate([*outs, first, taps[3] * heard, last])
        x = self._gated("sig_net_skip_glu_gate", tanh(self._layers["sig_net_skip_dense"](joined)))
        said = gain * tanh(self._layers["sig_net_sig_dense_out"](x))
        kept = said if known is None else known
        history = np.concatenate([memory.history[STEP:], kept])
        return said, FloatMemory(history, inputs, (states[0], states[1], states[2]))

    def _recurred(self, name: str, x: F32, state: F32) -> F32:
        n = len(state)
        a, u = self._layers[f"{name}_input"](x), self._layers[f"{name}_recurrent"](state)
        z, r = sigmoid(a[:n] + u[:n]), sigmoid(a[n : 2 * n] + u[n : 2 * n])
        h = tanh(a[2 * n :] + r * u[2 * n :])
        return np.asarray(z * state + (1 - z) * h)

    def _gated(self, name: str, x: F32) -> F32:
        return np.asarray(x * sigmoid(self._layers[name](x)))


def synthesise(
    network: FloatFargan,
    utterances: Sequence[F32],
    seed: int = 0,
    note: Callable[[int, int], None] = lambda done, of: None,
) -> list[npt.NDArray[np.int16]]:
    """Speak each of `utterances`, features [frames, 20], from silence: frames * 160 samples each.

    Utterance i draws its noise from seed + i. The first frame also stands for those before it, the
    last for the one after. `note` gets the number of frames done and the number of all.
    """
    longest = max(len(u) for u in utterances)
    told = np.stack([_padded(u, longest) for u in utterances], axis=2)
    vectors, period = network.condition(told)
    memory = network.begin(np.zeros((0, len(utterances)), np.float32))
    generators = [np.random.default_rng(seed + i) for i in range(len(utterances))]
    spoken = []
    for frame in range(longest):
        for vector in vectors[frame]:
            drawn = [g.uniform(-1, 1, network.sizes.noise) for g in generators]
            noise = np.stack(drawn, axis=1).astype(np.float32)
            said, memory = network.step(vector, period[frame], memory, noise)
            spoken.append(said)
        note(frame + 1, longest)
    voice = deemphasised(np.concatenate(spoken))
    pcm = np.clip(np.rint(32768 * voice), -32768, 32767).astype(np.int16)
    return [row[: len(u) * FRAME] for row, u in zip(pcm.T, utterances, strict=True)]


def deemphasised(signal: F32) -> npt.NDArray[np.float64]:
    """Undo the pre-emphasis of a signal [n, rows] that follows silence."""
    out = signal.astype(np.float64)
    for n in range(1, len(out)):
        out[n] += DEEMPHASIS * out[n - 1]
    return out


def repeat_places(period: Ints) -> Ints:
    """Return the places in the history that repeat the last period, [44, rows].

    They begin 2 samples before the period and start again at the history's end. A place before the
    first sample is the first.
    """
    places = HISTORY - AROUND - period + np.arange(PREDICTED)[:, None]
    for _ in range(2):  # a period of 32 repeats within 44 samples
        places = np.where(places >= HISTORY, places - period, places)
    return np.asarray(np.maximum(places, 0))


def periods(pitch: F32) -> Ints:
    """Return the period in samples, 32 .. 256, of pitch features."""
    found = np.floor(0.5 + MAX_PERIOD / 2.0 ** (pitch.astype(np.float64) + 1.5))
    return np.clip(found.astype(np.int64), MIN_PERIOD, MAX_PERIOD)


def tanh(x: F32) -> F32:
    """Return libopus' approximation of tanh."""
    square = x * x
    above = (_ABOVE[2] * square + _ABOVE[1]) * square + _ABOVE[0]
    below = (_BELOW[2] * square + _BELOW[1]) * square + _BELOW[0]
    return np.asarray(np.clip(above * x / below, -1, 1), np.float32)


def sigmoid(x: F32) -> F32:
    """Return libopus' approximation of the logistic function."""
    half = np.float32(0.5)
    return np.asarray(half + half * tanh(half * x))


def _affine(layer: Weights) -> Callable[[F32], F32]:
    bias = layer.bias.astype(np.float32)[:, None]
    if layer.int8 is None or layer.scale is None:
        matrix = layer.matrix.astype(np.float32)
        return lambda x: np.asarray(matrix @ x + bias)
    # Sums are below 2^24, so float32 holds them exactly.
    whole = layer.int8.astype(np.float32)
    scale = (layer.scale / 127).astype(np.float32)[:, None]

    def product(x: F32) -> F32:
        rounded = np.floor(0.5 + 127 * x.astype(np.float64)).astype(np.float32)
        return np.asarray((whole @ rounded) * scale + bias)

    return product


def _padded(features: F32, frames: int) -> F32:
    """Repeat the first frame before, and the last to `frames` and one beyond."""
    behind = np.repeat(features[-1:], frames - len(features) + 1, axis=0)
    return np.concatenate([features[:1], features, behind])

# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet in integers: the normative voice, and many voices side by side.

The gates of frame t depend on the features of frames t - 3 to t + 1. A sample is the linear
prediction plus an excitation. The mu-law code of the excitation is drawn bit by bit, from the root
of a tree down. firmware/dredkit/vocoder/lpcnet.c gives the same bits.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from quantize.features.floats import MIN_PERIOD
from quantize.integer import Ints
from quantize.nn.run import IntegerRunner
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.synthesis import (
    FRAME,
    ORDER,
    PAST,
    PITCH,
    SEED,
    TAP_FRAC,
    clamped,
    deemphasise,
    emphasise,
    period,
    predictor,
    xorshift32,
)

CONTEXT: Final = 4  # feature frames that a voice begins with
_HEARD: Final = np.arange(3)  # last sample, prediction, last excitation
_DRAW_SHIFT: Final = 32 - cells.DRAW_BITS


class Network:
    """The sample-rate network for `rows` voices at once: states, and chances of the next code."""

    def __init__(self, model: LpcnetModel, rows: int) -> None:
        self.frac = cells.X8_FRAC + model.frac
        self.tables = model.tables.astype(np.int64) * model.table_scale.astype(np.int64)
        self.a, self.b_input, self.b = (
            np.ascontiguousarray(matrix.weights.T.astype(np.float64))
            for matrix in (model.a, model.b_input, model.b)
        )
        zeros = np.zeros(2 * model.units_a, np.int64), np.zeros(2 * model.units_b, np.int64)
        self.a_bias = np.concatenate([zeros[0], model.a_bias.astype(np.int64)])
        self.b_bias = np.concatenate([zeros[1], model.b_bias.astype(np.int64)])
        flat = model.tree_weights.reshape(2 * cells.CODES, -1)
        self.tree = np.ascontiguousarray(flat.T.astype(np.float64))
        self.tree_bias = model.tree_bias.astype(np.int64)
        self.tree_scale = model.tree_scale.astype(np.int64)
        self.tree_fracs = cells.STATE_FRAC + model.tree_frac, model.scale_frac
        self.state_a = np.zeros((rows, model.units_a), np.int64)
        self.state_b = np.zeros((rows, model.units_b), np.int64)

    def step(self, gates_a: Ints, gates_b: Ints, heard: Ints) -> None:
        """Advance both GRUs by the frame's gates [rows, 3 n] and the codes `heard` [rows, 3]."""
        gates_a = gates_a + self.tables[_HEARD, heard].sum(axis=1)
        products = cells.product(cells.x8(self.state_a), self.a) + self.a_bias
        self.state_a = cells.gru(gates_a, products, self.state_a, self.frac)
        gates_b = gates_b + cells.product(cells.x8(self.state_a), self.b_input)
        products = cells.product(cells.x8(self.state_b), self.b) + self.b_bias
        self.state_b = cells.gru(gates_b, products, self.state_b, self.frac)

    def logits(self) -> Ints:
        """Return the Q12 int16 logit of a 1 at each tree node, [rows, 256]; node 0 is unused."""
        sums = cells.product(self.state_b, self.tree).reshape(len(self.state_b), -1, 2)
        return cells.logits(sums + self.tree_bias, self.tree_scale, *self.tree_fracs)


class LpcnetVoices:
    """`rows` voices side by side, each as LpcnetVoice describes."""

    def __init__(self, model: LpcnetModel, rows: int) -> None:
        self.model = model
        self.rows = rows
        self._conditions = [IntegerRunner(model.condition) for _ in range(rows)]
        self._shift = cells.X8_FRAC + model.frac - model.gates_frac
        self.begin(np.zeros((rows, CONTEXT, 20), np.int64), np.zeros((rows, PAST), np.int64))

    def begin(self, context: Ints, past: Ints) -> None:
        """Start again from feature frames [rows, 4, 20] and samples [rows, 17]."""
        self._network = Network(self.model, self.rows)
        self._random = [SEED] * self.rows
        self._codes = np.full(self.rows, cells.ZERO)
        self._signal = np.stack([emphasise(row) for row in past])
        self._before = past[:, -1].copy()
        for runner in self._conditions:
            runner.reset()
        for frame in np.moveaxis(context, 1, 0):
            self._hear(frame)

    def _hear(self, features: Ints) -> tuple[Ints, Ints]:
        """Return both GRUs' gates [rows, 3 n] for the frame before `features`; keep `features`."""
        self._spoken = clamped(features)
        index = period(self._spoken[:, PITCH]) - MIN_PERIOD
        inputs = np.concatenate([self._spoken, self.model.pitch[index].astype(np.int64)], axis=1)
        ran = [r.step({"features": row}) for r, row in zip(self._conditions, inputs, strict=True)]
        gates_a = np.stack([layers["gru_a_input"] for layers in ran]) << self._shift
        gates_b = np.stack([layers["gru_b_condition"] for layers in ran]) << self._shift
        return gates_a, gates_b

    def frame(
        self, ahead: Ints, known: Ints | None, chances: Ints | None = None
    ) -> tuple[Ints, Ints]:
        """Speak a frame, or run over `known` samples [rows, 160]; `ahead` is features [rows, 20].

        Returns samples [rows, 160] and mu-law codes [rows, 160]. If given, `chances` [rows, 160, 8]
        receives the chance with which each bit of a code was drawn, or would have been: Q15, where
        32768 is 1.
        """
        taps, _ = predictor(self._spoken[:, :PITCH])
        gates_a, gates_b = self._hear(ahead)
        pcm, codes = np.zeros((2, self.rows, FRAME), np.int64)
        wanted = None
        if known is not None:
            joined = np.concatenate([self._before[:, None], known], axis=1)
            wanted = np.stack([emphasise(row) for row in joined])
        signal = np.concatenate([self._signal, np.zeros_like(pcm)], axis=1)
        heard = np.zeros((self.rows, 3), np.int64)
        for n in range(FRAME):
            now = n + ORDER
            sums = (taps * signal[:, n:now]).sum(axis=1)
            predicted = cells.saturated((sums + (1 << (TAP_FRAC - 1))) >> TAP_FRAC)
            heard[:, 0] = cells.encoded(signal[:, now - 1])
            heard[:, 1] = cells.encoded(predicted)
            heard[:, 2] = self._codes
            self._network.step(gates_a, gates_b, heard)
            if wanted is None:
                self._codes = self._drawn(self._network.logits())
            else:
                self._codes = cells.encoded(wanted[:, n] - predicted)
            if chances is not None:
                chances[:, n] = _along(self._network.logits(), self._codes)
            signal[:, now] = cells.saturated(predicted + cells.DECODED[self._codes])
            codes[:, n] = self._codes
        self._signal = signal[:, FRAME:]
        if known is None:
            for row in range(self.rows):
                before = int(self._before[row])
                for n in range(FRAME):
                    before = deemphasise(int(signal[row, n + ORDER]), before)
                    pcm[row, n] = before
        else:
            pcm[:] = known
        self._before = pcm[:, -1].copy()
        return pcm, codes

    def _drawn(self, logits: Ints) -> Ints:
        """Draw a code for each voice: walk down its tree from the root."""
        codes = np.empty(self.rows, np.int64)
        for row, of_row in enumerate(logits):
            node, state = 1, self._random[row]
            for _ in range(cells.BITS):
                state = xorshift32(state)
                needed = cells.threshold(state >> _DRAW_SHIFT, self.model.tail)
                node = 2 * node + int(needed < cells.CHANCES[of_row[node] + (1 << 15)])
            self._random[row] = state
            codes[row] = node - cells.CODES
        return codes


def _along(logits: Ints, codes: Ints) -> Ints:
    """Return chances [rows, 8] of the bits of `codes` [rows] (32768 is 1); logits [rows, 256]."""
    depth = np.arange(cells.BITS)
    whole = codes[:, None] + cells.CODES
    nodes, bits = whole >> (cells.BITS - depth), whole >> (cells.BITS - 1 - depth) & 1
    ones = cells.CHANCES[np.take_along_axis(logits, nodes, axis=1) + (1 << 15)]
    return np.asarray(np.where(bits == 1, ones, (1 << cells.DRAW_BITS) - ones))


class LpcnetVoice:
    """One voice: takes features and returns PCM, 10 ms a frame, int16 at 16 kHz."""

    CONTEXT: ClassVar[int] = CONTEXT
    PAST: ClassVar[int] = PAST
    KNOWN_FRAMES: ClassVar[int] = 1

    def __init__(self, model: LpcnetModel) -> None:
        self._voices = LpcnetVoices(model, 1)

    def begin(self, context: Ints, past: Ints) -> None:
        """Start again before frame t.

        `context` [4, 20] Q10 has the features of frames t - 3 .. t, oldest first. `past` has the 17
        samples before frame t.
        """
        self._voices.begin(np.asarray(context, np.int64)[None], np.asarray(past, np.int64)[None])

    def frame(self, ahead: Ints, known: Ints | None = None) -> Ints:
        """Speak frame t, 160 samples, and move on; `ahead` [20] has the features of frame t + 1.

        If `known` samples [160] are given, the voice runs over them and returns them.
        """
        samples = None if known is None else np.asarray(known, np.int64)[None]
        pcm, _ = self._voices.frame(np.asarray(ahead, np.int64)[None], samples)
        return np.asarray(pcm[0])

# SPDX-License-Identifier: BSD-3-Clause
"""Speech from the float LPCNet, many utterances at once: one loop over time, a row for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit

from quantize.features.floats import lpc_from_cepstrum
from quantize.networks.lpcnet import AFTER, BEFORE, CODES, FRAME, LPC_ORDER, Lpcnet

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_DEEMPHASIS = 0.85
_TAPS = BEFORE + AFTER  # frames beside its own that the conditioning of a frame sees


@dataclass(frozen=True)
class Variant:
    """How a network may differ from ours without differing in structure.

    Imported networks may; the networks that we train have the defaults.
    """

    lookahead: int = AFTER  # feature frames that the conditioning of a frame looks ahead
    gamma: float = 1.0  # coefficient k of the linear predictor is multiplied by gamma^k
    softmax: bool = False  # the output is 256 logits of codes, not 255 logits of a tree's bits
    sharpness: float = 1.0  # by which logits are multiplied before a bit is drawn
    tail: float = 0.0  # a bit whose rarer value has a chance below this never takes it


def synthesise_many(
    model: Lpcnet,
    utterances: Sequence[F32],
    seed: int = 0,
    variant: Variant | None = None,
    note: Callable[[int, int], None] = lambda done, of: None,
) -> list[NDArray[np.int16]]:
    """Speak each of `utterances`, features [frames, 20]; frames * 160 samples each.

    Utterance i is what lpcnet_voice.synthesise speaks with seed + i, apart from the rounding
    of float sums. After each frame of 10 ms `note` gets the number of frames done and of all.
    """
    variant = variant or Variant()
    order = sorted(range(len(utterances)), key=lambda i: -len(utterances[i]))
    counts = np.array([len(utterances[i]) for i in order])
    frames = int(counts[0])
    before = _TAPS - variant.lookahead
    seen = np.stack([_padded(utterances[i], frames, before, variant.lookahead) for i in order])
    with torch.no_grad():
        conditioning = model.condition(torch.from_numpy(seen))
        cond_a = model.cond_to_a(conditioning).numpy()
        cond_b = model.cond_to_b(conditioning).numpy()
    weight = 1.0 * variant.gamma ** np.arange(1, LPC_ORDER + 1)
    lpc = np.stack([lpc_from_cepstrum(row[before : before + frames, :18]) for row in seen])
    backward = -(lpc * weight)[:, :, ::-1]  # oldest sample first, as in memory
    generators = [np.random.default_rng(seed + i) for i in order]
    network = Network(model, len(order), variant.softmax, variant.sharpness)
    signal = np.zeros((len(order), LPC_ORDER + frames * FRAME))
    for frame in range(frames):
        live = int((counts > frame).sum())
        draws = np.stack([generator.random((FRAME, 8)) for generator in generators[:live]])
        draws = variant.tail + (1 - 2 * variant.tail) * draws
        network.begin_frame(cond_a[:live, frame], cond_b[:live, frame])
        for t in range(FRAME):
            at = frame * FRAME + t
            past = signal[:live, at : at + LPC_ORDER]
            prediction = (past * backward[:live, frame]).sum(1)
            code = network.step(past[:, -1], prediction, draws[:, t])
            signal[:live, at + LPC_ORDER] = prediction + from_codes(code)
        note(frame + 1, frames)
    spoken = lfilter([1], [1, -_DEEMPHASIS], signal[:, LPC_ORDER:], axis=1)
    pcm = np.clip(np.rint(spoken), -32768, 32767).astype(np.int16)
    return [pcm[order.index(i), : len(u) * FRAME] for i, u in enumerate(utterances)]


def to_codes(x: F64) -> I64:
    """Return the 8-bit mu-law codes of samples in int16 scale; 128 is zero."""
    size = (128 / np.log(256)) * np.log1p(np.abs(x) * (255 / 32768))
    nearest = np.floor(0.5 + 128 + np.copysign(size, x))
    return np.asarray(np.clip(nearest, 0, CODES - 1), np.int64)


_LINEAR = np.sign(np.arange(CODES) - 128) * (32768 / 255)
_LINEAR = _LINEAR * np.expm1(np.abs(np.arange(CODES) - 128) / 128 * np.log(256))


def from_codes(codes: I64) -> F64:
    """Return the samples in int16 scale that codes stand for."""
    return np.asarray(_LINEAR[codes])


def tree_of(probabilities: F32) -> F32:
    """Return [rows, 256]: the chance of a 1 at each node of the tree, from the chance of each code.

    Drawing 8 bits along this tree draws a code with its probability, exactly. Row 0 is unused.
    """
    nodes = np.full_like(probabilities, 0.5)
    below = probabilities
    for depth in range(7, -1, -1):
        pairs = below.reshape(len(below), -1, 2)
        below = pairs.sum(2)
        nodes[:, 2**depth : 2 ** (depth + 1)] = pairs[:, :, 1] / np.maximum(below, 1e-30)
    return nodes


class Network:
    """The sample-rate half: states of every row, one step a sample."""

    def __init__(self, model: Lpcnet, rows: int, softmax: bool, sharpness: float = 1.0) -> None:
        def numbers(*tensors: torch.Tensor) -> list[F32]:
            return [np.ascontiguousarray(x.detach().numpy()) for x in tensors]

        with torch.no_grad():
            (self.tables,) = numbers(model.tables())
        self.a_weight, self.a_bias = numbers(model.a.weight.t(), model.a.bias)
        self.b_weight, self.b_bias = numbers(model.b.weight.t(), model.b.bias)
        (self.to_b,) = numbers(model.a_to_b.weight.t())
        units = model.sizes.gru_b
        tree = (model.tree_weight.transpose(0, 1).reshape(-1, units).t(), model.tree_bias.t())
        self.tree_weight, self.tree_bias = numbers(*tree)
        (self.tree_scale,) = numbers(sharpness * model.tree_scale.t())
        self.softmax = softmax
        self.a = np.zeros((rows, model.sizes.gru_a), np.float32)
        self.b = np.zeros((rows, units), np.float32)
        self.code = np.full(rows, CODES // 2)

    def begin_frame(self, cond_a: F32, cond_b: F32) -> None:
        """Take what a frame's conditioning adds to the gates; rows beyond its length have ended."""
        live = len(cond_a)
        self.cond_a, self.cond_b = cond_a, cond_b
        self.a, self.b, self.code = self.a[:live], self.b[:live], self.code[:live]
        self.rows = np.arange(live)

    def step(self, last: F64, prediction: F64, draws: F64) -> I64:
        """Return each row's next excitation code; draws are [rows, 8] in [0, 1)."""
        self.hear(to_codes(np.stack([last, prediction])))
        chances = self.chances()
        node = np.ones(len(self.rows), np.int64)
        for depth in range(8):
            node = 2 * node + (draws[:, depth] < chances[self.rows, node])
        self.code = node - CODES
        return self.code

    def hear(self, heard: I64) -> None:
        """Advance both GRUs by a sample: codes [2, rows] of the last one and the prediction."""
        gates = self.cond_a + self.tables[0, heard[0]]
        gates = gates + self.tables[1, heard[1]] + self.tables[2, self.code]
        self.a = _gru(gates, self.a @ self.a_weight + self.a_bias, self.a)
        gates = self.cond_b + self.a @ self.to_b
        self.b = _gru(gates, self.b @ self.b_weight + self.b_bias, self.b)

    def chances(self) -> F32:
        """Return [rows, 256]: the chance of a 1 at each node of the tree; node 0 means nothing."""
        halves = (self.b @ self.tree_weight).reshape(-1, 2, CODES)
        logits = (self.tree_scale * np.tanh(halves + self.tree_bias)).sum(1)
        if not self.softmax:
            return np.asarray(expit(logits))
        raised = np.exp(logits - logits.max(1, keepdims=True))
        return tree_of(raised)


def _padded(features: F32, frames: int, before: int, after: int) -> F32:
    """Repeat the first frame before, and the last to `frames` and beyond."""
    behind = frames - len(features) + after
    parts = [features[:1].repeat(before, 0), features, features[-1:].repeat(behind, 0)]
    return np.concatenate(parts)


def _gru(inputs: F32, recurrent: F32, state: F32) -> F32:
    n = state.shape[1]
    gates = expit(inputs[:, : 2 * n] + recurrent[:, : 2 * n])
    candidate = np.tanh(inputs[:, 2 * n :] + gates[:, n:] * recurrent[:, 2 * n :])
    z = gates[:, :n]
    return np.asarray(z * state + (1 - z) * candidate, np.float32)

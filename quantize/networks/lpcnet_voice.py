# SPDX-License-Identifier: BSD-3-Clause
"""Speech from the float LPCNet, sample by sample: the integer voice is compared with it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from quantize.features.floats import lpc_from_cepstrum
from quantize.networks.lpcnet import AFTER, BEFORE, CODES, FRAME, LPC_ORDER, Lpcnet

F32 = NDArray[np.float32]

_DEEMPHASIS = 0.85


def to_mulaw(x: float) -> int:
    """Return the 8-bit code of a sample in int16 scale; 128 is zero."""
    size = 128 * np.log1p(abs(x) * (255 / 32768)) / np.log(256)
    return int(np.clip(np.floor(0.5 + 128 + np.copysign(size, x)), 0, CODES - 1))


def from_mulaw(code: int) -> float:
    """Return the sample in int16 scale that a code stands for."""
    u = (code - 128) / 128
    return float(np.copysign((256 ** abs(u) - 1) * (32768 / 255), u))


def _sigmoid(x: F32) -> F32:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)


def synthesise(model: Lpcnet, features: F32, seed: int = 0) -> NDArray[np.int16]:
    """Speak features [frames, 20]; returns frames * 160 samples at 16 kHz.

    Sample 160 t of the result lies 80 samples before the centre of feature frame t. The first
    frames see the first feature repeated. Draws come from `seed`.
    """
    rng = np.random.default_rng(seed)
    padded = np.concatenate(
        [features[:1].repeat(BEFORE, 0), features, features[-1:].repeat(AFTER, 0)]
    )
    with torch.no_grad():
        conditioning = model.condition(torch.from_numpy(padded)[None])
        cond_a = model.cond_to_a(conditioning)[0].numpy()
        cond_b = model.cond_to_b(conditioning)[0].numpy()
        tables = model.tables().numpy()
    ua, ba = (p.detach().numpy() for p in (model.a.weight, model.a.bias))
    ub, bb = (p.detach().numpy() for p in (model.b.weight, model.b.bias))
    to_b = model.a_to_b.weight.detach().numpy()
    tree = [p.detach().numpy() for p in (model.tree_weight, model.tree_bias, model.tree_scale)]
    lpc = lpc_from_cepstrum(features[:, :18])
    a, b = np.zeros(len(ua) // 3, np.float32), np.zeros(len(ub) // 3, np.float32)
    past = np.zeros(LPC_ORDER)
    code, memory = 128, 0.0
    out = np.empty(len(features) * FRAME)
    draws = rng.random((len(out), 8))
    for t in range(len(out)):
        frame = t // FRAME
        prediction = -float(lpc[frame] @ past)
        gates = cond_a[frame] + tables[0, to_mulaw(past[0])]
        gates = gates + tables[1, to_mulaw(prediction)] + tables[2, code]
        a = _gru(gates, ua @ a + ba, a)
        b = _gru(cond_b[frame] + to_b @ a, ub @ b + bb, b)
        node = 1
        for d in range(8):
            logit = tree[2][node] @ np.tanh(tree[0][node] @ b + tree[1][node])
            node = 2 * node + int(draws[t, d] < 1 / (1 + np.exp(-logit)))
        code = node - CODES
        sample = prediction + from_mulaw(code)
        past[1:] = past[:-1]
        past[0] = sample
        memory = sample + _DEEMPHASIS * memory
        out[t] = memory
    return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


def _gru(inputs: F32, recurrent: F32, state: F32) -> F32:
    n = len(state)
    z, r = _sigmoid(inputs[:n] + recurrent[:n]), _sigmoid(inputs[n : 2 * n] + recurrent[n : 2 * n])
    candidate = np.tanh(inputs[2 * n :] + r * recurrent[2 * n :])
    return np.asarray(z * state + (1 - z) * candidate, np.float32)

# SPDX-License-Identifier: BSD-3-Clause
"""PitchDNN of libopus 1.6 in float: which of 180 pitch classes a 10 ms frame has.

One branch reads the phases of low frequencies, the other looks at correlations through two small
convolutions over time and lag; a GRU joins both. One forward serves training (whole sequences)
and streaming (one frame at a time): it takes and returns the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from quantize.networks.layers import Layer, dense, gru
from quantize.nn.topologies import IF_FEATURES, LAGS, PITCH_CLASSES

_HIDDEN = 64
_CHANNELS = 4
_TAPS = 3  # of a convolution, over time and over lag
_TILE = 32  # lags that one matrix product computes
_REACH = 2  # classes on both sides of the best one that the pitch is the mean of


@dataclass
class Memory:
    """What the network keeps between frames."""

    lines: Tensor  # [batch, 2, 224]: the last correlations
    inner: Tensor  # [batch, 2, 224 * 4]: the last outputs of the first convolution
    gru: Tensor  # [1, batch, 64]


def snap(x: Tensor) -> Tensor:
    """Round to 1/127, as int8 products will see `x`; gradients pass unchanged."""
    return x + (torch.round(127 * x) / 127 - x).detach()


def conv2d(x: Tensor, past: Tensor, linear: nn.Linear) -> Tensor:
    """Convolve 3 x 3 over time (causal) and lag (zeros beyond both ends), then tanh.

    Takes [batch, frames, lags * inputs], channels innermost, and the two frames before; returns
    [batch, frames, lags * outputs]. Columns of `linear` are ordered channel, time (oldest
    first), lag, as in the checkpoint. It is written as products of tiles of 32 lags, with
    the three times side by side where channels are fewer: torch's own convolution takes three times
    as long.
    """
    outputs, inputs = linear.out_features, linear.in_features // _TAPS**2
    batch, frames, width = x.shape
    place = torch.arange(_TILE)
    at = torch.zeros(_TAPS, _TILE, _TILE + _TAPS - 1, device=x.device, dtype=x.dtype)
    for tap in range(_TAPS):
        at[tap, place, place + tap] = 1
    kernel = linear.weight.view(outputs, inputs, _TAPS, _TAPS)
    matrix = torch.einsum("oitk,kpq->tpoqi", kernel, at).reshape(_TAPS, _TILE * outputs, -1)
    lines = F.pad(torch.cat([past, x], 1), (inputs, inputs))
    tiles = lines.unfold(2, (_TILE + _TAPS - 1) * inputs, _TILE * inputs)
    bias = linear.bias.repeat(_TILE)
    if inputs < outputs:
        rows = torch.cat([tiles[:, tap : tap + frames] for tap in range(_TAPS)], 3)
        out = F.linear(rows, matrix.transpose(0, 1).flatten(1), bias)
    else:
        terms = F.linear(tiles, matrix.flatten(0, 1)).view(*tiles.shape[:3], _TAPS, -1)
        out = bias + sum(terms[:, tap : tap + frames, :, tap] for tap in range(_TAPS))
    return torch.tanh(out).reshape(batch, frames, width // inputs * outputs)


class PitchNet(nn.Module):
    """The network; `int8` says whether it rounds activations as the integer network does."""

    def __init__(self) -> None:
        super().__init__()
        self.int8 = False
        self.up1 = nn.Linear(IF_FEATURES, _HIDDEN)
        self.up2 = nn.Linear(_HIDDEN, _HIDDEN)
        self.conv1 = nn.Linear(_TAPS**2, _CHANNELS)
        self.conv2 = nn.Linear(_TAPS**2 * _CHANNELS, 1)
        self.down = nn.Linear(LAGS + _HIDDEN, _HIDDEN)
        self.gru = nn.GRU(_HIDDEN, _HIDDEN, batch_first=True)
        self.final = nn.Linear(_HIDDEN, PITCH_CLASSES)

    def start(self, batch: int) -> Memory:
        """Return the memory of a stream that begins: all zero."""
        like = self.up1.weight
        return Memory(
            like.new_zeros(batch, _TAPS - 1, LAGS),
            like.new_zeros(batch, _TAPS - 1, LAGS * _CHANNELS),
            like.new_zeros(1, batch, _HIDDEN),
        )

    def forward(
        self, if_features: Tensor, xcorr: Tensor, memory: Memory | None = None
    ) -> tuple[Tensor, Memory]:
        """Map [batch, frames, 88] and [batch, frames, 224] to logits [.., 180] and new memory."""
        memory = memory or self.start(len(xcorr))
        narrow = snap if self.int8 else nn.Identity()
        low = torch.tanh(self.up1(narrow(if_features)))
        low = torch.tanh(self.up2(narrow(low)))
        inner = conv2d(xcorr, memory.lines, self.conv1)
        lags = conv2d(inner, memory.inner, self.conv2)
        joined = narrow(torch.cat([lags, low], 2))
        out, state = self.gru(narrow(torch.tanh(self.down(joined))), memory.gru)
        lines = torch.cat([memory.lines, xcorr], 1)[:, 1 - _TAPS :]
        inner = torch.cat([memory.inner, inner], 1)[:, 1 - _TAPS :]
        return self.final(narrow(out)), Memory(lines, inner, state)

    def layers(self) -> dict[str, Layer]:
        """Return the layers by their checkpoint names."""
        of_input, of_state = gru(self.gru)
        return {
            "dense_if_upsampler_1": dense(self.up1),
            "dense_if_upsampler_2": dense(self.up2),
            "conv2d_1": dense(self.conv1),
            "conv2d_2": dense(self.conv2),
            "dense_downsampler": dense(self.down),
            "gru_1_input": of_input,
            "gru_1_recurrent": of_state,
            "dense_final_upsampler": dense(self.final),
        }


def pitch_of(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the pitch feature [frames] that logits [frames, 180] mean: log2(256 / period) - 1.5.

    It is the mean of the classes around the best one, weighted by the exponential of their logits.
    """
    logits = np.asarray(logits, np.float64)
    best = logits.argmax(axis=1)
    at = best[:, None] + np.arange(-_REACH, _REACH + 1)
    inside = (at >= 0) & (at < PITCH_CLASSES)
    row = np.arange(len(logits))[:, None]
    above = logits[row, np.clip(at, 0, PITCH_CLASSES - 1)] - logits[row, best[:, None]]
    weight = np.exp(above) * inside
    return np.asarray((weight * at).sum(axis=1) / weight.sum(axis=1) / 60 - 1.5)

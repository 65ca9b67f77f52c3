# SPDX-License-Identifier: BSD-3-Clause
"""The RDO-VAE of libopus 1.6 (DRED wire version 12): float encoder and decoder.

Both are dense nets of five stages, each a GRU and a convolution whose outputs are appended to
everything before them. One forward serves training (whole sequences) and streaming (one step at
a time): it takes and returns the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quantize.networks.layers import CausalConv, Layer, dense, gru

STAGES = 5
FRAME_FEATURES = 20
ENCODER_INPUT = 2 * FRAME_FEATURES  # one step: 20 ms, older frame first
DECODER_OUTPUT = 4 * FRAME_FEATURES  # one step: 40 ms, newest frame first
LATENTS, LATENT_ROWS = 25, 32
STATE, STATE_ROWS = 50, 56
LEVELS = 16

# The share of 8x4 blocks that a layer keeps, as in libopus 1.6's weights; other layers are dense.
DENSITY = {
    "enc_gru1_input": 0.6,
    "enc_gru2_input": 1 / 3,
    "enc_gru3_input": 0.233,
    "enc_gru4_input": 0.15,
    "enc_gru5_input": 0.15,
    "enc_conv_dense2": 0.8,
    "enc_conv_dense3": 0.6,
    "enc_conv_dense4": 0.4,
    "enc_conv_dense5": 0.3,
    "gdense1": 0.5,
    "dec_gru_init": 0.5,
    "dec_gru1_input": 0.6,
    "dec_gru2_input": 1 / 3,
    "dec_gru3_input": 0.233,
    "dec_gru4_input": 0.15,
    "dec_gru5_input": 0.15,
    "dec_conv_dense2": 0.8,
    "dec_conv_dense3": 0.6,
    "dec_conv_dense4": 0.4,
    "dec_conv_dense5": 0.3,
    "dec_output": 0.5,
}

_ENC_HIDDEN, _ENC_GRU, _ENC_CONV = 64, 32, 64
_DEC_HIDDEN, _DEC_GRU, _DEC_CONV = 96, 64, 32
_STATE_HIDDEN = 128


@dataclass
class Memory:
    """What a network keeps between steps: per stage a GRU state and past inputs of the conv."""

    gru: list[Tensor]  # [1, batch, units] each
    conv: list[Tensor]  # [batch, dilation, channels] each


class RdovaeEncoder(nn.Module):
    """Features to latents and initial states, a step per 20 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.dense1 = nn.Linear(ENCODER_INPUT, _ENC_HIDDEN)
        self.gru = nn.ModuleList()
        self.conv_dense = nn.ModuleList()
        self.conv = nn.ModuleList()
        width = _ENC_HIDDEN
        for stage in range(STAGES):
            self.gru.append(nn.GRU(width, _ENC_GRU, batch_first=True))
            width += _ENC_GRU
            self.conv_dense.append(nn.Linear(width, _ENC_CONV))
            self.conv.append(CausalConv(_ENC_CONV, _ENC_CONV, dilation=1 if stage == 0 else 2))
            width += _ENC_CONV
        self.zdense = nn.Linear(width, LATENTS)
        self.gdense1 = nn.Linear(width, _STATE_HIDDEN)
        self.gdense2 = nn.Linear(_STATE_HIDDEN, STATE)

    def start(self, batch: int) -> Memory:
        """Return the memory of a stream that begins: all zero."""
        like = self.dense1.weight
        return Memory(
            [like.new_zeros(1, batch, _ENC_GRU) for _ in range(STAGES)],
            [like.new_zeros(batch, 1 if k == 0 else 2, _ENC_CONV) for k in range(STAGES)],
        )

    def forward(self, x: Tensor, memory: Memory | None = None) -> tuple[Tensor, Tensor, Memory]:
        """Map [batch, steps, 40] to latents [.., 25], states [.., 50] and the new memory."""
        memory = memory or self.start(len(x))
        new = Memory([], [])
        x = torch.tanh(self.dense1(x))
        for k in range(STAGES):
            out, state = self.gru[k](x, memory.gru[k])
            x = torch.cat([x, out], 2)
            inner = torch.tanh(self.conv_dense[k](x))
            out, past = self.conv[k](inner, memory.conv[k])
            x = torch.cat([x, out], 2)
            new.gru.append(state)
            new.conv.append(past)
        state = self.gdense2(torch.tanh(self.gdense1(x)))
        return self.zdense(x), state, new

    def layers(self) -> dict[str, Layer]:
        """Return the layers by their checkpoint names."""
        found = {"enc_dense1": dense(self.dense1)}
        for k in range(STAGES):
            names = f"enc_gru{k + 1}_input", f"enc_gru{k + 1}_recurrent"
            found.update(zip(names, gru(self.gru[k]), strict=True))  # type: ignore[arg-type]
            found[f"enc_conv_dense{k + 1}"] = dense(self.conv_dense[k])  # type: ignore[arg-type]
            found[f"enc_conv{k + 1}"] = dense(self.conv[k].linear)  # type: ignore[arg-type]
        found["enc_zdense"] = dense(self.zdense, LATENT_ROWS)
        found["gdense1"] = dense(self.gdense1)
        found["gdense2"] = dense(self.gdense2, STATE_ROWS)
        return found


class RdovaeDecoder(nn.Module):
    """Latents back to features, a step per 40 ms, backwards in time from an initial state."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_init = nn.Linear(STATE, _STATE_HIDDEN)
        self.gru_init = nn.Linear(_STATE_HIDDEN, STAGES * _DEC_GRU)
        self.dense1 = nn.Linear(LATENTS + 1, _DEC_HIDDEN)
        self.gru = nn.ModuleList()
        self.glu = nn.ModuleList()
        self.conv_dense = nn.ModuleList()
        self.conv = nn.ModuleList()
        width = _DEC_HIDDEN
        for _ in range(STAGES):
            self.gru.append(nn.GRU(width, _DEC_GRU, batch_first=True))
            self.glu.append(nn.Linear(_DEC_GRU, _DEC_GRU))
            width += _DEC_GRU
            self.conv_dense.append(nn.Linear(width, _DEC_CONV))
            self.conv.append(CausalConv(_DEC_CONV, _DEC_CONV, dilation=1))
            width += _DEC_CONV
        self.output = nn.Linear(width, DECODER_OUTPUT)

    def start(self, state: Tensor) -> Memory:
        """Return the memory that an initial state [batch, 50] stands for."""
        units = torch.tanh(self.gru_init(torch.tanh(self.hidden_init(state))))
        return Memory(
            [part.contiguous()[None] for part in units.chunk(STAGES, 1)],
            [units.new_zeros(len(state), 1, _DEC_CONV) for _ in range(STAGES)],
        )

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Map [batch, steps, 26], newest first, to features [batch, steps, 80] and memory.

        The 26th input is the level of the chunk, level / 8 - 1.
        """
        new = Memory([], [])
        x = torch.tanh(self.dense1(x))
        for k in range(STAGES):
            out, state = self.gru[k](x, memory.gru[k])
            x = torch.cat([x, out * torch.sigmoid(self.glu[k](out))], 2)
            inner = torch.tanh(self.conv_dense[k](x))
            out, past = self.conv[k](inner, memory.conv[k])
            x = torch.cat([x, out], 2)
            new.gru.append(state)
            new.conv.append(past)
        return self.output(x), new

    def layers(self) -> dict[str, Layer]:
        """Return the layers by their checkpoint names."""
        found = {
            "dec_hidden_init": dense(self.hidden_init),
            "dec_gru_init": dense(self.gru_init),
            "dec_dense1": dense(self.dense1),
        }
        for k in range(STAGES):
            names = f"dec_gru{k + 1}_input", f"dec_gru{k + 1}_recurrent"
            found.update(zip(names, gru(self.gru[k]), strict=True))  # type: ignore[arg-type]
            found[f"dec_glu{k + 1}"] = dense(self.glu[k])  # type: ignore[arg-type]
            found[f"dec_conv_dense{k + 1}"] = dense(self.conv_dense[k])  # type: ignore[arg-type]
            found[f"dec_conv{k + 1}"] = dense(self.conv[k].linear)  # type: ignore[arg-type]
        found["dec_output"] = dense(self.output)
        return found

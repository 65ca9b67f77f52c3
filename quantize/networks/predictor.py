# SPDX-License-Identifier: BSD-3-Clause
"""The predictor of lost frames in float: two GRUs between dense layers, as in libopus' deep PLC."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quantize.networks.layers import Layer, dense, gru
from quantize.nn.topologies import FEATURES, PREDICTOR_INPUTS

DENSE, GRU = 64, 96  # sizes of our own; libopus' has 128 and 192


class Predictor(nn.Module):
    """What is known of each frame to the features of each frame, from rest."""

    def __init__(self, hidden: int = DENSE, units: int = GRU) -> None:
        super().__init__()
        self.dense_in = nn.Linear(PREDICTOR_INPUTS, hidden)
        self.gru1 = nn.GRU(hidden, units, batch_first=True)
        self.gru2 = nn.GRU(units, units, batch_first=True)
        self.dense_out = nn.Linear(units, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, 57] to features [batch, frames, 20]; they count in lost frames."""
        out, _ = self.gru1(torch.tanh(self.dense_in(x)))
        out, _ = self.gru2(out)
        found: Tensor = self.dense_out(out)
        return found

    def layers(self) -> dict[str, Layer]:
        """Return the layers by their checkpoint names."""
        found = {"plc_dense_in": dense(self.dense_in), "plc_dense_out": dense(self.dense_out)}
        for name, cell in (("plc_gru1", self.gru1), ("plc_gru2", self.gru2)):
            found[f"{name}_input"], found[f"{name}_recurrent"] = gru(cell)
        return found

    def sparse_weights(self) -> dict[str, Tensor]:
        """Return by layer the weights of which blocks may be dropped: of the GRUs."""
        return {name: layer.weight for name, layer in self.layers().items() if layer.gru}

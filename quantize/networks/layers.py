# SPDX-License-Identifier: BSD-3-Clause
"""Layers that the float networks share, and their weights in the checkpoint's names and order.

A checkpoint holds `<layer>.weight` float32 [out, in] and `<layer>.bias` [out]. A GRU is two such
layers, `<name>_input` and `<name>_recurrent`, with rows ordered z, r, h; torch orders r, z, h.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantize.errors import InputError

Weights = dict[str, Tensor]


class Layer(NamedTuple):
    """Where a checkpoint layer lives in a torch module, and with how many rows it is stored."""

    weight: Tensor
    bias: Tensor
    rows: int
    gru: bool


class CausalConv(nn.Module):
    """Convolution of kernel 2 over time, tanh; the older tap is the first half of the input."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.linear = nn.Linear(2 * inputs, outputs)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Map [batch, time, in] and the last `dilation` inputs to outputs and the new memory."""
        past = torch.cat([memory, x], 1)
        out = torch.tanh(self.linear(torch.cat([past[:, : x.shape[1]], x], 2)))
        return out, past[:, past.shape[1] - self.dilation :]


def dense(linear: nn.Linear, rows: int | None = None) -> Layer:
    """Describe a dense layer, stored with `rows` rows (the extra ones zero)."""
    return Layer(linear.weight, linear.bias, rows or linear.out_features, False)


def gru(cell: nn.GRU) -> tuple[Layer, Layer]:
    """Describe the input and the recurrent half of a one-layer GRU."""
    rows = 3 * cell.hidden_size
    return (
        Layer(cell.get_parameter("weight_ih_l0"), cell.get_parameter("bias_ih_l0"), rows, True),
        Layer(cell.get_parameter("weight_hh_l0"), cell.get_parameter("bias_hh_l0"), rows, True),
    )


def _swap_gates(rows: Tensor) -> Tensor:
    first, second, third = rows.chunk(3)
    return torch.cat([second, first, third])


def export_layers(layers: Mapping[str, Layer]) -> Weights:
    """Return the weights of `layers` in checkpoint form."""
    result: Weights = {}
    for name, layer in layers.items():
        for kind, parameter in (("weight", layer.weight), ("bias", layer.bias)):
            value = parameter.detach().to("cpu", torch.float32, copy=True)
            if layer.gru:
                value = _swap_gates(value)
            padded = torch.zeros(layer.rows, *value.shape[1:])
            padded[: len(value)] = value
            result[f"{name}.{kind}"] = padded
    return result


def import_layers(layers: Mapping[str, Layer], weights: Mapping[str, Tensor]) -> None:
    """Load checkpoint weights into `layers`; rows stored beyond a layer's own are dropped.

    Raises InputError that names the first layer which is missing or has another shape.
    """
    for name, layer in layers.items():
        for kind, parameter in (("weight", layer.weight), ("bias", layer.bias)):
            key = f"{name}.{kind}"
            if key not in weights:
                raise InputError(f"the checkpoint lacks {key}: it is of another network")
            value = weights[key]
            shape = (layer.rows, *parameter.shape[1:])
            if tuple(value.shape) not in (shape, tuple(parameter.shape)):
                raise InputError(f"{key} has shape {tuple(value.shape)}, expected {shape}")
            if not value.is_floating_point() or not torch.isfinite(value).all():
                raise InputError(f"{key} holds other values than finite weights")
            if layer.gru:
                value = _swap_gates(value)
            with torch.no_grad():
                parameter.copy_(value[: len(parameter)])

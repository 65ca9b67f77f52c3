# SPDX-License-Identifier: BSD-3-Clause
"""The quantiser levels of DRED while they are learned: step size, dead zone and Laplace rate.

A level is a row of four tables per vector (latents or state), Q8 on the wire: `scale` and
`deadzone` shape the quantiser, `p0` is the chance of a zero and `r` the decay of magnitudes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantize.networks.rdovae import LEVELS

SLOPES = (0, 2, 3, 4, 6, 8, 12, 16)  # level steps per 16 chunks, by the wire's dQ


class Table(NamedTuple):
    """Quantiser tables of one vector, each [levels, dimensions], as fractions of 1."""

    scale: Tensor
    deadzone: Tensor
    r: Tensor
    p0: Tensor

    def at(self, level: Tensor) -> Table:
        """Return the rows of `level`, an integer tensor of any shape."""
        return Table(*(part[level] for part in self))


def level_law(first: Tensor, slope: Tensor, chunks: int) -> Tensor:
    """Return the level of each chunk, [batch, chunks], for first levels and dQ [batch]."""
    steps = torch.tensor(SLOPES, device=first.device)[slope][:, None]
    chunk = torch.arange(chunks, device=first.device)
    return (first[:, None] + (steps * chunk + 8) // 16).clamp(max=LEVELS - 1)


def squeeze(x: Tensor, table: Table) -> Tensor:
    """Return the real number that rounding turns into a symbol: scaled, pulled towards zero."""
    y = x * table.scale
    return y - table.deadzone * torch.tanh(y / (table.deadzone + 0.1))


def bits(symbols: Tensor, table: Table) -> Tensor:
    """Return the cost in bits of symbols; between integers the cost is interpolated."""
    magnitude = symbols.abs()
    zero = -torch.log2(table.p0)
    one = 1 - torch.log2(1 - table.p0) - torch.log2(1 - table.r)
    more = -torch.log2(table.r)
    return zero + (one - zero) * magnitude.clamp(max=1) + more * (magnitude - 1).clamp(min=0)


class LearnedTable(nn.Module):
    """Tables under training, kept as logits so that every value stays inside (0, 1)."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        fine_to_coarse = torch.linspace(1.5, -1.0, LEVELS)[:, None].repeat(1, dimensions)
        self.scale = nn.Parameter(fine_to_coarse)
        self.deadzone = nn.Parameter(torch.full((LEVELS, dimensions), -1.5))
        self.r = nn.Parameter(torch.zeros(LEVELS, dimensions))
        self.p0 = nn.Parameter(torch.zeros(LEVELS, dimensions))

    def table(self) -> Table:
        """Return the current values; p0 and r stay within what Q8 can say."""
        return Table(
            torch.sigmoid(self.scale).clamp(1 / 256, 255 / 256),
            torch.sigmoid(self.deadzone).clamp(1 / 256, 255 / 256),
            torch.sigmoid(self.r).clamp(1 / 256, 255 / 256),
            torch.sigmoid(self.p0).clamp(1 / 256, 255 / 256),
        )


def to_bytes(value: Tensor) -> Tensor:
    """Return a table of fractions as the Q8 bytes of the wire."""
    return torch.round(value * 256).clamp(0, 255).to(torch.uint8)


def fit(symbols: Tensor) -> tuple[Tensor, Tensor]:
    """Return p0 and r, uint8 [dimensions], that best code integer `symbols` [count, dimensions].

    A dimension that is always zero gets r = 0: the wire skips it.
    """
    magnitude = symbols.abs().double()
    count = len(symbols)
    coded = (magnitude > 0).sum(0)
    # Laplace's rule keeps the cost of a symbol that was not seen here finite.
    p0 = ((count - coded + 1) / (count + 2)).clamp(1 / 256, 254 / 256)
    mean = magnitude.sum(0) / coded.clamp(min=1)
    r = (1 - 1 / mean.clamp(min=1.01)).clamp(4 / 256, 250 / 256)
    never = coded == 0
    p0_bytes, r_bytes = to_bytes(p0), to_bytes(r)
    p0_bytes[never], r_bytes[never] = 255, 0
    return p0_bytes, r_bytes

# SPDX-License-Identifier: BSD-3-Clause
"""Pruning in training: the weakest blocks of weights go, a few at a time, and stay away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from quantize.networks.blocks import block_mask, density_at, kept_mask

Weights = Mapping[str, Tensor]  # by layer, each a network's own parameter


@dataclass(frozen=True)
class Span:
    """The steps between which blocks go, and how many steps lie between two cuts."""

    first: int
    last: int
    every: int


class Pruning:
    """Which 8 x 4 blocks of its sparse layers a network in training still has."""

    def __init__(self) -> None:
        self.masks: dict[str, Tensor] = {}  # one number for each weight, 1 where it is kept

    def take_up(self, weights: Weights) -> None:
        """Go on with a saved network: blocks that are all zero were dropped."""
        self.masks = {name: kept_mask(weight) for name, weight in weights.items()}

    def drop(self, weights: Weights, density: Mapping[str, float], step: int, span: Span) -> None:
        """Drop blocks down to what `step` of a span allows, and zero what was dropped before.

        At the span's end a layer keeps the share `density` of its blocks.
        """
        cut = step % span.every == 0 or step == span.last
        if span.first < step <= span.last and cut:
            for name, weight in weights.items():
                kept = density_at(step, density[name], span.first, span.last)
                self.masks[name] = block_mask(weight, kept)
        self.hold(weights)

    def hold(self, weights: Weights) -> None:
        """Zero the weights of dropped blocks."""
        with torch.no_grad():
            for name, mask in self.masks.items():
                weights[name].mul_(mask.to(weights[name].device))

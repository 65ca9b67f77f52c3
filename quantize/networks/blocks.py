# SPDX-License-Identifier: BSD-3-Clause
"""Sparse matrices: which blocks of weights are kept while a network is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS


def block_mask(weight: Tensor, density: float) -> Tensor:
    """Return a 0/1 mask of `weight` that keeps the strongest 8 x 4 blocks, `density` of them."""
    rows, columns = BLOCK_ROWS, BLOCK_COLS
    blocks = weight.detach().reshape(len(weight) // rows, rows, -1, columns)
    strength = blocks.square().sum((1, 3))
    keep = max(1, round(density * strength.numel()))
    threshold = strength.flatten().topk(keep).values[-1]
    kept = (strength >= threshold).to(weight.dtype)
    return kept.repeat_interleave(rows, 0).repeat_interleave(columns, 1)


def kept_blocks(weight: Tensor) -> Tensor:
    """Return which 8 x 4 blocks of `weight` hold a weight other than zero, bool [rows, columns]."""
    blocks = weight.detach().reshape(
        len(weight) // BLOCK_ROWS, BLOCK_ROWS, weight.shape[1] // BLOCK_COLS, BLOCK_COLS
    )
    return torch.any(blocks != 0, dim=3).any(dim=1)


def density_at(step: int, target: float, first: int, last: int) -> float:
    """Return the share of blocks kept at a step: 1, then a cubic fall to `target` at `last`."""
    done = min(1.0, max(0.0, (step - first) / max(1, last - first)))
    return target + (1 - target) * (1 - done) ** 3

# SPDX-License-Identifier: BSD-3-Clause
"""Sparse matrices: which blocks of weights are kept while a network is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS


def block_mask(weight: Tensor, density: float) -> Tensor:
    """Return a 0/1 mask of `weight` that keeps the strongest 8 x 4 blocks, `density` of them."""
    strength = _blocks(weight).square().sum((1, 3))
    keep = max(1, round(density * strength.numel()))
    threshold = strength.flatten().topk(keep).values[-1]
    return _mask(strength >= threshold, weight)


def kept_blocks(weight: Tensor) -> Tensor:
    """Return which 8 x 4 blocks of `weight` hold a weight other than zero, bool [rows, columns]."""
    return torch.any(_blocks(weight) != 0, dim=3).any(dim=1)


def with_blocks(weights: Mapping[str, Tensor], layers: Iterable[str]) -> dict[str, Tensor]:
    """Return a checkpoint's weights with `<layer>.blocks` for each of `layers` that dropped blocks.

    It marks the kept blocks of `<layer>.weight`, uint8 [rows / 8, columns / 4].
    """
    marked = dict(weights)
    for name in layers:
        kept = kept_blocks(weights[f"{name}.weight"])
        if not kept.all():
            marked[f"{name}.blocks"] = kept.to(torch.uint8)
    return marked


def kept_mask(weight: Tensor) -> Tensor:
    """Return a 0/1 mask of `weight` that keeps the blocks which hold a weight other than zero."""
    return _mask(kept_blocks(weight), weight)


def _blocks(weight: Tensor) -> Tensor:
    """Return a view of `weight` as [rows, 8, columns, 4]."""
    rows, columns = weight.shape
    shape = rows // BLOCK_ROWS, BLOCK_ROWS, columns // BLOCK_COLS, BLOCK_COLS
    return weight.detach().reshape(shape)


def _mask(kept: Tensor, weight: Tensor) -> Tensor:
    """Return one number for each weight of kept and dropped blocks, 1 and 0."""
    mask = kept.to(weight.dtype)
    return mask.repeat_interleave(BLOCK_ROWS, 0).repeat_interleave(BLOCK_COLS, 1)


def density_at(step: int, target: float, first: int, last: int) -> float:
    """Return the share of blocks kept at a step: 1, then a cubic fall to `target` at `last`."""
    done = min(1.0, max(0.0, (step - first) / max(1, last - first)))
    return target + (1 - target) * (1 - done) ** 3

# SPDX-License-Identifier: BSD-3-Clause
"""Weights rounded as int8 will hold them, during a training step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def int8_rows(weight: Tensor) -> Tensor:
    """Round each row of [out, in] to 127 steps; neighbouring inputs sum to at most 129 steps."""
    largest = weight.abs().amax(1, keepdim=True) / 127
    pairs = (weight[:, 0::2] + weight[:, 1::2]).abs().amax(1, keepdim=True) / 129
    step = torch.maximum(largest, pairs).clamp(min=1e-9)
    return torch.round(weight / step).clamp(-127, 127) * step


@contextmanager
def quantised(weights: Iterable[Tensor]) -> Iterator[None]:
    """Hold rounded weights in place of the real ones; gradients land on the real ones."""
    kept = [(w, w.detach().clone()) for w in weights]
    with torch.no_grad():
        for weight, _ in kept:
            weight.copy_(int8_rows(weight))
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, value in kept:
                weight.copy_(value)

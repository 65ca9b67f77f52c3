# SPDX-License-Identifier: BSD-3-Clause
"""The C loops as torch functions with gradients: a GRU over samples and the sigmoid tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function

from quantize.errors import InputError
from quantize.train.native import ffi, library

_NULL = ffi.NULL


def pointer(tensor: Tensor | None, kind: str = "float *") -> Any:
    """Return the C pointer to a contiguous tensor's values, NULL for None."""
    if tensor is None:
        return _NULL
    assert tensor.is_contiguous()
    assert tensor.device.type == "cpu"
    return ffi.cast(kind, tensor.data_ptr())


def _checked(status: int) -> None:
    if status:
        raise InputError("not enough memory for the sample loop: use a smaller --batch")


def product(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return left' @ right, summed over very many rows, and the column sums of left."""
    total, columns = torch.zeros(left.shape[1], right.shape[1]), torch.zeros(left.shape[1])
    sizes = (len(left), left.shape[1], right.shape[1])
    operands = (pointer(left), pointer(right), pointer(total), pointer(columns))
    if library().product(*sizes, *operands):
        return left.t() @ right, left.sum(0)
    return total, columns


class _SampleGru(Function):
    """See sample_gru."""

    @staticmethod
    def forward(
        ctx: Any,
        cond: Tensor,
        dense: Tensor | None,
        tables: Tensor | None,
        u: Tensor,
        bias: Tensor,
        index: Tensor | None,
        steps: int,
    ) -> Tensor:
        batch, units = cond.shape[1], u.shape[1]
        if batch % 8 or units % 16:
            raise InputError(f"{batch} sequences of {units} units: give multiples of 8 and 16")
        kept = [x.detach().contiguous() if x is not None else None for x in (cond, dense, tables)]
        u, bias = u.detach().contiguous(), bias.detach().contiguous()
        h = torch.empty(steps + 1, batch, units)
        h[0] = 0
        saved = torch.empty(steps, batch, 4, units)
        hop = steps // len(cond)
        sizes = (steps, batch, units, hop)
        status = library().gru_forward(
            *sizes,
            pointer(kept[0]),
            pointer(kept[1]),
            pointer(index, "uint8_t *"),
            pointer(kept[2]),
            pointer(u),
            pointer(bias),
            pointer(h),
            pointer(saved),
        )
        _checked(status)
        ctx.sizes, ctx.index, ctx.h, ctx.saved, ctx.u = sizes, index, h, saved, u
        ctx.shapes = cond.shape, None if dense is None else dense.shape, tables is not None
        return h[1:]

    @staticmethod
    def backward(ctx: Any, dh: Tensor) -> Any:
        steps, batch, units, _ = ctx.sizes
        cond_shape, dense_shape, has_tables = ctx.shapes
        drec = torch.empty(steps, batch, 3 * units)
        dcond = torch.zeros(cond_shape)
        ddense = None if dense_shape is None else torch.empty(dense_shape)
        dtables = torch.zeros(3, 256, 3 * units) if has_tables else None
        dh = dh.contiguous()
        status = library().gru_backward(
            *ctx.sizes,
            pointer(dh),
            pointer(ctx.index, "uint8_t *"),
            pointer(ctx.u),
            pointer(ctx.h),
            pointer(ctx.saved),
            pointer(drec),
            pointer(dcond),
            pointer(ddense),
            pointer(dtables),
        )
        _checked(status)
        du, dbias = product(drec.view(-1, 3 * units), ctx.h[:-1].view(-1, units))
        return dcond, ddense, dtables, du, dbias, None, None


def sample_gru(
    cond: Tensor,
    u: Tensor,
    bias: Tensor,
    steps: int,
    dense: Tensor | None = None,
    tables: Tensor | None = None,
    index: Tensor | None = None,
) -> Tensor:
    """Run a GRU (gates z, r, h) over `steps` samples and return its states [steps, batch, units].

    Its input gates are the sum of cond [frames, batch, 3 units], each held for steps / frames
    samples, of dense [steps, batch, 3 units] if given, and of the rows of tables [3, 256, 3 units]
    that index, uint8 [steps, batch, 3], names. The recurrent half is u [3 units, units] and bias
    [3 units]. The state starts at zero.
    """
    out: Tensor = _SampleGru.apply(  # type: ignore[no-untyped-call]
        cond, dense, tables, u, bias, index, steps
    )
    return out


class _TreeLoss(Function):
    """See tree_loss."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor, a: Tensor, target: Tensor) -> Tensor:
        units = x.shape[-1]
        flat = x.detach().contiguous().view(-1, units)
        values = [v.detach().contiguous() for v in (w, b, a)]
        grads = [torch.empty_like(flat), *(torch.zeros_like(v) for v in values)]
        loss = library().tree_loss(
            len(flat),
            units,
            pointer(flat),
            pointer(target, "uint8_t *"),
            *(pointer(v) for v in values),
            *(pointer(g) for g in grads),
        )
        ctx.grads, ctx.shape = grads, x.shape
        return torch.tensor(loss, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> Any:
        dx, dw, db, da = (g * scale for g in ctx.grads)
        return dx.view(ctx.shape), dw, db, da, None


def tree_loss(x: Tensor, w: Tensor, b: Tensor, a: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy, in nats a sample, of codes under the tree of sigmoids.

    x is [..., units], target uint8 with the same leading shape, w [256, 2, units], b and a
    [256, 2]. Node n has children 2n and 2n + 1; row 0 is unused.
    """
    out: Tensor = _TreeLoss.apply(x, w, b, a, target)  # type: ignore[no-untyped-call]
    return out


def teacher(
    signal: NDArray[np.float32],
    lpc: NDArray[np.float32],
    noise: NDArray[np.int8],
) -> tuple[Tensor, Tensor]:
    """Return what the network hears, and must say, when it gets a real signal.

    signal [batch, 16 + steps] is pre-emphasised, in int16 scale; lpc [batch, frames, 16]; noise
    [batch, steps] in mu-law steps. Returns index uint8 [steps, batch, 3] (last sample,
    prediction, last excitation) and target uint8 [steps, batch], the excitation.
    """
    batch, steps = noise.shape
    index = torch.empty(steps, batch, 3, dtype=torch.uint8)
    target = torch.empty(steps, batch, dtype=torch.uint8)
    arrays = [np.ascontiguousarray(x) for x in (signal, lpc, noise)]
    library().teacher(
        steps,
        batch,
        steps // lpc.shape[1],
        ffi.cast("float *", arrays[0].ctypes.data),
        ffi.cast("float *", arrays[1].ctypes.data),
        ffi.cast("int8_t *", arrays[2].ctypes.data),
        pointer(index, "uint8_t *"),
        pointer(target, "uint8_t *"),
    )
    return index, target

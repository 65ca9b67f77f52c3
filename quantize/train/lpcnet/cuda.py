# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet's loss on a GPU: the same function as on the CPU, with a loop over samples for GPUs.

A sample's step is a small product that must wait for the one before; launched one by one, steps
are all overhead. Networks whose recurrent weights fit a core's registers run in one launch, with
one core for 16 sequences (Triton). Larger networks run in cuDNN.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from quantize.errors import InputError
from quantize.networks.lpcnet import CODES, FRAME, Lpcnet

ROWS = 16  # sequences a core, the least that its matrix unit takes
MOST_UNITS = 128  # three matrices of this size, in 16 bits, fit a core's registers
_GRADIENT_SCALE = 1024.0  # brings gradients into the range of 16-bit floats


def loss_of(model: Lpcnet, features: Tensor, heard: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of a batch in nats a sample; the tensors are those of a Batch."""
    conditioning = model.condition(features).transpose(0, 1).repeat_interleave(FRAME, 0)
    codes = [_rows(model.embedding[k], heard[:, :, k].long()) for k in range(3)]
    to_a = torch.cat([*model.embedding_to_a.transpose(1, 2), model.cond_to_a.weight], 1)
    a = gru(torch.cat([*codes, conditioning], 2), to_a, model.cond_to_a.bias, model.a)
    to_b = torch.cat([model.a_to_b.weight, model.cond_to_b.weight], 1)
    b = gru(torch.cat([a, conditioning], 2), to_b, model.cond_to_b.bias, model.b)
    return tree_loss(b, model.tree_weight, model.tree_bias, model.tree_scale, target)


def gru(inputs: Tensor, weight: Tensor, bias: Tensor, recurrent: torch.nn.Linear) -> Tensor:
    """Run a GRU (gates z, r, h) over inputs [steps, batch, n] from zero; [steps, batch, units].

    weight [3 units, n] and bias [3 units] are what inputs add to the gates.
    """
    units = recurrent.in_features
    if inputs.shape[1] % ROWS:
        raise InputError(
            f"{inputs.shape[1]} sequences: give a --batch that is a multiple of {ROWS}"
        )
    if units & (units - 1) == 0 and units <= MOST_UNITS:
        gates = functional.linear(inputs, weight, bias)
        states: Tensor = _Gru.apply(gates, recurrent.weight, recurrent.bias)  # type: ignore[no-untyped-call]
        return states

    return _cudnn(inputs, weight, bias, recurrent)


def _cudnn(inputs: Tensor, weight: Tensor, bias: Tensor, recurrent: torch.nn.Linear) -> Tensor:
    """Run a GRU of any size in 16-bit floats, which make cuDNN a fifth faster."""

    def reset_first(x: Tensor) -> Tensor:
        z, r, h = x.chunk(3)
        return torch.cat([r, z, h])

    # Its fast paths want a multiple of 128 inputs.
    spare = (0, -inputs.shape[2] % 128)
    wide = [
        functional.pad(inputs, spare),
        functional.pad(reset_first(weight), spare),
        *(reset_first(x) for x in (recurrent.weight, bias, recurrent.bias)),
    ]
    narrow, *weights = (_cast(x, torch.float16, 1 / _GRADIENT_SCALE) for x in wide)
    begin = narrow.new_zeros(1, inputs.shape[1], recurrent.in_features)
    with (
        warnings.catch_warnings()
    ):  # cuDNN warns that it gathers the weights, a few 100 KB, at every call
        warnings.simplefilter("ignore", UserWarning)
        found: Tensor = torch.gru(narrow, begin, weights, True, 1, 0.0, True, False, False)[0]
    return _cast(found, torch.float32, _GRADIENT_SCALE)


def tree_loss(x: Tensor, w: Tensor, b: Tensor, a: Tensor, target: Tensor) -> Tensor:
    """Return the loss of quantize.train.lpcnet.ops.tree_loss."""
    rows = x.reshape(-1, x.shape[-1])
    halves = torch.tanh(functional.linear(rows, w.reshape(-1, w.shape[-1]), b.reshape(-1)))
    logits = (halves.view(-1, CODES, 2) * a).sum(2)
    leaf = target.reshape(-1, 1).long() + CODES
    depth = torch.arange(8, 0, -1, device=leaf.device)
    bits = (leaf >> (depth - 1)) & 1
    wrong = functional.softplus((1 - 2 * bits) * logits.gather(1, leaf >> depth))
    return wrong.sum(1).mean()


def _rows(table: Tensor, codes: Tensor) -> Tensor:
    """Return the rows [.., n] of a table [codes, n] that codes [..] name."""
    found: Tensor = _Rows.apply(table, codes)  # type: ignore[no-untyped-call]
    return found


def _cast(x: Tensor, kind: torch.dtype, factor: float) -> Tensor:
    out: Tensor = _Cast.apply(x, kind, factor)  # type: ignore[no-untyped-call]
    return out


class _Cast(Function):
    """x in another type; its gradient comes back times a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kind: torch.dtype, factor: float) -> Tensor:
        ctx.kind, ctx.factor = x.dtype, factor
        return x.to(kind)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return (grad.float() * ctx.factor).to(ctx.kind), None, None


class _Rows(Function):
    """Rows of a table [codes, n] by code; a product sums the gradients of so few rows."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.count = len(table)
        return table[codes]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (codes,) = ctx.saved_tensors
        named = codes.reshape(-1, 1) == torch.arange(ctx.count, device=codes.device)
        rows = grad.reshape(-1, grad.shape[-1])
        return named.to(rows.dtype).t() @ rows, None


class _Gru(Function):
    """The recurrent half of a GRU; see gru."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, batch, units = gates.shape[0], gates.shape[1], weight.shape[1]
        states = gates.new_empty(steps + 1, batch, units)
        states[0] = 0
        saved = gates.new_empty(steps, batch, 4 * units, dtype=torch.float16)
        weight, bias = weight.detach().contiguous(), bias.detach().contiguous()
        _forward[(batch // ROWS,)](
            gates.contiguous(), weight, bias, states, saved, batch,
            STEPS=steps, UNITS=units, ROWS=ROWS, num_warps=_warps(units),
        )  # fmt: skip
        ctx.save_for_backward(states, saved, weight)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        states, saved, weight = ctx.saved_tensors
        steps, batch, units = saved.shape[0], saved.shape[1], weight.shape[1]
        # Gradients of the gates z, r, h with respect to the inputs, then of h to the state.
        found = grad.new_empty(steps, batch, 4 * units)
        _backward[(batch // ROWS,)](
            grad.contiguous(), weight, states, saved, found, batch,
            STEPS=steps, UNITS=units, ROWS=ROWS, num_warps=_warps(units),
        )  # fmt: skip
        rows = found.view(-1, 4 * units)
        before = states[:-1].view(-1, units)
        of_weight = torch.cat(
            [rows[:, : 2 * units].t() @ before, rows[:, 3 * units :].t() @ before]
        )
        sums = rows.sum(0)
        return found[..., : 3 * units], of_weight, torch.cat([sums[: 2 * units], sums[3 * units :]])


def _warps(units: int) -> int:
    return 8 if units >= 64 else 1


@triton.jit  # type: ignore[untyped-decorator]
def _forward(  # type: ignore[no-untyped-def]
    gates,
    weight,
    bias,
    states,
    saved,
    batch,
    STEPS: tl.constexpr,
    UNITS: tl.constexpr,
    ROWS: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    unit = tl.arange(0, UNITS)[None, :]
    across = unit * UNITS + tl.arange(0, UNITS)[:, None]  # [input, output]
    weight_z = tl.load(weight + across).to(tl.float16)
    weight_r = tl.load(weight + UNITS * UNITS + across).to(tl.float16)
    weight_h = tl.load(weight + 2 * UNITS * UNITS + across).to(tl.float16)
    bias_z = tl.load(bias + unit)
    bias_r = tl.load(bias + UNITS + unit)
    bias_h = tl.load(bias + 2 * UNITS + unit)
    gates += row * (3 * UNITS) + unit
    states += row * UNITS + unit
    saved += row * (4 * UNITS) + unit
    h = tl.zeros((ROWS, UNITS), tl.float32)
    # The next step's inputs are loaded a step ahead: memory answers while this step computes.
    in_z = tl.load(gates)
    in_r = tl.load(gates + UNITS)
    in_h = tl.load(gates + 2 * UNITS)
    for step in range(STEPS):
        more = step + 1 < STEPS
        gates += batch * (3 * UNITS)
        next_z = tl.load(gates, mask=more)
        next_r = tl.load(gates + UNITS, mask=more)
        next_h = tl.load(gates + 2 * UNITS, mask=more)
        narrow = h.to(tl.float16)
        z = tl.sigmoid(in_z + bias_z + tl.dot(narrow, weight_z))
        r = tl.sigmoid(in_r + bias_r + tl.dot(narrow, weight_r))
        own = bias_h + tl.dot(narrow, weight_h)
        n = 2 * tl.sigmoid(2 * (in_h + r * own)) - 1
        h = n + z * (h - n)
        states += batch * UNITS
        tl.store(states, h)
        tl.store(saved, z.to(tl.float16))
        tl.store(saved + UNITS, r.to(tl.float16))
        tl.store(saved + 2 * UNITS, n.to(tl.float16))
        tl.store(saved + 3 * UNITS, own.to(tl.float16))
        saved += batch * (4 * UNITS)
        in_z, in_r, in_h = next_z, next_r, next_h


@triton.jit  # type: ignore[untyped-decorator]
def _backward(  # type: ignore[no-untyped-def]
    grad,
    weight,
    states,
    saved,
    found,
    batch,
    STEPS: tl.constexpr,
    UNITS: tl.constexpr,
    ROWS: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    unit = tl.arange(0, UNITS)[None, :]
    across = tl.arange(0, UNITS)[:, None] * UNITS + unit  # [output, input]
    # Gradients are smaller than what 16-bit floats of the other kind can hold.
    weight_z = tl.load(weight + across).to(tl.bfloat16)
    weight_r = tl.load(weight + UNITS * UNITS + across).to(tl.bfloat16)
    weight_h = tl.load(weight + 2 * UNITS * UNITS + across).to(tl.bfloat16)
    last = tl.cast(batch, tl.int64) * (STEPS - 1)
    grad += last * UNITS + row * UNITS + unit
    states += last * UNITS + row * UNITS + unit
    saved += last * (4 * UNITS) + row * (4 * UNITS) + unit
    found += last * (4 * UNITS) + row * (4 * UNITS) + unit
    carried = tl.zeros((ROWS, UNITS), tl.float32)
    dh = tl.load(grad)
    before = tl.load(states)
    z = tl.load(saved)
    r = tl.load(saved + UNITS)
    n = tl.load(saved + 2 * UNITS)
    own = tl.load(saved + 3 * UNITS)
    for step in range(STEPS):
        more = step + 1 < STEPS
        grad -= batch * UNITS
        states -= batch * UNITS
        saved -= batch * (4 * UNITS)
        next_dh = tl.load(grad, mask=more)
        next_before = tl.load(states, mask=more)
        next_z = tl.load(saved, mask=more)
        next_r = tl.load(saved + UNITS, mask=more)
        next_n = tl.load(saved + 2 * UNITS, mask=more)
        next_own = tl.load(saved + 3 * UNITS, mask=more)
        z32, r32, n32 = z.to(tl.float32), r.to(tl.float32), n.to(tl.float32)
        total = dh + carried
        of_h = total * (1 - z32) * (1 - n32 * n32)
        of_z = total * (before - n32) * z32 * (1 - z32)
        of_r = of_h * own.to(tl.float32) * r32 * (1 - r32)
        of_own = of_h * r32
        tl.store(found, of_z)
        tl.store(found + UNITS, of_r)
        tl.store(found + 2 * UNITS, of_h)
        tl.store(found + 3 * UNITS, of_own)
        found -= batch * (4 * UNITS)
        carried = total * z32
        carried += tl.dot(of_z.to(tl.bfloat16), weight_z)
        carried += tl.dot(of_r.to(tl.bfloat16), weight_r)
        carried += tl.dot(of_own.to(tl.bfloat16), weight_h)
        dh, before, z, r, n, own = next_dh, next_before, next_z, next_r, next_n, next_own

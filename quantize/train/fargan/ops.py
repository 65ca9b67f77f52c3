# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN's steps as one torch function with gradients: many times faster than torch's own.

A step is twenty small operations, and each waits for the one before; torch spends most of its time
between them. Here C runs all steps of a batch, forward and backward. Torch computes what has no
order in time: conditioning, gains, and the gradients of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import linear, pad

from quantize.errors import InputError
from quantize.networks.fargan import HISTORY, PREDICTED, STEP, Fargan
from quantize.train.lpcnet.ops import pointer, product
from quantize.train.native import ffi, library

_SEEN, _NOW, _TAPS, _SHAPE = 176, PREDICTED + STEP, 16, 48  # as in native/fargan.c
_HEARD = 2 * STEP
# In the order of fargan_weights; the names of a GRU come three times, layer by layer.
_BEFORE = ("first", "first_gate", "first_gate_bias", "taps", "taps_bias")
_GRU = ("input", "input_bias", "recurrent", "recurrent_bias", "gate", "gate_bias")
_AFTER = ("skip", "skip_bias", "skip_gate", "skip_gate_bias", "out", "out_bias")


def can_speak(model: Fargan, batch: int) -> bool:
    """Return whether the C loops take a model of these sizes and a batch of this many rows."""
    sizes = model.sizes
    widths = (sizes.first, sizes.skip, *sizes.gru)
    on_cpu = model.out.weight.device.type == "cpu"
    return on_cpu and batch % 8 == 0 and all(width % 16 == 0 for width in widths)


def speak_steps(
    model: Fargan,
    conditioning: Tensor,
    period: Tensor,
    past: Tensor,
    noise: Tensor,
    known: Tensor,
) -> Tensor:
    """Return what model(conditioning, period, model.begin(past), noise, known) speaks.

    Raises InputError where `can_speak` returns False.
    """
    if not can_speak(model, len(past)):
        raise InputError(f"{len(past)} rows: the C loops want a multiple of 8, on a CPU")
    sizes = model.sizes
    side = model.round(torch.cat([conditioning, noise], 2)).transpose(0, 1)
    with_last = torch.cat([torch.cat([torch.zeros_like(side[:1]), side[:-1]]), side], 2)
    weight, last, now = model.first.weight, 0, sizes.step_inputs
    width, end = sizes.conditioning, sizes.step_inputs - sizes.noise
    sides = [weight[:, at + a : at + b] for at in (last, now) for a, b in ((0, width), (end, now))]
    pre = linear(with_last, torch.cat(sides, 1), model.first.bias)
    gains = torch.exp(model.gain(conditioning))[..., 0].t()
    looks = [weight[:, at + width : at + end] for at in (last, now)]
    first = pad(torch.cat(looks, 1), (0, _SEEN - 2 * _NOW))
    weights: list[Tensor] = [first, model.first_gate.weight, model.first_gate.bias]
    weights += [pad(model.taps.weight, (0, 0, 0, _TAPS - 4)), pad(model.taps.bias, (0, _TAPS - 4))]
    for cell, gate in zip(model.gru, model.gate, strict=True):
        parts = (f"{kind}_{half}" for half in ("ih", "hh") for kind in ("weight", "bias"))
        weights += [cell.get_parameter(name) for name in parts]
        weights += [gate.get_parameter("weight"), gate.get_parameter("bias")]
    weights += [model.skip.weight, model.skip.bias, model.skip_gate.weight, model.skip_gate.bias]
    more = _SHAPE - STEP
    weights += [pad(model.out.weight, (0, 0, 0, more)), pad(model.out.bias, (0, more))]
    out: Tensor = _Steps.apply(  # type: ignore[no-untyped-call]
        pre, gains, period.t(), past, known, model.rounded, *weights
    )
    return out


class _Steps(Function):
    """See speak_steps."""

    @staticmethod
    def forward(
        ctx: Any,
        pre: Tensor,
        gains: Tensor,
        period: Tensor,
        past: Tensor,
        known: Tensor,
        rounded: bool,
        *weights: Tensor,
    ) -> Tensor:
        steps, batch, first = pre.shape
        kept = [w.detach().contiguous() for w in weights]
        units = [kept[5 + 6 * k + 4].shape[0] for k in range(3)]
        given, skip = known.shape[1] // STEP, kept[-6].shape[0]
        sizes = ffi.new("fargan_sizes *", [batch, steps, given, first, units, skip, int(rounded)])
        rows = steps * batch
        inputs = (first, units[0], units[1])
        shapes = {"seen": _SEEN, "x": first, "x_gate": first, "a": first, "taps": _TAPS}
        values: dict[str, Any] = {name: torch.empty(rows, n) for name, n in shapes.items()}
        values["in"] = [torch.empty(rows, n + _HEARD) for n in inputs]
        values["h"] = [torch.empty(rows + batch, u) for u in units]
        values["heard"] = [torch.empty(rows + batch, u) for u in units]
        for state in (*values["h"], *values["heard"]):
            state[:batch] = 0
        values["rzn"] = [torch.empty(rows, 4 * u) for u in units]
        values["gate"] = [torch.empty(rows, u) for u in units]
        values["skip_in"] = torch.empty(rows, sum(units) + first + _HEARD)
        values |= {name: torch.empty(rows, skip) for name in ("s", "s_gate", "z")}
        values["y"] = torch.empty(rows, _SHAPE)
        signal = torch.zeros(batch, HISTORY + STEP * steps)
        signal[:, HISTORY - past.shape[1] : HISTORY] = past
        values["signal"] = signal
        gains, period = gains.detach().contiguous(), period.to(torch.int32).contiguous()
        pre, known = pre.detach().contiguous(), known.contiguous()
        _checked(
            library().fargan_forward(
                sizes,
                _weights(kept),
                pointer(pre),
                pointer(gains),
                pointer(period, "int32_t *"),
                pointer(known),
                _struct("fargan_values *", values),
            )
        )
        ctx.kept = sizes, kept, gains, period, values
        spoken = values["y"].view(steps, batch, _SHAPE)[:, :, :STEP] * gains[..., None]
        said: Tensor = spoken.transpose(0, 1).reshape(batch, STEP * steps)
        return said

    @staticmethod
    def backward(ctx: Any, dspoken: Tensor) -> Any:
        sizes, weights, gains, period, values = ctx.kept
        steps, batch = gains.shape
        rows, first, skip = steps * batch, sizes.first, sizes.skip
        units = list(sizes.units)
        shapes = {"first": first, "first_gate": first, "taps": _TAPS}
        shapes |= {"skip": skip, "skip_gate": skip, "out": _SHAPE}
        slopes: dict[str, Any] = {name: torch.empty(rows, n) for name, n in shapes.items()}
        for name, times in (("input", 3), ("recurrent", 3), ("gate", 1)):
            slopes[name] = [torch.empty(rows, times * u) for u in units]
        slopes["gains"] = torch.empty(steps, batch)
        dspoken = dspoken.contiguous()
        _checked(
            library().fargan_backward(
                sizes,
                _weights(weights),
                pointer(gains),
                pointer(period, "int32_t *"),
                pointer(dspoken),
                _struct("fargan_values *", values),
                _struct("fargan_slopes *", slopes),
            )
        )
        heard = values["heard"]
        grads: list[Tensor] = [product(slopes["first"], values["seen"])[0]]
        grads += product(slopes["first_gate"], values["x"])
        grads += product(slopes["taps"], values["a"])
        for k in range(3):
            grads += product(slopes["input"][k], values["in"][k])
            grads += product(slopes["recurrent"][k], heard[k][:-batch])
            grads += product(slopes["gate"][k], heard[k][batch:])
        grads += product(slopes["skip"], values["skip_in"])
        grads += product(slopes["skip_gate"], values["s"])
        grads += product(slopes["out"], values["z"])
        dpre = slopes["first"].view(steps, batch, first)
        return dpre, slopes["gains"], None, None, None, None, *grads


def _weights(tensors: Sequence[Tensor]) -> Any:
    """Return fargan_weights that points to tensors in the order of speak_steps."""
    before, after = len(_BEFORE), len(tensors) - len(_AFTER)
    fields: dict[str, Any] = dict(zip(_BEFORE, tensors[:before], strict=True))
    middle = tensors[before:after]
    fields |= {name: list(middle[i :: len(_GRU)]) for i, name in enumerate(_GRU)}
    fields |= dict(zip(_AFTER, tensors[after:], strict=True))
    return _struct("fargan_weights *", fields)


def _struct(kind: str, fields: dict[str, Any]) -> Any:
    """Return a C struct of pointers to tensors, or to lists of three."""
    made = ffi.new(kind)
    for name, value in fields.items():
        if isinstance(value, list):
            for k, tensor in enumerate(value):
                getattr(made, name)[k] = pointer(tensor)
        else:
            setattr(made, name, pointer(value))
    return made


def _checked(status: int) -> None:
    if status:
        raise InputError("not enough memory for FARGAN's steps: use a smaller --batch")

# SPDX-License-Identifier: BSD-3-Clause
"""The cost of each layer, from the times in the traces of an image that was built to measure.

firmware/server/profile/trace.c describes such a trace. A step that runs only some layers, such as
a receiver's op, leaves zeros in the places of the others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.common.errors import InputError
from toolkit.device.stream import Streamed
from toolkit.stages.stage import Stage
from toolkit.targets.target import Target

Floats = npt.NDArray[np.float64]

_STAMP = 2  # int16 values that a time occupies


@dataclass(frozen=True)
class Spans:
    """The costs of layers in a run.

    `costs` [steps, layers + 1] has each layer's and, last, the rest's. `stamp` is the cost of
    storing one time. `orders` lists the layers of each step in the order in which they ran.
    """

    costs: Floats
    stamp: float
    orders: list[list[int]]


def layer_spans(target: Target, stage: Stage, plain: Streamed, stamped: Streamed) -> Spans:
    """Return the cost of each layer.

    `plain` is the run with the true costs; the cost of storing times in `stamped` is subtracted.
    Work between two layers that belongs to no network counts to the layer before it, or to the rest
    if there is none. Raises InputError if a layer of the stage has no room for a time.
    """
    sizes = np.array([size for _, size in stage.layers])
    if sizes.min() < _STAMP:
        raise InputError(f"stage {stage.name}: a layer of one value has no room for a time")
    ends, starts = _times(sizes, stamped.traces)
    ticks = np.array(stamped.ticks, np.int64)
    extra = ticks - np.array(plain.ticks)
    # `clearing` is the cost of clearing a trace, seen in steps without layers; `stamp` is the cost
    # of storing a layer's time.
    stamps = (ends > 0).sum(axis=1)
    clearing = float(extra[stamps == 0].mean()) if np.any(stamps == 0) else 0.0
    stamp = float((extra - clearing).sum()) / max(int(stamps.sum()), 1)
    spans = np.zeros((len(ticks), len(sizes) + 1))
    orders: list[list[int]] = []
    for step, span in enumerate(spans):
        now, last = 0, len(sizes)
        ran = np.flatnonzero(ends[step])
        orders.append(ran[np.argsort(ends[step, ran], kind="stable")].tolist())
        for layer in orders[-1]:
            if starts[step, layer] > 0:
                span[last] += starts[step, layer] - now
                now = int(starts[step, layer])
            span[layer] += ends[step, layer] - now - stamp
            now, last = int(ends[step, layer]), layer
        span[-1] += ticks[step] - now - clearing
    unit = target.count(1 << 20) / (1 << 20)
    return Spans(spans * unit, stamp * unit, orders)


def _times(
    sizes: npt.NDArray[np.int64], traces: list[bytes]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return ticks [steps, layers] to each layer's end, and to its start if it begins a network."""
    rows = np.array([np.frombuffer(trace, np.uint8) for trace in traces])
    places = 2 * (np.cumsum(sizes) - sizes)
    ends = np.stack([_word(rows, at) for at in places], axis=1)
    starts = [
        _word(rows, at + 2 * _STAMP) if size >= 2 * _STAMP else np.zeros(len(rows), np.int64)
        for at, size in zip(places, sizes, strict=True)
    ]
    return ends, np.stack(starts, axis=1)


def _word(rows: npt.NDArray[np.uint8], at: int) -> npt.NDArray[np.int64]:
    return rows[:, at : at + 4].copy().view("<u4")[:, 0].astype(np.int64)

# SPDX-License-Identifier: BSD-3-Clause
"""From the times that an image built to measure leaves in its traces to the cost of each layer.

firmware/server/profile/trace.c says what is in a trace. A step that runs only some of the layers, as a
receiver's ops do, leaves zeros in the places of the others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toolkit.common.errors import InputError
from toolkit.device.stream import Streamed
from toolkit.stages.stage import Stage
from toolkit.targets.target import Target

Floats = npt.NDArray[np.float64]

_STAMP = 2  # int16 that a time takes


@dataclass(frozen=True)
class Spans:
    """Cost [steps, layers + 1] of each layer and, last, of the rest; the cost of a time; and the
    layers of each step as they ran."""

    costs: Floats
    stamp: float
    orders: list[list[int]]


def layer_spans(target: Target, stage: Stage, plain: Streamed, stamped: Streamed) -> Spans:
    """The cost of each layer.

    `plain` is the run whose costs are true; what the times themselves cost in `stamped` is taken
    out again. What lies between two layers and belongs to no network counts to the layer before,
    or to the rest where none is before. InputError for a stage with a layer without room for a
    time.
    """
    sizes = np.array([size for _, size in stage.layers])
    if sizes.min() < _STAMP:
        raise InputError(f"stage {stage.name}: a layer of one value has no room for a time")
    ends, starts = _times(sizes, stamped.traces)
    ticks = np.array(stamped.ticks, np.int64)
    extra = ticks - np.array(plain.ticks)
    # What a trace costs a step without layers, to be cleared, and what each layer's time costs.
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
    """Ticks to each layer's end and, where a network starts, to its start; [steps, layers]."""
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

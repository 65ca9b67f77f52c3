# SPDX-License-Identifier: BSD-3-Clause
"""Compare two runs bit for bit: where they first differ, by layer, step and element."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int16s = npt.NDArray[np.int16]
_NOTHING = np.zeros((0, 0), np.int16)


@dataclass(frozen=True)
class Mismatch:
    """The first difference: `who` has `got` where integer.py has `want`; None means no value."""

    who: str
    layer: str
    step: int
    element: int
    got: int | None
    want: int | None

    def __str__(self) -> str:
        got, want = ("nothing" if v is None else v for v in (self.got, self.want))
        return (
            f"{self.who}: layer {self.layer}, step {self.step}, element {self.element}: "
            f"got {got}, want {want}"
        )


@dataclass(frozen=True)
class Comparison:
    """How many values were compared, how many differ, and the first that does."""

    values: int
    mismatches: int
    first: Mismatch | None


def compare(
    who: str, layers: Sequence[str], got: dict[str, Int16s], want: dict[str, Int16s]
) -> Comparison:
    """Compare runs given as [steps, size] per layer; `layers` is in the order of computation.

    The first mismatch is in the earliest step, and there in the earliest layer: later ones may only
    follow from it. A missing or surplus step or element counts as a mismatch.
    """
    values = mismatches = 0
    first: tuple[int, int, Mismatch] | None = None
    for order, name in enumerate(layers):
        a, b = _table(got.get(name, _NOTHING)), _table(want[name])
        there = np.zeros(np.maximum(a.shape, b.shape), np.bool_)  # in one run at least
        there[: a.shape[0], : a.shape[1]] = True
        there[: b.shape[0], : b.shape[1]] = True
        values += int(there.sum())
        steps, size = np.minimum(a.shape, b.shape)
        differs = there  # a value that only one run has differs
        differs[:steps, :size] = a[:steps, :size] != b[:steps, :size]
        count = int(differs.sum())
        if count:
            step, element = (int(i) for i in np.argwhere(differs)[0])
            found = Mismatch(who, name, step, element, _at(a, step, element), _at(b, step, element))
            mismatches += count
            if first is None or (step, order) < first[:2]:
                first = (step, order, found)
    return Comparison(values, mismatches, None if first is None else first[2])


def split_trace(traces: Sequence[bytes], layers: Sequence[tuple[str, int]]) -> dict[str, Int16s]:
    """Split layer traces (one bytes object a step: each layer's int16 values in turn) by layer.

    `layers` gives (name, size) in order. Returns [steps, size] for each layer.
    """
    table = np.array([np.frombuffer(trace, "<i2") for trace in traces])
    table = table.reshape(len(traces), sum(size for _, size in layers))
    result = {}
    at = 0
    for name, size in layers:
        result[name] = table[:, at : at + size]
        at += size
    return result


def _table(values: Int16s) -> Int16s:
    """Reshape to [steps, size]; an empty run becomes [0, 0]."""
    return values if values.ndim == 2 else values.reshape(len(values), 1 if len(values) else 0)


def _at(table: Int16s, step: int, element: int) -> int | None:
    inside = step < table.shape[0] and element < table.shape[1]
    return int(table[step, element]) if inside else None

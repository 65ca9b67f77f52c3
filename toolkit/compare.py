# SPDX-License-Identifier: BSD-3-Clause
"""Bit for bit: where two runs first differ, by layer, step and element."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int16s = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Mismatch:
    """The first difference: `who` got `got` where integer.py wants `want`."""

    who: str
    layer: str
    step: int
    element: int
    got: int
    want: int

    def __str__(self) -> str:
        return (
            f"{self.who}: layer {self.layer}, step {self.step}, element {self.element}: "
            f"got {self.got}, want {self.want}"
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
    """Compare runs given as [steps, size] per layer, `layers` in the order of computation.

    The first mismatch is the earliest step's, and within it the earliest layer's: what comes later
    only follows from it. A missing or surplus step or element counts as a mismatch.
    """
    values = mismatches = 0
    first: tuple[int, int, Mismatch] | None = None
    for order, name in enumerate(layers):
        a, b = np.asarray(got[name]), np.asarray(want[name])
        if a.shape != b.shape:
            step = min(len(a), len(b))
            lacking = Mismatch(who, name, step, 0, len(a), len(b))
            mismatches += abs(a.size - b.size) or 1
            first = _earlier(first, (step, order, lacking))
            a, b = a[:step], b[:step]
            if a.shape != b.shape:
                continue
        values += b.size
        differs = a != b
        count = int(differs.sum())
        if count:
            step, element = (int(i) for i in np.argwhere(differs)[0])
            found = Mismatch(who, name, step, element, int(a[step, element]), int(b[step, element]))
            mismatches += count
            first = _earlier(first, (step, order, found))
    return Comparison(values, mismatches, None if first is None else first[2])


def split_trace(traces: Sequence[bytes], layers: Sequence[tuple[str, int]]) -> dict[str, Int16s]:
    """Cut layer traces (one bytes a step: each layer's int16 values in turn) into layers.

    `layers` gives (name, size) in order; the result is [steps, size] per layer.
    """
    table = np.array([np.frombuffer(trace, "<i2") for trace in traces])
    table = table.reshape(len(traces), sum(size for _, size in layers))
    result = {}
    at = 0
    for name, size in layers:
        result[name] = table[:, at : at + size]
        at += size
    return result


def _earlier(
    old: tuple[int, int, Mismatch] | None, new: tuple[int, int, Mismatch]
) -> tuple[int, int, Mismatch]:
    return new if old is None or new[:2] < old[:2] else old

# SPDX-License-Identifier: BSD-3-Clause
"""Does every frame fit the core? Counts from the board's own timer against the clock's limit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from toolkit.errors import InputError
from toolkit.targets import Target

STEP_SECONDS = 0.020  # an encoder step covers 20 ms of speech


@dataclass(frozen=True)
class Budget:
    """Cost of each step in `unit`s, and the `limit` that a clock of `clock_hz` sets for one.

    `estimated` is true where the unit is not the one the limit is made of: QEMU counts
    instructions, and the verdict then takes one cycle for each.
    """

    unit: str
    per_frame: list[int]
    limit: int
    estimated: bool
    clock_hz: int

    @property
    def max(self) -> int:
        return max(self.per_frame)

    @property
    def p99(self) -> int:
        """The smallest cost that at least 99 % of the steps keep to."""
        return int(np.percentile(self.per_frame, 99, method="inverted_cdf"))

    @property
    def mean(self) -> float:
        return float(np.mean(self.per_frame))

    @property
    def used_percent(self) -> float:
        """Share of the limit that the dearest step takes."""
        return 100.0 * self.max / self.limit

    @property
    def holds(self) -> bool:
        """Whether every single step kept to the limit."""
        return self.max <= self.limit

    def as_json(self) -> dict[str, Any]:
        """The budget as a JSON object, the derived figures included."""
        return {
            **asdict(self),
            "max": self.max,
            "p99": self.p99,
            "mean": round(self.mean, 1),
            "used_percent": round(self.used_percent, 2),
            "holds": self.holds,
        }


def budget_of(target: Target, ticks: list[int], clock_hz: int | None = None) -> Budget:
    """Judge the ticks of each step by a clock, that of the target unless another is given.

    Raises InputError without a single step, for nothing would be over the limit then, and as
    `clock_of` does.
    """
    if not ticks:
        raise InputError("no step was run, so there is no cost to judge: give longer audio")
    unit = target.unit
    clock = clock_of(target, clock_hz)
    return Budget(
        unit=unit,
        per_frame=[target.count(t) for t in ticks],
        limit=round(clock * STEP_SECONDS),
        estimated=unit == "instructions",
        clock_hz=clock,
    )


def clock_of(target: Target, asked: int | None) -> int:
    """The clock to judge by: the target's own unless another is asked for.

    Raises InputError for another clock where time itself is measured.
    """
    if asked is None:
        return target.clock_hz
    if target.unit == "nanoseconds":
        raise InputError(f"--clock: {target.name} measures time itself, whatever its clock is")
    return asked


def by_kind(budget: Budget, kinds: Sequence[str]) -> dict[str, Budget]:
    """Part a budget by what each step was asked for, in order of first appearance."""
    return {
        kind: replace(
            budget,
            per_frame=[c for c, k in zip(budget.per_frame, kinds, strict=True) if k == kind],
        )
        for kind in dict.fromkeys(kinds)
    }

# SPDX-License-Identifier: BSD-3-Clause
"""Does every frame fit the core? Compare costs with the limit that its clock sets.

The source of a cost says what it is and how far it can be trusted. A silicon board counts its own
cycles. An emulated board counts instructions; each stands for one cycle, or a model of the core
gives the cycles (toolkit/measure/cycles). The budget always names its source.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.common.errors import InputError
from toolkit.measure.cycles.estimate import Estimate
from toolkit.targets.parts import CLOCK_HZ_MAX, CLOCK_HZ_MIN
from toolkit.targets.target import Target

STEP_SECONDS = 0.020  # an encoder step covers 20 ms of speech
MEASURED = "the board's own timer"
ONE_EACH = "one cycle an instruction"
# The model of costs that are not judged.
EMULATED_TIME = "time of an emulator, which says nothing about a core"
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Clock:
    """The clock that costs are judged by: its rate, and whose clock it is."""

    hz: int
    source: str


@dataclass(frozen=True)
class Budget:
    """Cost of each step in `unit`s, and the `limit` that a clock of `clock_hz` sets for one step.

    `clock_source` says whose clock it is. `model` is the source of the costs; if `estimated`, it
    does not measure time, and `errors` lists its known errors. `instructions` has the instructions
    of each step if cycles were estimated from them. The first step follows a cold start and counts
    like any other. Costs that are an emulator's time are not `judged`.
    """

    unit: str
    per_frame: list[int]
    limit: int
    estimated: bool
    clock_hz: int
    model: str = MEASURED
    errors: tuple[str, ...] = ()
    instructions: list[int] | None = None
    clock_source: str = ""

    @property
    def max(self) -> int:
        return max(self.per_frame)

    @property
    def p99(self) -> int:
        """The smallest cost that at least 99 % of the steps do not exceed."""
        return int(np.percentile(self.per_frame, 99, method="inverted_cdf"))

    @property
    def mean(self) -> float:
        return float(np.mean(self.per_frame))

    @property
    def first(self) -> int:
        """The cost of the first step, after a cold start."""
        return self.per_frame[0]

    @property
    def max_warm(self) -> int | None:
        """The cost of the most expensive other step; None if there is no other."""
        return max(self.per_frame[1:], default=None)

    @property
    def used_percent(self) -> float:
        """Share of the limit that the most expensive step takes."""
        return 100.0 * self.max / self.limit

    @property
    def judged(self) -> bool:
        """Whether the costs say anything about a core."""
        return self.model != EMULATED_TIME

    @property
    def holds(self) -> bool:
        """Whether every step is within the limit, as far as it is judged."""
        return not self.judged or self.max <= self.limit

    def as_json(self) -> dict[str, Any]:
        """Return the budget as a JSON object, derived figures included."""
        return {
            **asdict(self),
            "errors": list(self.errors),
            "max": self.max,
            "p99": self.p99,
            "mean": round(self.mean, 1),
            "first": self.first,
            "max_warm": self.max_warm,
            "used_percent": round(self.used_percent, 2),
            "judged": self.judged,
            "holds": self.holds,
        }


def budget_of(
    target: Target,
    ticks: list[int],
    clock: Clock | int | None = None,
    estimate: Estimate | None = None,
) -> Budget:
    """Judge the ticks of each step by a clock, the target's own unless another is given.

    With an `estimate` of the same steps, judge its cycles; the ticks then give the instructions.
    Raises InputError without a step, because then nothing would exceed the limit. Raises as
    `clock_of` does for a rate in Hz.
    """
    if not ticks:
        raise InputError("no step was run, so there is no cost to judge: give longer audio")
    unit = target.unit
    if clock is None:
        clock = own_clock(target)
    elif isinstance(clock, int):
        clock = clock_of(target, clock)
    counted = unit == "instructions"
    source = MEASURED if target.runner is None else EMULATED_TIME
    budget = Budget(
        unit=unit,
        per_frame=[target.count(t) for t in ticks],
        limit=round(clock.hz * STEP_SECONDS),
        estimated=counted,
        clock_hz=clock.hz,
        clock_source=clock.source,
        model=ONE_EACH if counted else source,
    )
    if estimate is None:
        return budget
    return replace(
        budget,
        unit="cycles",
        per_frame=estimate.cycles,
        estimated=True,
        model=estimate.model,
        errors=estimate.errors,
        instructions=budget.per_frame if counted else estimate.instructions,
    )


def upper(costs: Sequence[float] | npt.NDArray[np.float64], percent: float) -> float:
    """Return the smallest cost that at least so many percent of the costs do not exceed."""
    place = math.ceil(round(percent * len(costs) / 100, 6))  # 99.9 % of 1000 are 999
    return float(np.sort(costs)[place - 1])


def own_clock(target: Target) -> Clock:
    """Return the clock of the board itself; one that measures time has nanoseconds for a clock."""
    if target.unit == "nanoseconds" and target.clock_hz != NANOSECONDS:
        return Clock(NANOSECONDS, "nanoseconds of the thread's CPU time")
    return Clock(target.clock_hz, target.clock_source)


def clock_of(target: Target, asked: int | None, estimated: bool = False) -> Clock:
    """Return the clock to judge a verification by, with `estimated` for estimated cycles.

    This is the rate `asked` for in Hz. Without it, it is the clock of the target's product if the
    board is emulated and has one, else the board's own. Raises InputError for a rate out of range,
    and for any rate if the board measures time itself.
    """
    if estimated and target.runner is not None:
        target = target.counting_cycles()
    if asked is None:
        product = target.product
        if target.emulator is None or product is None:
            return own_clock(target)
        return Clock(product.clock_hz, product.source)
    if target.unit == "nanoseconds":
        raise InputError(f"--clock: {target.name} measures time itself, whatever its clock is")
    if not CLOCK_HZ_MIN <= asked <= CLOCK_HZ_MAX:
        raise InputError(f"--clock {asked}: want {CLOCK_HZ_MIN} to {CLOCK_HZ_MAX} Hz")
    return Clock(asked, "asked for by --clock")


def by_kind(budget: Budget, kinds: Sequence[str]) -> dict[str, Budget]:
    """Split a budget by the kind of each step, in order of first appearance."""

    def of(kind: str, costs: Sequence[int]) -> list[int]:
        return [cost for cost, own in zip(costs, kinds, strict=True) if own == kind]

    counts = budget.instructions
    return {
        kind: replace(
            budget,
            per_frame=of(kind, budget.per_frame),
            instructions=None if counts is None else of(kind, counts),
        )
        for kind in dict.fromkeys(kinds)
    }

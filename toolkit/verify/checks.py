# SPDX-License-Identifier: BSD-3-Clause
"""The checks that make a verdict, each with its reason in words, from the facts of verify.json.

Terminal, page and JUnit all show these checks, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from toolkit.measure.budget import Budget

COMPARISON, BUDGET, MEMORY, SENDER = "comparison", "budget", "memory", "sender"
REFERENCE = "integer.py"


@dataclass(frozen=True)
class Check:
    """One question: its kind, its name, the answer, and the figures behind the answer.

    A question that is not `judged` has the answer yes, and says in its text why it was left out.
    """

    kind: str
    name: str
    ok: bool
    text: str
    judged: bool = True


def checks(facts: Mapping[str, Any]) -> list[Check]:
    """Return every check of a verification, in the order sender, comparison, budget, memory."""
    return [
        *_sender(facts.get("sender")),
        *_comparisons(facts["comparisons"]),
        budget_check(budget_in(facts), noun(facts)),
        *memory_checks(facts["memory"]),
    ]


def noun(facts: Mapping[str, Any]) -> str:
    """Return what a step is called: a receiver's steps are ops of different kinds."""
    return "op" if facts.get("ops") else "frame"


def budget_in(facts: Mapping[str, Any]) -> Budget:
    """Return the budget that the facts hold."""
    told = facts["budget"]
    keys = [field.name for field in fields(Budget) if field.name != "errors"]
    return Budget(errors=tuple(told["errors"]), **{key: told[key] for key in keys})


def mismatch_text(first: Mapping[str, Any]) -> str:
    """Name a mismatch; `got` or `want` is None where one run lacks the value."""
    got, want = ("nothing" if first[key] is None else first[key] for key in ("got", "want"))
    where = f"layer {first['layer']}, step {first['step']}, element {first['element']}"
    return f"{where}: got {got}, want {want}"


def _sender(told: Mapping[str, Any] | None) -> list[Check]:
    """Return the check of the firmware that made the payloads, if there was one."""
    return [] if told is None else [Check(SENDER, "sender", told["ok"], told["verdict"])]


def _comparisons(comparisons: Mapping[str, Any]) -> list[Check]:
    if not comparisons:
        return [Check(COMPARISON, f"{REFERENCE} = ?", False, "nothing was compared")]
    found = []
    for who, comparison in comparisons.items():
        values, wrong, first = (comparison[key] for key in ("values", "mismatches", "first"))
        ok = wrong == 0 and values > 0
        if ok:
            text = f"all {values:,} values equal"
        elif wrong:
            text = f"{wrong:,} of {values:,} values differ"
            text += f"; first: {mismatch_text(first)}" if first else ""
        else:
            text = "no value was compared"
        found.append(Check(COMPARISON, f"{REFERENCE} = {who}", ok, text))
    return found


def budget_check(budget: Budget, step: str) -> Check:
    """Return whether every step is within the budget; `step` is what a step is called."""
    costs, limit, unit = budget.per_frame, budget.limit, budget.unit
    name = f"every {step} within {limit:,} {unit}"
    if not costs:
        return Check(BUDGET, name, False, f"no {step} was measured")
    if not budget.judged:
        return Check(
            BUDGET,
            "speed",
            True,
            f"not judged: {budget.model}; --cycles estimates cycles",
            judged=False,
        )
    used = f"{budget.max:,} of {limit:,} {unit} ({budget.used_percent:.1f} %), {budget.model}"
    if budget.clock_source:
        used += f", at {budget.clock_hz / 1e6:g} MHz ({budget.clock_source})"
    if budget.holds:
        return Check(BUDGET, name, True, f"the most expensive of {len(costs):,} takes {used}")
    over = sum(cost > limit for cost in costs)
    text = f"{over:,} of {len(costs):,} exceed it; the most expensive, {step} "
    return Check(BUDGET, name, False, f"{text}{costs.index(budget.max)}, takes {used}")


def memory_checks(memory: Mapping[str, Any]) -> list[Check]:
    """Return whether flash, RAM and stack suffice, as far as they are known."""
    found = []
    for key, name in (("flash", "flash"), ("ram", "RAM")):
        used, limit = memory[key], memory[f"{key}_limit"]
        if used is not None and limit is not None:
            text = f"{used:,} of {limit:,} bytes ({100 * used / limit:.1f} %)"
            found.append(Check(MEMORY, f"{name} fits", used <= limit, text))
    worst, reserved, peak = memory["stack_worst"], memory["stack"], memory["stack_used"]
    if worst is not None and reserved is not None:
        text = f"at worst {worst:,} of {reserved:,} bytes by the call graph"
        text += f", {peak:,} seen on the board" if peak else ""
        # If the board used more than the bound, the bound is wrong, and so is the reserve.
        ok = worst <= reserved and (peak or 0) <= worst
        found.append(Check(MEMORY, "stack fits", ok, text))
    return found

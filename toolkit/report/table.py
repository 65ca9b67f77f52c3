# SPDX-License-Identifier: BSD-3-Clause
"""A verification in the terminal: the verdict, and one line a check."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from toolkit.report.page import verdict
from toolkit.verify.checks import Check, budget_in, checks, noun


def table(facts: Mapping[str, Any]) -> Group:
    """Return what to print for the facts of verify.json or of `Verification.as_json()`."""
    found = checks(facts)
    ok = all(check.ok for check in found)
    budget = budget_in(facts)
    figures = (
        f"{facts['frames']:,} {noun(facts)}s of {facts['audio']}, model {facts['model_hash'][:12]}"
    )
    figures += f", {facts['scheme']}"
    if budget.per_frame:
        figures += f"\nper {noun(facts)}: max {budget.max:,}, p99 {budget.p99:,}, "
        figures += f"mean {budget.mean:,.0f} {budget.unit}"
        figures += f"; first after a cold start {budget.first:,}"
    if budget.errors:
        told = facts["cycles"]
        figures += f"\nestimated at {told['per_instruction']:.2f} cycles an instruction by "
        figures += f"{budget.model}; it assumes: {'; '.join(budget.errors)}"
        figures += f"\na cycle more for each jump would add {told['jumps_percent']:.1f} %"
    elif budget.estimated:
        figures += "\nan instruction count, judged at one cycle per instruction"
    own = facts.get("board", {}).get("clock_hz", budget.clock_hz)
    if own != budget.clock_hz and budget.unit != "nanoseconds":
        share = budget.used_percent * budget.clock_hz / own
        figures += (
            f"\njudged at {budget.clock_hz / 1e6:g} MHz; at the board's own {own / 1e6:g} MHz "
            f"the most expensive takes {share:.0f} %"
        )
    head = Text(f"{facts['target']}: {verdict(found)}", "bold green" if ok else "bold red")
    return Group(head, check_table(found), Text(figures, "dim"))


def check_table(found: Sequence[Check]) -> Table:
    """Return the checks to print, a row each."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "check", "result"):
        rows.add_column(heading, overflow="fold")
    for check in found:
        style = "green" if check.ok else "red"
        mark = Text(("✓" if check.judged else "-") if check.ok else "✗", style)
        rows.add_row(mark, Text(check.name), Text(check.text, "" if check.ok else "red"))
    return rows

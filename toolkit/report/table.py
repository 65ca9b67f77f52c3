# SPDX-License-Identifier: BSD-3-Clause
"""A verification in the terminal: the verdict, and one line a check."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from toolkit.report.checks import budget_in, checks
from toolkit.report.page import verdict


def table(facts: Mapping[str, Any]) -> Group:
    """What to print for the facts of verify.json (`Verification.as_json()` will do)."""
    found = checks(facts)
    ok = all(check.ok for check in found)
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "check", "result"):
        rows.add_column(heading, overflow="fold")
    for check in found:
        style = "green" if check.ok else "red"
        mark = Text("✓" if check.ok else "✗", style)
        rows.add_row(mark, Text(check.name), Text(check.text, "" if check.ok else "red"))
    budget = budget_in(facts)
    figures = f"{facts['frames']:,} frames of {facts['audio']}, model {facts['model_hash'][:12]}"
    figures += f", {facts['scheme']}"
    if budget.per_frame:
        figures += f"\nper frame: max {budget.max:,}, p99 {budget.p99:,}, "
        figures += f"mean {budget.mean:,.0f} {budget.unit}"
    if budget.estimated:
        figures += "; an instruction count, judged at one cycle per instruction"
    head = Text(f"{facts['target']}: {verdict(found)}", "bold green" if ok else "bold red")
    return Group(head, rows, Text(figures, "dim"))

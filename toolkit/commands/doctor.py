# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit doctor`: a table of tools, and the commands that install missing ones."""

import platform
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from toolkit.commands.shared.outcome import Telling
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.doctor import Finding, examine, fixes, read_tools
from toolkit.common.errors import ToolError

_COLOURS = {"ok": "green", "missing": "red", "old": "yellow"}


@click.command(cls=Telling)
@json_option
def command(json_to: str | None) -> None:
    """Show each tool, its version, and the command that installs a missing one.

    Exit code 0 if every tool that dredkit needs is here, 2 if not. Tools that only the tests or one
    optional command need are shown, and do not count.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        findings = list(pool.map(examine, read_tools()))
    todo = fixes(findings)
    err.print(_table(findings))
    for finding in findings:
        if finding.fix and not finding.needed:
            err.print(f"optional: {finding.fix}", style="dim", markup=False, soft_wrap=True)
    emit_json(
        json_to,
        {
            "ok": not todo,
            "python": platform.python_version(),
            "tools": [_as_json(finding) for finding in findings],
            "fix": todo,
        },
    )
    if todo:
        raise ToolError(f"something is missing or too old; this fixes it: {' && '.join(todo)}")


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("tool", "version", "at least", "state", "for"):
        table.add_column(heading, no_wrap=heading != "for")
    table.add_row("python", platform.python_version(), "3.10", Text("ok", "green"), "everything")
    for finding in findings:
        tool = finding.tool
        at_least = "" if tool.minimum == "-" else tool.minimum
        table.add_row(tool.name, finding.version or "", at_least, _state(finding), tool.purpose)
    return table


def _state(finding: Finding) -> Text:
    if finding.status == "ok" or finding.needed:
        return Text(finding.status, _COLOURS[finding.status])
    return Text(f"({finding.status})", "dim")


def _as_json(finding: Finding) -> dict[str, Any]:
    tool = finding.tool
    return {
        "name": tool.name,
        "kind": tool.kind,
        "version": finding.version,
        "minimum": None if tool.minimum == "-" else tool.minimum,
        "needed_for": tool.purpose,
        "status": finding.status,
        "fix": finding.fix,
    }

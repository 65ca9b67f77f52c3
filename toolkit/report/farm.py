# SPDX-License-Identifier: BSD-3-Clause
"""Many boards verified: a table for people, JUnit for CI servers."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich import box
from rich.table import Table
from rich.text import Text

from quantize.files.write import write_whole
from toolkit.report.text import fit_text
from toolkit.verify.farm import ERROR, FAILED, PASSED, SKIPPED, Outcome, counts

_STYLES = {PASSED: "green", FAILED: "red", ERROR: "red", SKIPPED: "dim"}
_TAGS = {FAILED: "failure", ERROR: "error", SKIPPED: "skipped"}


def farm_facts(outcomes: Sequence[Outcome], source: Path) -> dict[str, Any]:
    """Return the public JSON of a run: docs/schemas/boards.schema.json has its shape."""
    found = counts(outcomes)
    return {
        "format": "dredkit-boards-1",
        "recorded": _now(),
        "map": source.name,
        "ok": not found[FAILED] and not found[ERROR] and bool(found[PASSED]),
        "counts": found,
        "boards": [outcome.as_json() for outcome in outcomes],
    }


def farm_table(outcomes: Sequence[Outcome]) -> Table:
    """Return the table for a terminal, one row a board."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("board", "platform", "port", "status", "tries", "s", ""):
        table.add_column(heading, overflow="fold", justify="right" if heading == "s" else "left")
    for one in outcomes:
        status = Text(one.status, _STYLES[one.status])
        where = one.board.serial or "emulated"
        figures = (str(one.attempts), f"{one.seconds:.0f}")
        table.add_row(one.board.id, one.board.platform, where, status, *figures, Text(one.text))
    return table


def farm_junit(outcomes: Sequence[Outcome]) -> bytes:
    """Return JUnit XML: one test case a board."""
    found = counts(outcomes)
    total = {
        "tests": str(len(outcomes)), "failures": str(found[FAILED]), "errors": str(found[ERROR]),
        "skipped": str(found[SKIPPED]), "time": f"{sum(one.seconds for one in outcomes):.3f}",
    }  # fmt: skip
    root = ElementTree.Element("testsuites", total)
    about = {"name": "dredkit boards", "timestamp": _now(), **total}
    suite = ElementTree.SubElement(root, "testsuite", about)
    for one in outcomes:
        name = {
            "classname": f"dredkit.boards.{fit_text(one.board.platform)}", "name": one.board.id,
            "time": f"{one.seconds:.3f}",
        }  # fmt: skip
        case = ElementTree.SubElement(suite, "testcase", name)
        if (tag := _TAGS.get(one.status)) is not None:
            text = fit_text(one.text)
            ElementTree.SubElement(case, tag, {"message": text}).text = text
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def write_farm_junit(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write the JUnit file, whole or not at all."""
    write_whole(path, farm_junit(outcomes))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")

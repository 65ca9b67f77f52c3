# SPDX-License-Identifier: BSD-3-Clause
"""Earlier verifications: a line of JSON each, so that a page shows how a board's costs changed."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toolkit.common.errors import InputError, system_line

NAME: Final = "history.jsonl"  # in the folder of builds
SHOWN: Final = 60  # runs on a page, the latest
_SAME: Final = ("target", "stage", "unit")


@dataclass(frozen=True)
class Trend:
    """A drawing of one figure over runs: points of an SVG path in a box of 100 by 100."""

    name: str
    path: str
    first: str
    last: str
    low: str
    high: str


def entry_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a verification."""
    budget, memory = facts["budget"], facts["memory"]
    return {
        "recorded": facts["recorded"],
        "target": facts["target"],
        "stage": facts["stage"],
        "unit": budget["unit"],
        "model_hash": facts["model_hash"],
        "ok": facts["ok"],
        "ms": round(1000 * budget["max"] / budget["limit"] * 0.02, 6),
        "flash": memory["flash"],
        "ram": memory["ram"],
    }


def past(folder: Path, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the latest SHOWN runs with the target, stage and unit of `entry`, oldest first.

    Lines that are no run are left out.
    """
    try:
        lines = (folder / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = [one for line in lines if (one := _read(line)) is not None]
    return [one for one in found if all(one[key] == entry[key] for key in _SAME)][-SHOWN:]


def keep(folder: Path, entry: Mapping[str, Any]) -> None:
    """Append a run in one write, so that programs side by side do not mix their lines."""
    line = json.dumps(entry) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
    except OSError as error:
        raise InputError(system_line(error)) from None


def trends(runs: Sequence[Mapping[str, Any]]) -> list[Trend]:
    """Return drawings of ms, flash and RAM over runs; none for fewer than two runs."""
    if len(runs) < 2:
        return []
    found = []
    for key, name, form in (
        ("ms", "ms of the most expensive step", "{:.3f}"), ("flash", "bytes of flash", "{:,.0f}"),
        ("ram", "bytes of RAM", "{:,.0f}"),
    ):  # fmt: skip
        values = [run[key] for run in runs]
        if any(value is None for value in values):
            continue
        low, high = min(values), max(values)
        span = (high - low) or 1.0
        points = [
            f"{100 * n / (len(values) - 1):.2f} {95 - 90 * (value - low) / span:.2f}"
            for n, value in enumerate(values)
        ]
        texts = [form.format(value) for value in (values[0], values[-1], low, high)]
        found.append(Trend(name, "M" + "L".join(points), *texts))
    return found


def _read(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("ms"), int | float):
        return None
    texts = all(isinstance(told.get(key), str) for key in (*_SAME, "recorded"))
    sizes = all(isinstance(told.get(key), int | None) for key in ("flash", "ram"))
    return told if texts and sizes else None

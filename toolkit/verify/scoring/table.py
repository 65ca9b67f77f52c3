# SPDX-License-Identifier: BSD-3-Clause
"""The scores as a table on the terminal and as Markdown for a model's card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from quantize.files.reading import file_bytes
from quantize.files.write import write_whole
from toolkit.common.errors import InputError
from toolkit.verify.scoring.metrics import METRICS, TITLES
from toolkit.verify.scoring.utterances import GROUPS
from toolkit.verify.scoring.voices import VOICES

BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"
GROUP_TITLES = {
    "unseen": "speakers that no network was trained on",
    "prompts": "held-out prompts of voices that the network was trained on",
}


def means(rows: Mapping[str, Mapping[str, float]], groups: Mapping[str, str]) -> dict[str, Any]:
    """Return by group the mean of each metric; rows and groups are by utterance."""
    found = {}
    for group in GROUPS:
        of_group = [row for name, row in rows.items() if groups[name] == group]
        if of_group:
            found[group] = {m: float(np.mean([row[m] for row in of_group])) for m in METRICS}
    return found


def terminal(result: Mapping[str, Any]) -> Table:
    """Return the means, one line for each voice and group."""
    table = Table("voice", "speech", *(TITLES[m] for m in METRICS))
    for group in GROUPS:
        for voice, found in result["voices"].items():
            if group in found["mean"]:
                table.add_row(voice, group, *_cells(found["mean"][group]))
        table.add_section()
    return table


def markdown(result: Mapping[str, Any]) -> str:
    """Return the means and each utterance's PLCMOS; sources differ, so compare along a line."""
    groups = {u["name"]: u["group"] for u in result["utterances"]}
    lines = [f"Made by `{result['command']}`" + _weights(result), ""]
    for group in GROUPS:
        count = sum(of == group for of in groups.values())
        if not count:
            continue
        lines += [
            f"{count} utterances, {GROUP_TITLES[group]}:",
            "",
            _row("voice", *(TITLES[m] for m in METRICS)),
            _row(*["---"] * (1 + len(METRICS))),
        ]
        for voice, found in result["voices"].items():
            title = f"{voice}: {VOICES[voice]}"
            lines.append(_row(title, *_cells(found["mean"][group])))
        lines.append("")
    voices = list(result["voices"])
    lines += ["PLCMOS of each:", "", _row("utterance", "s", *voices)]
    lines.append(_row(*["---"] * (2 + len(voices))))
    for u in result["utterances"]:
        scores = [result["voices"][v]["utterances"][u["name"]]["plcmos"] for v in voices]
        lines.append(_row(u["name"], f"{u['seconds']:.1f}", *(f"{s:.2f}" for s in scores)))
    return "\n".join(lines) + "\n"


def write_card(path: Path, text: str) -> None:
    """Put `text` between the marks of a card; InputError where the card has none."""
    try:
        whole = file_bytes(path, "give a card", missing="no such card").decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text; give a card") from None
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{path}: put {BEGIN} and {END} where the scores belong")
    write_whole(path, f"{before}{begin}\n{text}{end}{after}".encode())


def _weights(result: Mapping[str, Any]) -> str:
    used = [facts for facts in (result["weights"], result.get("fargan")) if facts is not None]
    return " from " + " and ".join(_fact(facts) for facts in used) + "." if used else "."


def _fact(facts: Mapping[str, Any]) -> str:
    steps = f", {facts['steps']:,} steps" if "steps" in facts else ""
    return f"{facts['name']}{steps}, SHA-256 {facts['sha256'][:12]}"


def _cells(row: Mapping[str, float]) -> list[str]:
    return [f"{row[m]:.3f}" if m == "stoi" else f"{row[m]:.2f}" for m in METRICS]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"

# SPDX-License-Identifier: BSD-3-Clause
"""The page of a table of calls: bars of scores, figures, and players to switch between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from toolkit.report.call import write_page

_WORST, _BEST = 1.0, 5.0  # of PLCMOS
GROUPS: Final = {
    "unseen": "speakers that no network here was trained on",
    "prompts": "speakers of the training, words that it never heard",
    "given": "files that were given",
}


def write_table_page(path: Path, facts: Mapping[str, Any]) -> None:
    """Write the page, whole or not at all; raises InputError if that fails."""
    write_page(
        path, "call_table.html.j2", facts=facts, plus=give_or_take, place=_percent, groups=GROUPS,
        listening=_listening(facts),
    )  # fmt: skip


def give_or_take(half: float | None) -> str:
    """Return " ± " and half an interval; "" if it is unknown."""
    return "" if half is None else f" ± {half:.2f}"


def _percent(score: float) -> float:
    """Return where a score lies on a bar."""
    share = (score - _WORST) / (_BEST - _WORST)
    return round(100 * min(max(share, 0.0), 1.0), 2)


def _listening(facts: Mapping[str, Any]) -> str:
    """Return what the page's script needs, as JSON that may stand in a script element."""
    told = {
        "sounds": facts["sounds"],
        "titles": {key: of["title"] for key, of in facts["conditions"].items()},
        "scores": {
            name: {
                rate: {
                    key: f"{facts['conditions'][key]['rates'][rate]['scores'][name]:.2f}"
                    for key in files
                }
                for rate, files in rates.items()
            }
            for name, rates in facts["sounds"].items()
        },
    }
    text = json.dumps(told)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text

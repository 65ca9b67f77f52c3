# SPDX-License-Identifier: BSD-3-Clause
"""The page of a call on a board: verdict, timeline, players, and what a packet cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from toolkit.call.board.verdict import PACKET_SECONDS, CallVerdict, answers_of, place_text
from toolkit.report.call import Take, players_of, write_page
from toolkit.report.page import verdict
from toolkit.report.timeline import CostLane, Mark, arrivals, speakers, timeline_svg
from toolkit.verify.checks import Check

_PACKET_MS: Final = 1000 * PACKET_SECONDS
_NAMES: Final = {"mean": "mean", "p99.9": "99.9 %", "worst": "worst", "deadline": "deadline"}
HEADINGS: Final = ("20 ms", "packets", "mean", "most", "used", "at packet")  # of `cost_rows`
FIGURES: Final = (2, 3, 4, 5)  # its columns that hold figures, from 1 on


def write_board_call_page(
    path: Path,
    facts: Mapping[str, Any],
    checks: Sequence[Check],
    takes: Sequence[Take],
    timeline: str,
) -> None:
    """Write the page, whole or not at all; raises InputError if that fails."""
    comparisons = facts["comparisons"].values()
    write_page(
        path,
        "board_call.html.j2",
        facts=facts,
        checks=checks,
        verdict=verdict(list(checks)),
        text=call_text(facts),
        wrong=sum(found["mismatches"] for found in comparisons),
        compared=sum(found["values"] for found in comparisons),
        timeline=timeline,
        players=players_of(takes),
        summary=summary_rows(facts),
        headings=HEADINGS,
        rows=cost_rows(facts),
        figures=FIGURES,
    )


def board_timeline(found: CallVerdict) -> str:
    """Draw what arrived, what spoke on the board and on the host if that differs, and the costs."""
    steps, budget = found.steps, found.budget
    board, host = (
        [answer.source for answer in answers_of(steps, rows)] for rows in (found.rows, steps.rows)
    )
    lanes = [arrivals(steps.gone, steps.carries, _PACKET_MS), speakers("board", board, _PACKET_MS)]
    if host != board:
        lanes.append(speakers("host", host, _PACKET_MS))
    places = [found.place(one.first) for one in found.comparisons.values() if one.first]
    return timeline_svg(
        lanes,
        f"a call on {found.prepared.target.name}",
        CostLane("cost", budget.unit, _PACKET_MS, budget.per_frame, budget.limit),
        [Mark(place["seconds"], f"{place['who']}: {place_text(place)}") for place in places],
    )


def call_text(facts: Mapping[str, Any]) -> str:
    """Return what the call was made of, in words."""
    call, seconds = facts["call"], facts["seconds"]
    length = f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
    return (
        f"{facts['packets']:,} packets ({length}) of {facts['audio']}, "
        f"{call['bitrate'] / 1000:g} kb/s, {call['lost_percent']} % lost in bursts, "
        f"{call['recovered']:,} of these recovered by LBRR; "
        f"a jitter buffer of {_PACKET_MS * call['depth']:g} ms"
    )


def summary_rows(facts: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return (name, cost, ms, percent) of the mean packet, the 99.9th percentile and so on."""
    found = []
    for key, name in _NAMES.items():
        told = facts["cost"][key]
        amounts = f"{told['cost']:,.0f}", f"{told['ms']:.3f} ms", f"{told['percent']:.1f} %"
        found.append((name, *amounts))
    return found


def cost_rows(facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what packets of each state cost, the most expensive state first."""
    found: list[tuple[str, ...]] = []
    for state, told in facts["states"].items():
        packets, mean, most = f"{told['packets']:,}", f"{told['mean']:,.0f}", f"{told['most']:,}"
        percent = f"{100 * told['most'] / facts['budget']['limit']:.1f} %"
        place = f"{told['worst']}, {told['worst'] * PACKET_SECONDS:.2f} s"
        found.append((state, packets, mean, most, percent, place))
    return found

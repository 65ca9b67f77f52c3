# SPDX-License-Identifier: BSD-3-Clause
"""The timeline of a call: what arrived, what spoke when, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from typing import Final

import numpy as np

from quantize.codec.receiver import SLOT_MS, State
from toolkit.report.plots import cost_bars, time_ticks

# What spoke: its name, colour, and what that means.
SPEAKERS: Final[dict[int, tuple[str, str, str]]] = {
    State.NORMAL: ("normal", "#8fa3b5", "good samples"),
    State.RECOVERED: ("recovered", "#7b62c9", "from the next packet's LBRR"),
    State.DRED: ("DRED", "#2f9e62", "the voice, from a payload"),
    State.PLC: ("PLC", "#d9722e", "the voice, without a payload"),
    State.FADE: ("fade", "#d8b52c", "the voice fades into good samples"),
    State.CONCEALED: ("concealed", "#c05a8a", "the base codec's own concealment"),
}
ARRIVED: Final = ("arrived", "#8fa3b5", "without a payload")
CARRIED: Final = ("payload", "#2f9e62", "arrived with a payload")
LOST: Final = ("lost", "#c23b33", "did not come")
UNKNOWN: Final = ("unknown", "#ff00aa", "no state that a receiver has")
# The later one hides the earlier.
_NOTABLE: Final = (ARRIVED, CARRIED, LOST, *SPEAKERS.values(), UNKNOWN)
COLUMNS: Final = 4000  # no timeline has more
_WIDTH, _LEFT, _BAR, _ROW, _TOP = 1000, 90, 20, 30, 34
_COSTS: Final = 80  # high, of the lane of costs
_COST_COLOUR: Final = "#4a7fb5"
_FONT: Final = 'font-family="system-ui, Noto Sans, DejaVu Sans, sans-serif" font-size="12"'


@dataclass(frozen=True)
class Lane:
    """A row of the timeline: the state of each stretch of `ms`, each (name, colour, meaning)."""

    title: str
    ms: float
    states: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class CostLane:
    """The row of the timeline that has the cost of each stretch of `ms`, as bars under a limit."""

    title: str
    unit: str
    ms: float
    costs: Sequence[int]
    limit: int


@dataclass(frozen=True)
class Mark:
    """A moment, in seconds, that a line through the timeline marks, and what happens there."""

    at: float
    meaning: str


def arrivals(gone: Sequence[bool], carries: Sequence[bool], ms: float) -> Lane:
    """Return the lane of what arrived."""
    pairs = zip(gone, carries, strict=True)
    states = [LOST if lost else CARRIED if carried else ARRIVED for lost, carried in pairs]
    return Lane("packets", ms, states)


def speakers(title: str, sources: Sequence[int], ms: float = SLOT_MS) -> Lane:
    """Return the lane of who spoke when."""
    return Lane(title, ms, [SPEAKERS.get(source, UNKNOWN) for source in sources])


def timeline_svg(
    lanes: Sequence[Lane],
    title: str,
    costs: CostLane | None = None,
    marks: Sequence[Mark] = (),
) -> str:
    """Draw lanes, costs and marks over one time axis.

    Text takes the colour of the surrounding page.
    """
    seconds = max(lane.ms * len(lane.states) for lane in lanes) / 1000
    scale = (_WIDTH - _LEFT) / seconds
    foot = _TOP + _ROW * len(lanes) + (0 if costs is None else _COSTS)
    body = [_legend(lanes)]
    for row, lane in enumerate(lanes):
        y = _TOP + _ROW * row
        body.append(f'<text x="0" y="{y + 15}">{escape(lane.title)}</text>')
        body += _stretches(lane, y, scale)
    if costs is not None:
        body += _cost_bars(costs, foot - _COSTS, scale)
    for tick in time_ticks(seconds):
        x = _LEFT + (_WIDTH - _LEFT) * tick.at / 100
        body.append(
            f'<path d="M{x:.1f} {_TOP}V{foot}" stroke="currentColor" opacity="0.2"/>'
            f'<text x="{x:.1f}" y="{foot + 14}" text-anchor="middle">{tick.label}</text>'
        )
    for mark in marks:
        body.append(
            f'<rect x="{_LEFT + scale * mark.at - 1:.1f}" y="{_TOP}" width="2" '
            f'height="{foot - _TOP}" fill="{LOST[1]}"><title>{escape(mark.meaning)}</title></rect>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + 20} {foot + 22}" '
        f'width="100%" role="img" fill="currentColor" {_FONT}>'
        f"<title>{escape(title)}</title>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _stretches(lane: Lane, y: int, scale: float) -> list[str]:
    """Return a rectangle for each run of equal states; of a long call each column shows one."""
    columns = min(len(lane.states), COLUMNS)
    edges = np.linspace(0, len(lane.states), columns + 1).astype(int).tolist()
    shown = [max(lane.states[a:b], key=_notable) for a, b in pairwise(edges)]
    found, column = [], 0
    for (name, colour, meaning), group in groupby(shown):
        at, column = edges[column], column + len(list(group))
        start, length = at * lane.ms / 1000, (edges[column] - at) * lane.ms / 1000
        found.append(
            f'<rect x="{_LEFT + scale * start:.2f}" y="{y}" width="{scale * length:.2f}" '
            f'height="{_BAR}" fill="{colour}"><title>{start:.2f} s, {1000 * length:g} ms: '
            f"{name}, {meaning}</title></rect>"
        )
    return found


def _cost_bars(lane: CostLane, y: int, scale: float) -> list[str]:
    """Return the bars of a lane of costs; its limit too, unless that is more than twice as high."""
    most = max(lane.costs)
    near = lane.limit <= 2 * most
    top = 1.05 * (max(most, lane.limit) if near else most)
    height = _COSTS - _ROW + _BAR
    width = scale * lane.ms * len(lane.costs) / 1000
    body = [f'<text x="0" y="{y + 15}">{escape(lane.title)}</text>']
    for line, told in enumerate((f"most {most:,}", f"limit {lane.limit:,}", lane.unit)):
        foot = y + 31 + 13 * line
        body.append(f'<text x="0" y="{foot}" font-size="9" opacity="0.7">{escape(told)}</text>')
    for bar in cost_bars(lane.costs, lane.limit, top, 100):
        tall = height * bar.height / 100
        last = f" to {bar.last}" if bar.last > bar.first else ""
        body.append(
            f'<rect x="{_LEFT + width * bar.x / 100:.2f}" y="{y + height - tall:.2f}" '
            f'width="{width * bar.width / 100:.2f}" height="{tall:.2f}" '
            f'fill="{LOST[1] if bar.over else _COST_COLOUR}"><title>packet {bar.first}{last}, '
            f"{bar.first * lane.ms / 1000:.2f} s: {bar.cost:,} {escape(lane.unit)}</title></rect>"
        )
    if near:
        at = y + height * (1 - lane.limit / top)
        body.append(
            f'<path d="M{_LEFT} {at:.1f}H{_LEFT + width:.1f}" stroke="{LOST[1]}" '
            f'stroke-dasharray="4 3"><title>the limit, {lane.limit:,}</title></path>'
        )
    return body


def _notable(state: tuple[str, str, str]) -> int:
    return _NOTABLE.index(state)


def _legend(lanes: Sequence[Lane]) -> str:
    used = dict.fromkeys(state for lane in lanes for state in lane.states)
    colours = dict.fromkeys((name, colour) for name, colour, _ in used)
    step = min(110, (_WIDTH + 20 - _LEFT) // len(colours))
    body = []
    for place, (name, colour) in enumerate(colours):
        x = _LEFT + step * place
        body.append(
            f'<rect x="{x}" y="4" width="12" height="12" fill="{colour}"/>'
            f'<text x="{x + 17}" y="14">{escape(name)}</text>'
        )
    return "".join(body)

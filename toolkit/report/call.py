# SPDX-License-Identifier: BSD-3-Clause
"""The page of a call: players, a timeline, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from quantize.codec.receiver import SLOT_MS, State
from quantize.files.write import write_whole
from toolkit.report.plots import spectrogram, time_ticks
from toolkit.report.sound import sound_uri
from toolkit.report.text import fit_text
from toolkit.speech.audio import Pcm

RATE: Final = 16000
# What spoke: its name, colour, and what that means.
SPEAKERS: Final = {
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
_NOTABLE: Final = (ARRIVED, CARRIED, LOST, *SPEAKERS.values())  # the later one hides the earlier
COLUMNS: Final = 4000  # no timeline has more
_WIDTH, _LEFT, _BAR, _ROW, _TOP = 1000, 90, 20, 30, 34
_FONT: Final = 'font-family="system-ui, Noto Sans, DejaVu Sans, sans-serif" font-size="12"'


@dataclass(frozen=True)
class Lane:
    """A row of the timeline: the state of each stretch of `ms`, each (name, colour, meaning)."""

    title: str
    ms: float
    states: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Take:
    """A recording to listen to: its name, what it is, the file beside the page, the samples."""

    name: str
    note: str
    file: str
    pcm: Pcm


def arrivals(gone: Sequence[bool], carries: Sequence[bool], ms: float) -> Lane:
    """Return the lane of what arrived."""
    pairs = zip(gone, carries, strict=True)
    states = [LOST if lost else CARRIED if carried else ARRIVED for lost, carried in pairs]
    return Lane("packets", ms, states)


def speakers(title: str, sources: Sequence[State]) -> Lane:
    """Return the lane of who spoke when."""
    return Lane(title, SLOT_MS, [SPEAKERS[source] for source in sources])


def timeline_svg(lanes: Sequence[Lane], title: str) -> str:
    """Draw lanes over one time axis; text takes the colour of the surrounding page."""
    seconds = max(lane.ms * len(lane.states) for lane in lanes) / 1000
    scale = (_WIDTH - _LEFT) / seconds
    foot = _TOP + _ROW * len(lanes)
    body = [_legend(lanes)]
    for row, lane in enumerate(lanes):
        y = _TOP + _ROW * row
        body.append(f'<text x="0" y="{y + 15}">{escape(lane.title)}</text>')
        body += _stretches(lane, y, scale)
    for tick in time_ticks(seconds):
        x = _LEFT + (_WIDTH - _LEFT) * tick.at / 100
        body.append(
            f'<path d="M{x:.1f} {_TOP}V{foot}" stroke="currentColor" opacity="0.2"/>'
            f'<text x="{x:.1f}" y="{foot + 14}" text-anchor="middle">{tick.label}</text>'
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


def _notable(state: tuple[str, str, str]) -> int:
    return _NOTABLE.index(state)


def _legend(lanes: Sequence[Lane]) -> str:
    used = dict.fromkeys(state for lane in lanes for state in lane.states)
    colours = dict.fromkeys((name, colour) for name, colour, _ in used)
    body = []
    for place, (name, colour) in enumerate(colours):
        x = _LEFT + 110 * place
        body.append(
            f'<rect x="{x}" y="4" width="12" height="12" fill="{colour}"/>'
            f'<text x="{x + 17}" y="14">{escape(name)}</text>'
        )
    return "".join(body)


def write_call_page(
    path: Path, facts: Mapping[str, Any], takes: Sequence[Take], timeline: str
) -> None:
    """Write the page of one call, whole or not at all; raises InputError if that fails."""
    seconds = max(len(take.pcm) for take in takes) / RATE
    players = [
        {
            "name": take.name,
            "note": take.note,
            "sound": sound_uri(take.pcm, RATE) or take.file,
            "picture": spectrogram(take.pcm, RATE, seconds),
            "score": facts["plcmos"].get(take.name) if facts["plcmos"] else None,
        }
        for take in takes
    ]
    write_page(path, "call.html.j2", facts=facts, players=players, timeline=timeline)


def write_page(path: Path, template: str, **values: Any) -> None:
    """Fill a template of this folder in; write it whole or not at all, or raise InputError."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(signed_colours="", **values)
    write_whole(path, fit_text(page).encode())

# SPDX-License-Identifier: BSD-3-Clause
"""The page of a call: players, a timeline, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from quantize.files.write import write_whole
from toolkit.report.plots import spectrogram
from toolkit.report.sound import sound_uri
from toolkit.report.text import fit_text
from toolkit.speech.audio import Pcm

RATE: Final = 16000


@dataclass(frozen=True)
class Take:
    """A recording to listen to: its name, what it is, the file beside the page, the samples."""

    name: str
    note: str
    file: str
    pcm: Pcm


def write_call_page(
    path: Path, facts: Mapping[str, Any], takes: Sequence[Take], timeline: str
) -> None:
    """Write the page of one call, whole or not at all; raises InputError if that fails."""
    players = players_of(takes, facts["plcmos"])
    write_page(path, "call.html.j2", facts=facts, players=players, timeline=timeline)


def players_of(
    takes: Sequence[Take], scores: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Return what players.html.j2 shows of recordings; `scores` has PLCMOS by their names."""
    seconds = max(len(take.pcm) for take in takes) / RATE
    return [
        {
            "name": take.name,
            "note": take.note,
            "sound": sound_uri(take.pcm, RATE) or take.file,
            "picture": spectrogram(take.pcm, RATE, seconds),
            "score": (scores or {}).get(take.name),
        }
        for take in takes
    ]


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

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit call --table`: every condition over recordings."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from quantize.files.write import write_whole
from toolkit.call.table import speech
from toolkit.call.table.cluster import run_rows
from toolkit.call.table.conditions import Condition, Setup
from toolkit.call.table.kept import Kept
from toolkit.call.table.row import Row, Scored
from toolkit.call.table.speech import RATE, Recording
from toolkit.call.table.summary import Results, rows_for, summary
from toolkit.common.console import emit_json, err
from toolkit.common.places import CALL_FACTS, CALL_RESULTS, CALL_SOUNDS, PAGE
from toolkit.report.call_table import write_table_page
from toolkit.speech.audio import Pcm

_SOUND_NAME: Final = 16  # digits of a result's hash


@dataclass(frozen=True)
class Asked:
    """What the user wants of a table.

    `listen` is of how many recordings the page plays every condition; `dask` the address of a
    scheduler, None for processes of this machine.
    """

    source: str
    rates: Sequence[int]
    against: str
    jobs: int
    dask: str | None
    listen: int


def recordings(source: Sequence[Path], data: Path) -> list[Recording]:
    """Return what is in files and folders, or without any the held-out speech below `data`."""
    if source:
        return speech.given(source)
    with err.status("speech") as status:
        return speech.held_out(data, lambda text: status.update(Text(text)))


def run(
    recordings: Sequence[Recording],
    wanted: Sequence[Condition],
    setup: Setup,
    asked: Asked,
    made: Mapping[str, str],
    output: Path,
    json_to: str | None,
) -> None:
    """Score all conditions, and write the table as JSON, as a page and on the terminal."""
    rates = sorted(set(asked.rates))
    listened = [recordings[i].name for i in _spread(len(recordings), asked.listen)]
    rows = rows_for(recordings, rates, wanted, setup, listened)
    results = _results(rows, recordings, setup, asked, output)
    facts = {
        "source": asked.source,
        **summary(results, recordings, wanted, rates, setup, asked.against),
        "made": {**made, "seed of the losses": str(setup.seed)},
        "sounds": _sounds(rows, rates),
    }
    emit_json(str(output / CALL_FACTS), facts)
    write_table_page(output / PAGE, facts)
    for rate in rates:
        err.print(_table(facts, rate))
    for line in _order(facts):
        err.print(line)
    err.print(f"page        {output / PAGE}")
    emit_json(json_to, facts)


def _spread(count: int, wanted: int) -> list[int]:
    """Return so many places among `count`, evenly apart."""
    wanted = min(count, wanted)
    return sorted({round(place) for place in np.linspace(0, count - 1, wanted)}) if wanted else []


def _results(
    rows: Sequence[Row],
    recordings: Sequence[Recording],
    setup: Setup,
    asked: Asked,
    output: Path,
) -> Results:
    """Return all results: those of earlier runs, and the others, each kept as soon as it is there.

    What is played in a row to listen to is written beside the page.
    """
    kept = Kept(output / CALL_RESULTS)
    found: Results = {}
    left = []
    for row in rows:
        result = kept.get(row.key)
        if result is None or (row.sound and not (output / _sound(row)).is_file()):
            left.append(row)
        else:
            found[row.recording, row.loss, row.condition.key] = result
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as progress:
        task = progress.add_task("results", total=len(rows), completed=len(found))

        def done(row: Row, scored: Scored) -> None:
            if scored.pcm is not None:
                write_whole(output / _sound(row), _flac(scored.pcm))
            kept.add(row, scored.result)
            found[row.recording, row.loss, row.condition.key] = scored.result
            progress.advance(task)

        pcm = {r.name: r.pcm.astype("<i2").tobytes() for r in recordings}
        run_rows(left, pcm, setup, asked.jobs, asked.dask, done)
    return found


def _sound(row: Row) -> str:
    return f"{CALL_SOUNDS}/{row.key[:_SOUND_NAME]}.flac"


def _flac(pcm: Pcm) -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, pcm, RATE, format="FLAC", subtype="PCM_16")
    return memory.getvalue()


def _sounds(rows: Sequence[Row], rates: Sequence[int]) -> dict[str, dict[str, dict[str, str]]]:
    """Return the files to listen to: recording, rate, condition."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        if row.sound:
            for rate in rates if row.condition.lossless else (row.loss,):
                at = found.setdefault(row.recording, {}).setdefault(str(rate), {})
                at[row.condition.key] = _sound(row)
    return found


def _table(facts: Mapping[str, Any], rate: int) -> Table:
    other = facts["conditions"][facts["against"]]["title"]
    table = Table(f"{rate} % lost", box=None, title_justify="left")
    for heading in ("PLCMOS", f"against {other}", "from no loss", "kb/s", "LBRR", "DRED"):
        table.add_column(heading, justify="right")
    for told in facts["conditions"].values():
        at = told["rates"][str(rate)]
        rates = at["bitrates"]
        table.add_row(
            told["title"],
            _figure(at["plcmos"], at["half"]),
            _figure(at["against"]["difference"], at["against"]["half"], "+"),
            _figure(at["from_no_loss"]["difference"], at["from_no_loss"]["half"], "+"),
            *(f"{rates[key] / 1000:.1f}" for key in ("total", "lbrr", "redundancy")),
        )
    return table


def _order(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each pair: by how much the one is above the other, at each rate."""
    lines = []
    for pair in facts["order"]:
        higher, lower = (facts["conditions"][pair[key]]["title"] for key in ("higher", "lower"))
        told = [
            f"{rate} %: {_figure(at['difference'], at['half'], '+')}"
            f"{'' if at['beyond'] else ' (not beyond)'}"
            for rate, at in pair["rates"].items()
        ]
        lines.append(f"{higher} less {lower}: {', '.join(told)}")
    return lines


def _figure(mean: float, half: float | None, sign: str = "") -> str:
    return f"{mean:{sign}.2f}" + ("" if half is None else f" ± {half:.2f}")

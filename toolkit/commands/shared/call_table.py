# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit call --table`: every condition over a folder of recordings."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from quantize.near import near
from toolkit.call.conditions import Setup, conditions
from toolkit.call.table import jobs_for, run_jobs, summary
from toolkit.common.console import emit_json, err
from toolkit.common.errors import InputError
from toolkit.common.places import CALL_FACTS, PAGE
from toolkit.report.call import write_table_page
from toolkit.speech.audio import OGG_SUFFIXES

_SUFFIXES: Final = (".wav", *OGG_SUFFIXES)
_KEPT: Final = "results"  # folder of the results of single recordings


def check(folder: Path, voices: Collection[str], against: str) -> None:
    """Raise InputError for a folder without recordings, and for an unknown condition."""
    keys = [condition.key for condition in conditions(list(voices))]
    if against not in keys:
        raise InputError(f"--against {against}: want one of {', '.join(keys)}{near(against, keys)}")
    if not recordings(folder):
        raise InputError(f"{folder}: no recordings: want files named *{', *'.join(_SUFFIXES)}")


def recordings(folder: Path) -> list[Path]:
    """Return the recordings in a folder, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and p.is_file())


def run(
    folder: Path,
    setup: Setup,
    rates: Sequence[int],
    against: str,
    processes: int,
    made: Mapping[str, str],
    output: Path,
    json_to: str | None,
) -> None:
    """Score all conditions, and write the table as JSON, as a page and on the terminal."""
    wanted = conditions(list(setup.receivers))
    rates = sorted(set(rates))
    jobs = jobs_for(recordings(folder), rates, wanted, output / _KEPT)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as progress:
        task = progress.add_task("recordings and rates", total=len(jobs))
        results = run_jobs(jobs, setup, processes, lambda: progress.advance(task))
    facts = {
        "source": str(folder),
        **summary(results, wanted, rates, setup, against),
        "made": {**made, "seed of the losses": str(setup.seed)},
    }
    emit_json(str(output / CALL_FACTS), facts)
    write_table_page(output / PAGE, facts)
    for rate in rates:
        err.print(_table(facts, rate))
    err.print(f"page        {output / PAGE}")
    emit_json(json_to, facts)


def _table(facts: Mapping[str, Any], rate: int) -> Table:
    other = facts["conditions"][facts["against"]]["title"]
    table = Table(f"{rate} % lost", box=None, title_justify="left")
    for heading in ("PLCMOS", f"against {other}", "kb/s"):
        table.add_column(heading, justify="right")
    for told in facts["conditions"].values():
        at = told["rates"][str(rate)]
        apart = at["against"]
        table.add_row(
            told["title"],
            _figure(at["plcmos"], at["half"]),
            _figure(apart["difference"], apart["half"], "+"),
            f"{at['bitrate'] / 1000:.1f}",
        )
    return table


def _figure(mean: float, half: float | None, sign: str = "") -> str:
    return f"{mean:{sign}.2f}" + ("" if half is None else f" ± {half:.2f}")

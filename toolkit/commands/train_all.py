# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit train all`: every training that made the shipped weights, in order, or their plan."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from quantize.train.state import read_state
from quantize.train.trainer import STATE
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.train_options import data_option
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.option_types import Folder
from toolkit.common.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RUNS_FILE: Final = ROOT / "toolkit" / "data" / "training.toml"
DATA: Final = "data"  # the command whose runs prepare speech
_EXPORTING: Final = ("lpcnet", "fargan")  # commands that write a checkpoint by --export


@dataclass(frozen=True)
class Run:
    """One training, or the preparation of its speech: a row of training.toml."""

    name: str
    arguments: tuple[str, ...]
    source: str
    hours: float
    counted: str
    steps: int = 0
    writes: str = ""

    @property
    def command(self) -> str:
        """The word after `dredkit train`."""
        return self.arguments[0]


def runs() -> list[Run]:
    """Return the runs in their order."""
    rows = tomllib.loads(RUNS_FILE.read_text(encoding="utf-8"))["run"]
    return [
        Run(source=row.pop("from"), arguments=tuple(row.pop("arguments")), **row) for row in rows
    ]


def words(run: Run, data: Path, states: Path, output: Path) -> list[str]:
    """Return what follows `dredkit train` for a run whose results go into `output`."""
    if run.command == DATA:
        return [*run.arguments, "--data", str(data)]
    flag = "--export" if run.command in _EXPORTING else "--checkpoint"
    fresh = ["--fresh"] if run.command in _EXPORTING else []
    folders = ["--data", str(data), "--state", str(states / run.name)]
    arguments = [word.replace("{output}", str(output)) for word in run.arguments]
    return [*arguments, *fresh, *folders, flag, str(output / run.writes)]


def done(run: Run, states: Path) -> int:
    """Return how many steps of a run its state has; 0 without one. InputError for a damaged one."""
    path = states / run.name / STATE
    return int(read_state(path, run.command)["step"]) if path.is_file() else 0


@click.command("all", cls=Telling)
@data_option
@click.option(
    "--states",
    type=Folder(),
    default=Path("build/train"),
    show_default=True,
    help="Folder of the resumable states, one folder for each training.",
)
@click.option(
    "--output",
    type=Folder(),
    default=Path("build/checkpoints"),
    show_default=True,
    help="Folder of the checkpoints that are written.",
)
@click.option("--plan", is_flag=True, help="Only print what is trained, from what and how long.")
@json_option
@click.pass_context
def all_command(
    context: click.Context,
    data: Path,
    states: Path,
    output: Path,
    plan: bool,
    json_to: str | None,
) -> None:
    """Train all models from nothing, one after the other; a run that stopped goes on."""
    rows = _plan(data, states, output)
    if plan:
        emit_json(json_to, {"runs": rows})
        return
    assert context.parent is not None
    group = context.parent.command
    assert isinstance(group, click.Group)
    output.mkdir(parents=True, exist_ok=True)
    for run in runs():
        err.rule(f"train {' '.join(run.arguments)}")
        group.commands[run.command].main(
            words(run, data, states, output), prog_name="dredkit train", standalone_mode=False
        )
    emit_json(json_to, {"runs": _plan(data, states, output)})


def _plan(data: Path, states: Path, output: Path) -> list[dict[str, Any]]:
    """Print the table of all runs and return its rows."""
    table = Table("run", "from", "steps", "hours of one core", "writes")
    rows = []
    for run in runs():
        steps = done(run, states)
        shown = f"{steps:,} of {run.steps:,}" if run.steps else ""
        about = "" if run.counted == "measured" else "about "
        table.add_row(run.name, run.source, shown, f"{about}{run.hours:g}", run.writes)
        rows.append(
            {
                "name": run.name,
                "from": run.source,
                "command": f"dredkit train {' '.join(words(run, data, states, output))}",
                "steps_done": steps,
                "steps": run.steps,
                "hours": run.hours,
                "counted": run.counted,
                "writes": run.writes,
            }
        )
    table.caption = "about: computed from the time of a step, not measured as a whole"
    err.print(table)
    return rows

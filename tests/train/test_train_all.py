# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit train all`: the plan names every shipped weight, its commands parse, and runs go on."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from quantize.train.pitch import loop as pitch
from toolkit.commands import train
from toolkit.commands.shared.train_options import CHECKPOINTS
from toolkit.commands.train_all import DATA, Run, runs, words


def test_every_shipped_checkpoint_has_a_run() -> None:
    shipped = {p.name for p in CHECKPOINTS.glob("*.safetensors") if ".state." not in p.name}
    earlier = {"rdovae.safetensors"}  # made before the trainer dropped blocks
    others = ("spectral", "mean", "mean-2", "spectral-8", "sparse-spectral")
    on_the_way = {f"fargan-{name}.safetensors" for name in others}  # another run begins with it
    assert {run.writes for run in runs() if run.writes} == shipped - earlier | on_the_way
    assert all(run.hours > 0 and run.counted in ("measured", "estimated") for run in runs())


@pytest.mark.parametrize("run", runs(), ids=lambda run: run.name)
def test_every_run_is_a_command_with_options_that_it_takes(run: Run, tmp_path: Path) -> None:
    command = train.command.commands[run.command]
    (tmp_path / "out").mkdir()
    for earlier in runs()[: runs().index(run)]:
        if earlier.writes:
            (tmp_path / "out" / earlier.writes).write_bytes(b"")
    asked = words(run, tmp_path / "speech", tmp_path / "states", tmp_path / "out")
    context = command.make_context("train", asked[1:])
    assert context.params["data"] == tmp_path / "speech"
    if run.command != DATA:
        assert context.params["steps"] == run.steps
        assert context.params["state"] == tmp_path / "states" / run.name


def test_the_plan_says_how_far_each_run_is(tmp_path: Path) -> None:
    made = pitch.Trainer(pitch.Settings())
    made.step = 17
    (tmp_path / "pitch").mkdir()
    made.save(tmp_path / "pitch")
    asked = ["all", "--plan", "--states", str(tmp_path), "--json", str(tmp_path / "plan.json")]
    result = CliRunner().invoke(train.command, asked)
    assert result.exit_code == 0, result.output
    rows = {r["name"]: r for r in json.loads((tmp_path / "plan.json").read_text())["runs"]}
    assert rows["pitch"]["steps_done"] == 17
    assert rows["rdovae"]["steps_done"] == 0
    assert rows["fargan"]["command"].startswith("dredkit train fargan --critics 0")


def test_the_runs_are_made_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def stand_in(name: str) -> click.Command:
        def note(args: tuple[str, ...]) -> None:
            called.append([name, *args])

        argument = click.Argument(["args"], nargs=-1, type=click.UNPROCESSED)
        settings = {"ignore_unknown_options": True}
        return click.Command(name, params=[argument], callback=note, context_settings=settings)

    names = {run.command for run in runs()}
    for name in names:
        monkeypatch.setitem(train.command.commands, name, stand_in(name))
    result = CliRunner().invoke(
        train.command, ["all", "--states", str(tmp_path / "s"), "--output", str(tmp_path / "o")]
    )
    assert result.exit_code == 0, result.output
    assert [c[0] for c in called] == [run.command for run in runs()]
    assert (tmp_path / "o").is_dir()

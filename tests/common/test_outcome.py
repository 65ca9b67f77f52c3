# SPDX-License-Identifier: BSD-3-Clause
"""No old result file remains: every ending of a run writes its own, or removes the old one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result

from quantize.errors import InputError
from toolkit.commands.shared import outcome
from toolkit.commands.shared.outcome import Telling, forget_old
from toolkit.common import places
from toolkit.common.console import emit_json, json_option
from toolkit.common.errors import BoardError, CheckFailed
from toolkit.common.interrupts import Terminated
from toolkit.report.record import load_record

ROOT = Path(__file__).resolve().parents[2]
OLD = '{"ok": true}'
NAMES = ("verify.json", "run.npz", "junit.xml", "index.html")


def verify_like(work: Callable[[], None], written: dict[str, Any] | None = None) -> click.Command:
    """Return a command with the options of `verify` that does `work` after writing its result."""

    @click.command("verify", cls=Telling)
    @click.option("--target")
    @click.option("--steps", type=int)
    @click.option("--output", type=click.Path(path_type=Path))
    @click.option("--junit", type=click.Path(path_type=Path))
    @json_option
    def command(json_to: str | None, output: Path, **others: Any) -> None:
        for name in NAMES:  # the old files are gone
            assert not (output / name).exists()
        if written is not None:
            (output / "verify.json").write_text(json.dumps(written))
            emit_json(json_to, written)
        work()

    return command


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def run(folder: Path, command: click.Command, *words: str) -> Result:
    """Run a command in a folder with all results of an earlier run."""
    report = folder / "report"
    report.mkdir()
    for name in NAMES:
        (report / name).write_text(OLD)
    for name in ("out.json", "out.xml"):
        (folder / name).write_text(OLD)
    named = ["--json", f"{folder}/out.json", "--junit", f"{folder}/out.xml"]
    return CliRunner().invoke(command, ["--output", str(report), *named, *words])


ENDINGS: list[tuple[BaseException, str, int]] = [
    (InputError("bad\nweights"), "bad weights", 2),
    (BoardError("no board"), "no board", 3),
    (CheckFailed("over budget"), "over budget", 1),
    (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied", 2),
    (EOFError("no data left"), "no data left", 2),
    (KeyboardInterrupt(), "interrupted", 130),
    (Terminated(143), "terminated", 143),
    (ZeroDivisionError("a fault of ours"), "a fault of ours", 1),
]


@pytest.mark.parametrize(("error", "says", "code"), ENDINGS)
@pytest.mark.parametrize("words", [(), ("--target", "netduinoplus2")])
def test_every_ending_writes_its_own_result(
    tmp_path: Path, error: BaseException, says: str, code: int, words: tuple[str, ...]
) -> None:
    run(tmp_path, verify_like(raising(error)), *words)
    for path in (tmp_path / "out.json", tmp_path / "report" / "verify.json"):
        found = json.loads(path.read_text())
        assert found == {
            "ok": False, "status": "error", "command": "verify",
            "target": words[1] if words else None, "error": says, "exit_code": code,
        }  # fmt: skip
    for path in (tmp_path / "out.xml", tmp_path / "report" / "junit.xml"):
        root = ElementTree.parse(path).getroot()
        assert (root.get("errors"), root.get("failures"), root.get("tests")) == ("1", "0", "1")
        told = root.find("testsuite/testcase/error")
        assert told is not None
        assert told.get("message") == says
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == ["junit.xml", "verify.json"]
    with pytest.raises(InputError, match="ended without a verdict"):
        load_record(tmp_path / "report")


@pytest.mark.parametrize(
    "words",
    [["--steps", "many"], ["--unknown", "3"], ["--unknown"], ["--steps"], ["a", "word"]],
)
def test_wrong_options_write_their_result_too(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, verify_like(lambda: None), *words).exit_code == 2
    for path in (tmp_path / "out.json", tmp_path / "report" / "verify.json"):
        assert json.loads(path.read_text())["status"] == "error"
    for path in (tmp_path / "out.xml", tmp_path / "report" / "junit.xml"):
        assert ElementTree.parse(path).getroot().get("errors") == "1"


def test_help_leaves_everything(tmp_path: Path) -> None:
    assert run(tmp_path, verify_like(lambda: None), "--help").exit_code == 0
    assert (tmp_path / "out.json").read_text() == OLD
    forget_old("verify", ["--output", str(tmp_path / "report"), "--help"])
    assert (tmp_path / "report" / "verify.json").read_text() == OLD


def test_a_verdict_of_no_stays_as_it_is_written(tmp_path: Path) -> None:
    verdict = {"ok": False, "mismatches": 3}
    run(tmp_path, verify_like(raising(CheckFailed("3 differ")), verdict))
    for path in (tmp_path / "out.json", tmp_path / "report" / "verify.json"):
        assert json.loads(path.read_text()) == verdict


def test_an_error_takes_back_a_verdict_of_yes(tmp_path: Path) -> None:
    run(tmp_path, verify_like(raising(InputError("disk full")), {"ok": True}))
    for path in (tmp_path / "out.json", tmp_path / "report" / "verify.json"):
        assert json.loads(path.read_text())["error"] == "disk full"


def test_a_killed_run_leaves_nothing_old(tmp_path: Path) -> None:
    seen = []

    def work() -> None:  # kill -9 would leave these files from here on
        seen.extend(sorted(p.name for p in tmp_path.rglob("*") if p.is_file()))

    assert run(tmp_path, verify_like(work)).exit_code == 0
    assert seen == []


def test_a_run_killed_during_its_imports_leaves_nothing_old(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text(OLD)
    (tmp_path / "out.json").write_text(OLD)
    forget_old(
        "verify", ["--target", "x", f"--output={tmp_path}", "--json", f"{tmp_path}/out.json"]
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["folder", "/proc/nope/x", "file/below"])
@pytest.mark.parametrize("option", ["--json", "--junit"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, place: str, option: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    result = CliRunner().invoke(
        verify_like(raising(AssertionError("has begun to work"))),
        ["--output", str(tmp_path / "report"), option, str(tmp_path / place)],
    )
    if isinstance(result.exception, InputError):
        assert str(result.exception).startswith(f"cannot write {tmp_path / place}: ")
    else:  # --json refuses such a place while the options are parsed
        assert (result.exit_code, option) == (2, "--json")
        assert "Invalid value for '--json'" in result.stderr
    assert json.loads((tmp_path / "report" / "verify.json").read_text())["status"] == "error"


def test_json_on_standard_output_is_written_once(tmp_path: Path) -> None:
    words = ["--output", str(tmp_path), "--json", "-"]
    result = CliRunner().invoke(verify_like(raising(InputError("bad"))), words)
    assert json.loads(result.stdout)["error"] == "bad"
    result = CliRunner().invoke(verify_like(raising(InputError("bad")), {"ok": True}), words)
    assert json.loads(result.stdout) == {"ok": True}


def test_a_command_that_judges_nothing_keeps_its_old_json_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text(OLD)

    @click.command("quantize", cls=Telling)
    @json_option
    def command(json_to: str | None) -> None:
        assert path.read_text() == OLD
        raise InputError("bad weights")

    CliRunner().invoke(command, ["--json", str(path)])
    assert json.loads(path.read_text())["error"] == "bad weights"


def test_what_each_command_leaves() -> None:
    build = places.BUILD
    folder = build / "mps3-an547" / "verify"
    assert places.places_of("verify", {"target": "mps3-an547"}).every[0] == folder / "verify.json"
    assert places.places_of("verify", {"target": "../toaster"}) == places.Places()
    demo = places.places_of("demo", {}).every
    for name in NAMES:
        assert build / "demo" / name in demo
        assert build / "demo" / "sender" / name in demo
    figures = places.places_of("bench", {"target": "host", "plot": Path("p.svg")}).others
    assert figures == (Path("p.svg"), build / "host" / "bench-encoder.json")
    assert places.places_of("report", {"folder": Path("/nonexistent")}) == places.Places()


def test_every_command_with_json_tells_of_every_ending() -> None:
    from toolkit.cli import COMMANDS, group

    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        for one in inner:
            assert isinstance(one, Telling), f"{name}: give it cls=Telling"


def test_case_23_a_missing_board_after_a_good_run(tmp_path: Path) -> None:
    folder = tmp_path / "host" / "verify"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_text(OLD)
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cli", "verify", "--target", "host", "--weights", "/none"],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "DREDKIT_BUILD": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert json.loads((folder / "verify.json").read_text())["error"] in done.stderr
    assert ElementTree.parse(folder / "junit.xml").getroot().get("errors") == "1"
    assert not (folder / "index.html").exists()


def test_one_line_for_everything() -> None:
    assert outcome.line_of(OSError(28, "No space left on device")).endswith(
        "No space left on device"
    )
    assert outcome.line_of(click.UsageError("no such thing")) == "no such thing"
    assert outcome.line_of(MemoryError()) == "MemoryError"


def test_figures_that_were_told_stay_when_the_run_is_ended_later(tmp_path: Path) -> None:
    path = tmp_path / "out.json"

    @click.command("flash", cls=Telling)
    @json_option
    def command(json_to: str | None) -> None:
        emit_json(json_to, {"compared": "equal"})
        raise Terminated(143)  # as a user ends an emulated board

    CliRunner().invoke(command, ["--json", str(path)])
    assert json.loads(path.read_text()) == {"compared": "equal"}


def test_a_command_without_any_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `dredkit demo`: old results are looked for before the command is read."""
    begun: list[outcome.Outcome] = []
    monkeypatch.setattr(outcome.Outcome, "begin", lambda one: begun.append(one))
    for command in ("demo", "verify", "bench", "report", "build"):
        forget_old(command, [])
    assert [one.command for one in begun] == ["demo", "verify", "bench", "report", "build"]
    assert begun[0].places.json == (places.DEMO / "verify.json",)
    assert places.read_words([]) == {}
    assert places.read_words(["--junit"]) == {}
    assert places.read_words(["--target"]) == {}


def test_a_command_without_options_is_read_too() -> None:
    assert places.read_words([]) == {}
    assert places.read_words(["--json", "-", "--target"]) == {"json_to": "-"}

# SPDX-License-Identifier: BSD-3-Clause
"""Linux on Arm as a target: a static program, run by qemu-user here, elsewhere through ssh."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from elftools.elf.elffile import ELFFile

from tests.support.random_models import random_inputs, random_model
from tests.support.small_models import small_model
from toolkit.cli import group
from toolkit.common.errors import InputError, ToolError
from toolkit.device.boards.process import ProcessBoard
from toolkit.device.build.build import build_firmware
from toolkit.device.pipeline import Prepared, connected, prepare
from toolkit.measure.budget import budget_of, clock_of
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.report.junit import junit
from toolkit.report.page import verdict
from toolkit.stages.stage import stage_of
from toolkit.targets.target import Target, load_target
from toolkit.verify.checks import checks
from toolkit.verify.verify import Verification, verify

LINUX = ("linux-a53", "linux-a76")
SPEECH = Path("speech.wav")
MODEL = random_model(3)
# ssh to a machine that runs programs for Arm: the server there is started by qemu-user.
SSH = """#!/bin/sh
for command; do :; done
exec sh -c "$(printf '%s' "$command" | sed 's|^ *"$d/server" |qemu-aarch64 -cpu max &|')"
"""


def run(
    prepared: Prepared,
    target: Target,
    port: str | None,
    trace: bool,
    counter: BlockCounter | None = None,
) -> Verification:
    serial = "pty" if trace else "socket"
    with connected(prepared, port=port, serial=serial, plugin=counter) as session:
        return verify(
            session,
            target=target,
            stage=prepared.stage,
            manifest=prepared.manifest,
            build=prepared.build,
            engine=prepared.engine,
            audio=SPEECH,
            inputs=random_inputs(MODEL, 12, 3),
            trace=trace,
            counter=counter,
        )


@pytest.fixture(scope="module", params=LINUX)
def prepared(request: pytest.FixtureRequest, build_root: Path, target_name: str | None) -> Prepared:
    if target_name not in (None, request.param):
        pytest.skip(f"--target {target_name} asked for")
    return prepare(stage_of(MODEL), load_target(request.param), build_root)


def test_the_server_is_a_static_program(prepared: Prepared) -> None:
    assert prepared.build is None
    assert prepared.server is not None
    with prepared.server.open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == "EM_AARCH64"
        assert not [part for part in elf.iter_segments() if part["p_type"] == "PT_INTERP"]


def test_it_is_exact_and_its_speed_is_not_judged(prepared: Prepared) -> None:
    found = run(prepared, prepared.target, None, True)
    assert found.mismatches == 0
    assert found.ok
    facts = {**found.as_json(), "recorded": "now"}
    assert facts["budget"]["judged"] is False
    assert facts["budget"]["unit"] == "nanoseconds"
    asked = checks(facts)
    assert [check.name for check in asked if not check.judged] == ["speed"]
    assert verdict(asked) == "Bit-exact; speed is not judged here"
    assert b'skipped="1"' in junit(facts)
    assert b'<skipped message="not judged: time of an emulator' in junit(facts)


def test_its_cycles_can_be_estimated(prepared: Prepared) -> None:
    if shutil.which("llvm-mca-19") is None:
        pytest.skip("llvm-mca-19 is not installed")
    told = subprocess.run(["qemu-aarch64", "-h"], capture_output=True, text=True).stdout
    if "-plugin" not in told:
        pytest.skip("this qemu-aarch64 takes no plugins: Debian 13 links it statically")
    assert prepared.server is not None
    target = prepared.target
    runs = [run(prepared, target, None, False, BlockCounter(prepared.server)) for _ in range(2)]
    assert [found.mismatches for found in runs] == [0, 0]
    budget = runs[0].budget
    assert (budget.unit, budget.judged, budget.estimated) == ("cycles", True, True)
    assert (budget.clock_hz, budget.limit) == (target.clock_hz, target.clock_hz // 50)
    assert budget.instructions is not None
    assert min(budget.instructions) > 1000
    assert budget.instructions == runs[1].budget.instructions
    assert clock_of(target, 10**9, estimated=True).hz == 10**9


def test_it_runs_on_another_machine(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ssh").write_text(SSH, encoding="utf-8")
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "there"))
    found = run(prepared, prepared.target.not_run_here(), "ssh://pi@board", False)
    assert found.mismatches == 0
    assert found.budget.judged
    assert not list((tmp_path / "there").iterdir())


def test_real_machines_are_judged_by_time_or_by_cycles() -> None:
    here = load_target("linux-a53")
    there = here.not_run_here()
    late = [20_000_001]
    assert budget_of(here, late).holds
    assert not budget_of(there, late).holds
    assert budget_of(there, [20_000_000]).holds
    assert budget_of(there, late).unit == "nanoseconds"
    # The kernel counts cycles: 20 ms at 1.2 GHz.
    counting = there.counting_cycles()
    assert budget_of(counting, [24_000_000]).holds
    assert not budget_of(counting, [24_000_001]).holds
    assert budget_of(counting, late).unit == "cycles"
    assert clock_of(counting, None).hz == here.clock_hz


def test_a_process_that_counts_cycles_is_judged_by_them(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit.device.link.session import Session

    hello = Session.hello
    monkeypatch.setattr(Session, "hello", lambda own: replace(hello(own), cycles=1))
    found = run(prepared, prepared.target.not_run_here(), None, False)
    assert found.budget.unit == "cycles"
    assert found.budget.judged


def test_a_missing_runner_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="qemu-aarch64 is missing: apt-get install qemu-user"):
        ProcessBoard(tmp_path / "server", runner=load_target("linux-a53").runner)


def test_what_only_boards_have_is_refused(tmp_path: Path) -> None:
    for words, why in (
        (["flash", "--target", "linux-a53"], "linux-a53 is not flashed"),
        (["bench", "--target", "linux-a53"], "linux-a53 is not a board"),
        (["verify", "--target", "linux-a53", "--clock", "1000000000"], "measures time itself"),
        (["verify", "--target", "linux-a53", "--cycles", "--port", "ssh://pi@board"], "no --port"),
        (["build", "--target", "linux-a53", "--sanitize"], "--sanitize: a board does not take it"),
    ):
        done = CliRunner().invoke(group, words)
        assert isinstance(done.exception, InputError)
        assert why in str(done.exception)
    with pytest.raises(InputError, match="linux-a53 is no board"):
        build_firmware(load_target("linux-a53"), tmp_path, tmp_path)


def test_the_host_builds_as_before(build_root: Path) -> None:
    target = load_target("host")
    assert (target.is_host, target.is_board, target.runner) == (True, False, None)
    assert not load_target("linux-a53").is_host
    made = prepare(stage_of(small_model()), target, build_root)
    assert made.server is not None

# SPDX-License-Identifier: BSD-3-Clause
"""Boards that only a newer QEMU emulates than the set-up has: run where it is there."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.boards import verified
from tests.support.probe import Probe, built
from tests.support.random_models import random_inputs, random_model
from toolkit.common.errors import ToolError
from toolkit.device.boards import gdb, qemu
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.pipeline import connected, prepare
from toolkit.stages.stage import stage_of
from toolkit.targets.target import Target, load_target, target_names

BOARDS = [
    target.name
    for target in map(load_target, target_names())
    if target.emulator is not None and target.emulator.since
]


def at_hand(name: str) -> Target:
    """Return a board that the QEMU at hand has; skip the test with a reason otherwise."""
    board = load_target(name)
    emulator = board.emulator
    assert emulator is not None
    program = shutil.which(emulator.program)
    if program is None:
        pytest.skip(f"{emulator.program} is not installed")
    have = qemu.version_of(program)
    major, minor = emulator.since.split(".")
    if have is None or have < (int(major), int(minor)):
        pytest.skip(f"{emulator.program} is {have}; {board.name} needs {emulator.since}")
    return board


@pytest.fixture(params=BOARDS)
def target(request: pytest.FixtureRequest) -> Target:
    return at_hand(request.param)


@pytest.fixture
def board(target: Target) -> Iterator[QemuBoard]:
    with QemuBoard(target) as running:
        running.flash(built(target.name).elf)
        yield running


def test_bytes_pass_unchanged(board: QemuBoard) -> None:
    probe = Probe(board.serial_url)
    probe.wait()
    assert probe.words(b"m", count=2) == (0x1234ABCD, 0)
    data = bytes(range(256)) * 8
    for at in range(0, len(data), 1024):
        part = data[at : at + 1024]
        assert probe.ask(b"e", len(part), data=part, answer=len(part)) == part
    assert probe.words(b"d") == (0,)


def instructions_are_counted(board: QemuBoard) -> None:
    probe = Probe(board.serial_url)
    probe.wait()

    def count(rounds: int) -> int:
        work, interrupts = probe.words(b"t", rounds, count=2)
        assert interrupts == 0
        return board.target.count(work)

    base, error = count(1), board.target.count_error(0)
    for rounds in (1, 1000, 123_457, 1_000_000):
        assert abs(count(rounds) - base - 2 * (rounds - 1)) <= 2 * error


def test_instructions_are_counted(board: QemuBoard) -> None:
    instructions_are_counted(board)


def test_a_stack_overflow_is_a_fault(board: QemuBoard) -> None:
    probe = Probe(board.serial_url)
    probe.wait()
    assert probe.ask(b"o", answer=1) == b"\0"
    assert probe.port.read_until(b"\0").startswith(b"dredkit fault: pc=")
    board.reset()
    probe.wait()


def test_a_network_is_verified(target: Target, tmp_path: Path) -> None:
    model = random_model(0)
    prepared = prepare(stage_of(model), target, tmp_path)
    with connected(prepared, port=None, serial="socket") as session:
        verdict = verified(session, prepared, random_inputs(model, 10, 0))
    assert verdict.mismatches == 0
    assert verdict.budget.unit == "instructions"


def test_a_raspberry_pi_starts_at_el2_as_its_firmware_starts_it(tmp_path: Path) -> None:
    """QEMU starts a kernel as the board's firmware does; flashed, the board starts at EL3."""
    board = at_hand("raspi4b")
    kernel = tmp_path / "kernel8.img"
    objcopy = f"{board.toolchain.prefix}objcopy"
    subprocess.run([objcopy, "-O", "binary", built(board.name).elf, kernel], check=True)
    assert board.emulator is not None
    bare = replace(board, emulator=replace(board.emulator, args=()))
    with QemuBoard(bare, options=("-kernel", str(kernel))) as running:
        commands = ["break *0x80000", "continue", "print/x $cpsr & 0xf", "delete", "detach"]
        said = gdb.run_gdb(running.gdb_address, commands, before="set architecture aarch64")
        assert "$1 = 0x9\n" in said
        instructions_are_counted(running)


def test_an_older_qemu_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qemu-system-arm"
    program.write_text("#!/bin/sh\necho 'QEMU emulator version 7.2.22 (Debian)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ToolError, match=r"^b-l475e-iot01a: .* is version 7\.2; .* since 9\.1"):
        QemuBoard(load_target("b-l475e-iot01a"))

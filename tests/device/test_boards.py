# SPDX-License-Identifier: BSD-3-Clause
"""Emulated boards: flashing through gdb, their UART, instruction counts, reset and kill."""

import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner
from elftools.elf.elffile import ELFFile

from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.fixtures.ports import unused_port
from tests.support.probe import BOARDS, Probe, built
from toolkit.commands.flash import command
from toolkit.common.errors import BoardError, InputError, ToolError
from toolkit.device.boards import gdb, patience
from toolkit.device.boards.probe import flash_probe
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.flash import pyocd_api
from toolkit.targets.target import load_target

# A board's report of a fault: its bytes, the digits of an address, an undefined instruction.
FAULT_BYTES = {"cortexm": 82, "armv7a": 82, "aarch64": 98}
FAULT_DIGITS = {"cortexm": 8, "armv7a": 8, "aarch64": 16}
UNDEFINED = {
    "cortexm": b"cfsr=00010000",
    "armv7a": b"mode=0000001b",
    "aarch64": b"esr=0000000002000000",
}
EACH_BOARD = pytest.mark.parametrize("name", BOARDS)


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Iterator[QemuBoard]:
    """Return a board that runs the probe, on a socket."""
    with QemuBoard(load_target(request.param)) as running:
        running.flash(built(request.param).elf)
        yield running


@pytest.fixture
def probe(board: QemuBoard) -> Probe:
    """Return the host's end of `board`."""
    probe = Probe(board.serial_url)
    probe.wait()
    return probe


@EACH_BOARD
def test_flash_compares_every_section(name: str) -> None:
    with QemuBoard(load_target(name)) as running:
        report = running.flash(built(name).elf)
        assert set(report.sections) == {
            ".vectors", ".note.gnu.build-id", ".text", ".rodata", ".data",
        }  # fmt: skip
        assert report.bytes == built(name).flash
        assert running.alive()
    assert not running.alive()


def test_start_up_fills_ram_and_build_id_is_the_images(board: QemuBoard, probe: Probe) -> None:
    assert probe.words(b"m", count=2) == (0x1234ABCD, 0)
    assert probe.words(b"m", count=2) == (0x1234ABCE, 1)
    assert probe.ask(b"b", answer=20).hex() == built(board.target.name).build_id
    assert probe.ask(b"s", data=bytes(range(16)), answer=16) == bytes(range(255, 239, -1))


def test_reset_boots_again(board: QemuBoard, probe: Probe) -> None:
    assert probe.words(b"m", count=2) == (0x1234ABCD, 0)
    board.reset()
    probe.wait()
    assert probe.words(b"m", count=2) == (0x1234ABCD, 0)


def test_bytes_pass_unchanged(probe: Probe) -> None:
    data = bytes(range(256)) * 40
    for at in range(0, len(data), 1024):
        part = data[at : at + 1024]
        assert probe.ask(b"e", len(part), data=part, answer=len(part)) == part
    assert probe.words(b"d") == (0,)


@EACH_BOARD
def test_a_pseudo_terminal_does_as_well(name: str) -> None:
    with QemuBoard(load_target(name), "pty") as running:
        assert stat.S_ISCHR(Path(running.serial_url).stat().st_mode)
        running.flash(built(name).elf)
        probe = Probe(running.serial_url)
        probe.wait()
        data = bytes(range(256)) * 4
        assert probe.ask(b"e", len(data), data=data, answer=len(data)) == data


def test_instructions_are_counted_exactly(board: QemuBoard, probe: Probe) -> None:
    def count(rounds: int) -> int:
        work, interrupts = probe.words(b"t", rounds, count=2)
        assert interrupts == 0
        return board.target.count(work)

    base = count(1)
    # A round is two instructions; the code around the loop is always the same.
    for rounds in (1, 2, 1000, 1000, 123_457, 1_000_000):
        assert count(rounds) == base + 2 * (rounds - 1)


def test_interrupts_are_taken_out_of_the_count(board: QemuBoard, probe: Probe) -> None:
    rounds = 8_000_000
    quiet = board.target.count(probe.words(b"t", 1, count=2)[0]) + 2 * (rounds - 1)
    for noise in (1, 40, 300):
        assert probe.words(b"i", rounds) == (0,)
        # The board waits for the first of these letters, which it ignores; the others arrive at
        # any time.
        probe.port.write(b"z" * noise)
        work, interrupts = struct.unpack("<2I", probe.port.read(8))
        assert interrupts > 0
        # A byte is one interrupt; the board subtracts the interrupts that came in time.
        assert abs(board.target.count(work) - quiet) <= board.target.count_error(noise)


def test_a_full_ring_counts_what_it_drops(board: QemuBoard, probe: Probe) -> None:
    uart = board.target.uart
    assert uart is not None
    extra = 500
    noise = b"z" * (uart.ring_bytes + extra)
    # The probe does not read until the last byte was dropped; then it empties the ring and answers.
    assert probe.ask(b"h", extra, data=noise, answer=4) == struct.pack("<I", extra)
    assert probe.ask(b"e", 3, data=b"end", answer=3) == b"end"


def test_stack_peak_is_real_and_below_the_static_bound(board: QemuBoard, probe: Probe) -> None:
    result = built(board.target.name)
    (peak,) = probe.words(b"p")
    assert 64 < peak <= result.stack_worst
    assert result.stack_worst < peak + 512


def test_a_fault_says_where(board: QemuBoard, probe: Probe) -> None:
    system = board.target.system
    said = probe.ask(b"x", answer=FAULT_BYTES[system])
    assert said.startswith(b"\0dredkit fault: pc=")
    assert said.endswith(b"\0")
    where = int(said.split(b"pc=")[1][: FAULT_DIGITS[system]], 16)
    with built(board.target.name).elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        (main,) = table.get_symbol_by_name("main")
        start = main["st_value"] & ~1
        assert start <= where < start + main["st_size"]
    assert UNDEFINED[system] in said
    board.reset()
    probe.wait()


def test_a_stack_overflow_is_a_fault(board: QemuBoard, probe: Probe) -> None:
    said = probe.ask(b"o", answer=FAULT_BYTES[board.target.system])
    assert said.startswith(b"\0dredkit fault: pc=")
    assert said.endswith(b"\0")
    board.reset()
    probe.wait()
    assert probe.words(b"m", count=2) == (0x1234ABCD, 0)


def test_a_killed_board_is_noticed(board: QemuBoard, probe: Probe) -> None:
    assert board.alive()
    board.kill()
    assert not board.alive()
    with pytest.raises(serial.SerialException):
        probe.port.read(1)
    with pytest.raises(BoardError, match="QEMU has ended"):
        board.reset()


@pytest.mark.parametrize("kind", ["socket", "pty"])
def test_nothing_is_left_of_a_killed_program(kind: str) -> None:
    """No QEMU survives: neither one that runs, which gave the pty, nor one about to start."""
    code = f"""
from toolkit.device.boards.qemu import QemuBoard
from toolkit.targets.target import load_target
board = QemuBoard(load_target("netduinoplus2"), "{kind}")
print(board.serial_url, flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        port = serial.serial_for_url(program.stdout.readline().strip(), timeout=PATIENCE_S)
        program.kill()
    with port, pytest.raises(serial.SerialException):  # a timeout would raise nothing
        port.read(1)


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BoardError) as caught:
            QemuBoard(load_target("mps3-an547"), f"socket://127.0.0.1:{port}")
    assert str(caught.value) == f"port 127.0.0.1:{port} cannot be used: Address already in use"


def test_a_chosen_port_is_taken() -> None:
    with unused_port() as number:
        url = f"socket://127.0.0.1:{number}"
        with QemuBoard(load_target("netduinoplus2"), url) as running:
            assert running.serial_url == url
            running.flash(built("netduinoplus2").elf)
            Probe(url).wait()


@pytest.mark.parametrize("port", ["socket://nowhere", "COM1", "socket://127.0.0.1:99999", ""])
def test_a_port_that_is_none_is_one_line(port: str) -> None:
    with pytest.raises((InputError, BoardError), match=r"^[^\n]+$"):
        QemuBoard(load_target("mps3-an547"), port)


def test_missing_programs_name_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    image = built("mps3-an547").elf
    with QemuBoard(load_target("mps3-an547")) as running:
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(ToolError, match=r"^gdb-multiarch is missing: apt-get install gdb-mult"):
            running.flash(image)
        with pytest.raises(ToolError, match=r"^qemu-system-arm is missing: apt-get install qemu"):
            QemuBoard(load_target("mps3-an547"))


def test_a_gdb_by_another_name_that_knows_the_core_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fedora and macOS have no gdb-multiarch. Debian's gdb knows its own processor alone."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, knows in (("gdb", "*arm|*aarch64"), ("arm-none-eabi-gdb", "*arm")):
        (tmp_path / name).write_text(f"#!/bin/sh\ncase $4 in {knows}) ;; *) exit 1 ;; esac\n")
        (tmp_path / name).chmod(0o755)
    assert gdb.find_gdb("arm") == str(tmp_path / "arm-none-eabi-gdb")
    assert gdb.find_gdb("aarch64") == str(tmp_path / "gdb")
    (tmp_path / "gdb").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ToolError, match=r"^gdb-multiarch is missing"):
        gdb.find_gdb("aarch64")


def test_a_board_without_emulator_says_so() -> None:
    with pytest.raises(InputError, match="host has no emulator"):
        QemuBoard(load_target("host"))


def test_an_image_of_another_board_does_not_fit() -> None:
    with (
        QemuBoard(load_target("netduinoplus2")) as running,
        pytest.raises(BoardError, match=r"^firmware\.elf: \.vectors .* does not fit the flash of"),
    ):
        running.flash(built("mps3-an547").elf)


def test_a_too_large_image_is_refused_before_it_is_written(tmp_path: Path) -> None:
    source = tmp_path / "big.c"
    source.write_text("const char big[(1 << 20) + 4] = {1};\n", encoding="utf-8")
    image = tmp_path / "big.elf"
    subprocess.run(
        ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m4", "-nostdlib", "-Wl,-e,0",
         "-Wl,--section-start=.rodata=0x08000000", str(source), "-o", str(image)],
        check=True,
    )  # fmt: skip
    with pytest.raises(BoardError, match=r"big\.elf: \.rodata \(1048580 bytes at 0x08000000\)"):
        gdb.check_fits(image, load_target("netduinoplus2"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Section .text, range 0x0 -- 0x9: matched.\n"
         "Section .rodata, range 0x10 -- 0x19: MIS-MATCHED!\n", ".rodata read back differently"),
        ("Section .text, range 0x0 -- 0x9: matched.\nLoad failed\n",
         ".rodata not verified; gdb says: Load failed"),
        ("Remote communication error.  Target disconnected.\n",
         ".rodata, .text not verified; gdb says: Remote communication error"),
    ],
)  # fmt: skip
def test_the_comparison_is_read_not_believed(said: str, why: str) -> None:
    with pytest.raises(BoardError, match=why):
        gdb.check_comparison(said, {".text", ".rodata"}, "firmware.elf")


def test_a_real_mismatch_is_seen(tmp_path: Path) -> None:
    """Compare one image with a board that was flashed with another."""
    image = built("netduinoplus2").elf
    other = bytearray(image.read_bytes())
    at = other.find(b"probe\0")
    other[at] ^= 1
    changed = tmp_path / "firmware.elf"
    changed.write_bytes(other)
    with QemuBoard(load_target("netduinoplus2")) as running:
        running.flash(image)
        said = gdb.run_gdb(running.gdb_address, ["compare-sections", "detach"], image=changed)
    with pytest.raises(BoardError, match=r"\.rodata read back differently"):
        gdb.check_comparison(said, {".rodata"}, "firmware.elf")


def test_nobody_at_the_gdb_port_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "GDB_CONNECT_S", 1)  # nobody ever listens there
    with (
        unused_port() as number,
        pytest.raises(BoardError, match=r"^no board answers gdb at 127\.0\.0\.1:\d+: [^\n]+$"),
    ):
        gdb.run_gdb(f"127.0.0.1:{number}", ["detach"])


def test_without_a_connection_nothing_is_compared(tmp_path: Path) -> None:
    """gdb would compare the image with itself, and find another .data at its load address."""
    image = built("virt-a53").elf
    with pytest.raises(gdb.NoAnswer, match=r"^no board answers gdb at /[^\n]+: No such file"):
        gdb.write_image(
            gdb.SERVERS["qemu"], str(tmp_path / "gdb"), image, load_target("virt-a53"), lambda: True
        )


@pytest.mark.parametrize("command", ["nonsense", "load /nonexistent"])
def test_what_gdb_refuses_is_told(command: str) -> None:
    image = built("netduinoplus2").elf
    with QemuBoard(load_target("netduinoplus2")) as running:
        running.flash(image)
        with pytest.raises(BoardError, match=r"^gdb at \S+ says: [^\n]+$"):
            gdb.run_gdb(running.gdb_address, [command, "detach"], image=image)


QEMU_WORDS = {
    "one line": ("echo 'unsupported machine type'", "unsupported machine type"),
    "the error, not the advice": (
        "echo 'qemu-system-arm: warning: old'; echo 'qemu-system-arm: unsupported machine type';"
        "echo 'Use -machine help to list supported machines'",
        "qemu-system-arm: unsupported machine type",
    ),
    "none": (":", "exit status 1"),
}


@pytest.mark.parametrize("serial", ["socket", "pty"])
@pytest.mark.parametrize(("says", "words"), QEMU_WORDS.values(), ids=QEMU_WORDS)
def test_a_qemu_that_does_not_start_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serial: str, says: str, words: str
) -> None:
    fake = tmp_path / "qemu-system-arm"
    fake.write_text(f"#!/bin/sh\n{{ {says}; }} >&2\nexit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    image = built("mps3-an547").elf
    with (
        pytest.raises(BoardError) as caught,
        QemuBoard(load_target("mps3-an547"), serial) as running,
    ):
        running.flash(image)
    assert str(caught.value) == f"mps3-an547: QEMU has ended: {words}"


def test_a_slow_qemu_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gdb starts before QEMU: QEMU starts once gdb has run its first command."""
    started = tmp_path / "gdb-runs"
    os.mkfifo(started)
    for name, line in (
        (
            "qemu-system-aarch64",
            f"read -r _ <{started}; exec {shutil.which('qemu-system-aarch64')}",
        ),
        ("gdb-multiarch", f"echo now >{started}; exec {shutil.which('gdb-multiarch')}"),
    ):
        slow = tmp_path / name
        slow.write_text(f'#!/bin/sh\n{line} "$@"\n', encoding="utf-8")
        slow.chmod(0o755)
    image = built("virt-a53").elf
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with QemuBoard(load_target("virt-a53")) as running:
        assert running.flash(image).bytes == built("virt-a53").flash


@pytest.mark.parametrize("folder", ["a b", "a,b", "a:b", "quote'\"d", "x" * 100])
def test_any_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """The folder may hold the image, or temporary files with their sockets."""
    place = tmp_path / folder
    place.mkdir()
    image = shutil.copy(built("netduinoplus2").elf, place / "firm ware.elf")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with QemuBoard(load_target("netduinoplus2")) as running:
        running.flash(image)
        running.reset()
        probe = Probe(running.serial_url)
        probe.wait()
        assert probe.words(b"m", count=2) == (0x1234ABCD, 0)


@pytest.mark.parametrize(
    ("server", "program", "says", "meaning"),
    [
        ("pyocd", "pyocd", "0000452 C No connected debug probes [__main__]",
         "pyocd finds no debug probe"),
        ("openocd", "openocd", "Error: unable to find a matching CMSIS-DAP device",
         "openocd finds no CMSIS-DAP probe"),
        ("openocd", "openocd", "Error: open failed", "openocd finds no debug probe"),
        ("st-util", "st-util", "Couldn't find any ST-Link devices", "st-util finds no ST-Link"),
        ("pyocd", "pyocd", "Segmentation fault", "pyocd has ended: Segmentation fault"),
    ],
)  # fmt: skip
def test_a_probe_that_is_not_there_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
    program: str,
    says: str,
    meaning: str,
) -> None:
    fake = tmp_path / program
    fake.write_text(f'#!/bin/sh\necho "{says}" >&2\nexit 1\n', encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(pyocd_api, "available", lambda: False)  # the program is used then
    with pytest.raises(BoardError) as caught:
        flash_probe(load_target("netduinoplus2"), server, built("netduinoplus2").elf)
    advice = "" if "has ended" in meaning else ": connect the board, then try again"
    assert str(caught.value) == f"{meaning}{advice}"


def test_unknown_and_missing_debug_servers_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    target, image = load_target("netduinoplus2"), built("netduinoplus2").elf
    with pytest.raises(InputError, match=r"unknown debug server 'bdi'; known: openocd, pyocd"):
        flash_probe(target, "bdi", image)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match=r"^openocd is missing: "):
        flash_probe(target, "openocd", image)


def test_the_command_flashes_and_reports() -> None:
    image = str(built("mps3-an547").elf)
    result = CliRunner().invoke(
        command, ["--target", "mps3-an547", "--image", image, "--check", "--json", "-"]
    )
    assert result.exit_code == 0, result.exception
    assert '"compared": "equal"' in result.stdout
    assert built("mps3-an547").build_id in result.stdout


def test_the_command_names_what_is_missing(tmp_path: Path) -> None:
    absent = str(tmp_path / "none.elf")
    result = CliRunner().invoke(command, ["--target", "mps3-an547", "--image", absent])
    assert "none.elf is missing: run `dredkit build --target mps3-an547`" in str(result.exception)
    result = CliRunner().invoke(command, ["--target", "host"])
    assert "host is not flashed" in str(result.exception)

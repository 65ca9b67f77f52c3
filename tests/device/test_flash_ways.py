# SPDX-License-Identifier: BSD-3-Clause
"""Every way to write an image: its words on the command line, its files, its complaints."""

import os
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.probe import built
from toolkit.common.errors import BoardError, InputError, ToolError
from toolkit.device.boards.probe import flash_probe, ways
from toolkit.device.flash import copying, drives, pyocd_api
from toolkit.device.flash.image import Piece, intel_hex, pieces, uf2
from toolkit.targets.target import Target, load_target, read_target

BOARD = "netduinoplus2"
FAMILY = 0x57755A57  # STM32F4 in microsoft/uf2's utils/uf2families.json
RECORDS = '#!/bin/sh\nprintf "%s\\n" "$@" >"$FAKE_WORDS"\n{says}\nexit {status}\n'


@pytest.fixture(scope="module")
def image() -> Path:
    return built(BOARD).elf


@pytest.fixture
def board(tmp_path: Path) -> Target:
    """Return the board with arguments for every way to write."""
    text = load_target(BOARD).path.read_text(encoding="utf-8")
    more = f'[flash.probes]\nuf2 = ["{FAMILY:#x}"]\ncube = ["0x20000001"]\ndrive = []\n'
    file = tmp_path / f"{BOARD}.toml"
    file.write_text(text.replace("[flash.probes]", more), encoding="utf-8")
    return read_target(file)


def put(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str = "", status: int = 0
) -> Path:
    """Put a program first in PATH that records its words; return the file of its words."""
    folder.mkdir(exist_ok=True)
    program, words = folder / name, folder / f"{name}.words"
    program.write_text(RECORDS.format(says=says, status=status), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_WORDS", str(words))
    return words


@pytest.mark.parametrize(
    ("server", "program", "expected"),
    [
        ("openocd", "openocd", ["-c", "adapter serial 0669FF"]),
        ("pyocd", "pyocd", ["--uid", "0669FF"]),
        ("jlink", "JLinkGDBServerCLExe", ["-select", "usb=0669FF"]),
        ("st-util", "st-util", ["--serial", "0669FF"]),
    ],
)
def test_a_debug_server_gets_the_probes_serial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Target, image: Path,
    server: str, program: str, expected: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(pyocd_api, "available", lambda: False)
    words = put(tmp_path / "bin", monkeypatch, program, status=1)
    with pytest.raises(BoardError):
        flash_probe(board, server, image, "0669FF")
    said = words.read_text(encoding="utf-8").splitlines()
    assert said[-2:] == expected
    own = list(board.flash.probes[server])
    assert said[len(said) - 2 - len(own) : -2] == own
    assert server != "pyocd" or "--no-wait" in said


def test_picotool_writes_compares_and_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Target, image: Path
) -> None:
    words = put(tmp_path / "bin", monkeypatch, "picotool")
    report = flash_probe(board, "picotool", image, "E661")
    said = words.read_text(encoding="utf-8").splitlines()
    options = ["--verify", "--execute", str(image), "-t", "elf"]
    assert said == ["load", "--ser", "E661", *options]
    assert report.compared == "by the tool"
    assert report.bytes == sum(report.sections.values()) > 0
    flash_probe(board, "picotool", image)
    assert words.read_text(encoding="utf-8").splitlines() == ["load", *options]


def test_sts_programmer_starts_an_image_in_ram_where_the_board_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Target, image: Path
) -> None:
    words = put(tmp_path / "bin", monkeypatch, "STM32_Programmer_CLI")
    flash_probe(board, "cube", image, "0669FF")
    said = words.read_text(encoding="utf-8").splitlines()
    assert said == ["-c", "port=SWD", "sn=0669FF", "-w", str(image), "-v", "-s", "0x20000001"]


def test_a_boards_settings_of_the_connection_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = put(tmp_path / "bin", monkeypatch, "STM32_Programmer_CLI")
    image = built("stm32n6570_dk").elf
    flash_probe(load_target("stm32n6570_dk"), "cube", image)
    said = words.read_text(encoding="utf-8").splitlines()
    assert said == [
        "-c", "port=SWD", "mode=HOTPLUG", "ap=1", "-w", str(image), "-v", "-s", "0x34000000",
    ]  # fmt: skip


def test_a_teensy_gets_a_hex_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program in place of the loader keeps the file, which is gone once that has ended."""
    target = load_target("teensy41")
    image = built(target.name).elf
    kept = tmp_path / "kept.hex"
    words = put(tmp_path / "bin", monkeypatch, "teensy_loader_cli", f'cp "$2" {kept}')
    report = flash_probe(target, "teensy", image)
    verbose, file, board = words.read_text(encoding="utf-8").splitlines()
    assert (verbose, Path(file).name, board) == ("-v", "firmware.hex", "--mcu=TEENSY41")
    assert not Path(file).exists()
    assert kept.read_bytes() == intel_hex(pieces(image))
    assert kept.read_text(encoding="ascii").startswith(":020000046000")  # flash at 0x60000000
    assert report.compared == "no"
    with pytest.raises(InputError, match="--probe: teensy_loader_cli cannot choose"):
        flash_probe(target, "teensy", image, "123")


@pytest.mark.parametrize(
    ("server", "program", "says", "told"),
    [
        ("teensy", "teensy_loader_cli", "Unable to open device (hint: try -w option)",
         "teensy_loader_cli finds no board: press its button"),
        ("picotool", "picotool", "No accessible RP2350 devices in BOOTSEL mode were found.",
         "picotool finds no board: hold BOOTSEL while you plug it in"),
        ("cube", "STM32_Programmer_CLI", "Error: No debug probe detected.",
         "STM32_Programmer_CLI finds no ST-LINK"),
        ("cube", "STM32_Programmer_CLI", "Warm\nError: failed to erase memory",
         "cube: Error: failed to erase memory"),
        ("picotool", "picotool", "", "picotool: ended with exit status 1"),
    ],
)  # fmt: skip
def test_a_tools_complaint_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Target, image: Path,
    server: str, program: str, says: str, told: str,
) -> None:  # fmt: skip
    put(tmp_path / "bin", monkeypatch, program, f"printf '{says}\\n'", 1)
    with pytest.raises(BoardError) as caught:
        flash_probe(board, server, image)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "server", ["openocd", "pyocd", "jlink", "st-util", "picotool", "cube", "teensy"]
)
def test_a_missing_tool_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, board: Target, image: Path, server: str
) -> None:
    monkeypatch.setattr(pyocd_api, "available", lambda: False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match=r"^\S+ is missing: .*install") as caught:
        flash_probe(board, server, image)
    assert "\n" not in str(caught.value)
    assert server in ways()


def blocks(data: bytes) -> list[tuple[int, ...]]:
    assert len(data) % 512 == 0
    return [struct.unpack_from("<8I", data, at) for at in range(0, len(data), 512)]


def test_a_uf2_file_holds_the_image() -> None:
    parts = [Piece(0x10000000, bytes(range(256)) * 2), Piece(0x10000280, b"end")]
    data = uf2(parts, FAMILY)
    heads = blocks(data)
    assert [head[:3] for head in heads] == [(0x0A324655, 0x9E5D5157, 0x2000)] * 3
    assert [head[3] for head in heads] == [0x10000000, 0x10000100, 0x10000200]
    assert [head[4:] for head in heads] == [(256, n, 3, FAMILY) for n in range(3)]
    assert data[32:288] == bytes(range(256))
    assert data[1024 + 32 : 1024 + 32 + 256] == bytes(128) + b"end" + bytes(125)
    assert [data[at + 508 : at + 512] for at in (0, 512, 1024)] == [b"\x30\x6f\xb1\x0a"] * 3


def test_a_hex_file_holds_the_image() -> None:
    data = intel_hex([Piece(0x0800FFFC, b"abcdefgh"), Piece(0x20000000, b"")])
    assert data.decode().split() == [
        ":020000040800F2",
        ":04FFFC006162636477",
        ":020000040801F1",
        ":040000006566676862",
        ":00000001FF",
    ]
    for line in data.decode().split():
        assert sum(bytes.fromhex(line[1:])) & 0xFF == 0


def drive(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> Path:
    """Make a drive and let it be the only one that is mounted."""
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.TXT").write_text(text, encoding="utf-8")
    mounts = folder.parent / "mounts"
    shown = str(folder).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 {shown} vfat rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(copying, "drives", lambda: drives.drives(mounts))
    return folder


def test_uf2_is_copied_to_the_loaders_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Target, image: Path
) -> None:
    info = "UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n"
    folder = drive(tmp_path / "RP 2350", monkeypatch, INFO_UF2=info)
    report = flash_probe(board, "uf2", image)
    assert report.compared == "no"
    written = (folder / "FIRMWARE.UF2").read_bytes()
    assert written == uf2(pieces(image), FAMILY)
    assert blocks(written)[0][3] == 0x08000000
    with pytest.raises(BoardError, match="no mounted drive elsewhere of a uf2 board: hold BOOTSEL"):
        flash_probe(board, "uf2", image, "elsewhere")
    with pytest.raises(InputError, match=r"\[flash.probes\] needs uf2"):
        flash_probe(load_target(BOARD), "uf2", image)


def test_a_daplinks_drive_takes_hex_and_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Target, image: Path
) -> None:
    details = "# DAPLink Firmware\nUnique ID: 0240000000\nHIC ID: 97969902\n"
    folder = drive(tmp_path / "DAPLINK", monkeypatch, DETAILS=details)
    flash_probe(board, "drive", image, "0240000000")
    assert (folder / "FIRMWARE.HEX").read_bytes() == intel_hex(pieces(image))
    (folder / "FAIL.TXT").write_text("error: the target\nfailed to halt\n", encoding="utf-8")
    with pytest.raises(BoardError, match="refused the image: error: the target failed to halt"):
        flash_probe(board, "drive", image)


def test_without_a_drive_the_cure_is_told(
    monkeypatch: pytest.MonkeyPatch, board: Target, image: Path
) -> None:
    monkeypatch.setattr(copying, "drives", list)
    with pytest.raises(BoardError, match="no mounted drive of a uf2 board: hold BOOTSEL"):
        flash_probe(board, "uf2", image)
    two = [drives.Drive(Path(f"/{n}"), drives.DAPLINK, "", n) for n in ("a", "b")]
    monkeypatch.setattr(copying, "drives", lambda: two)
    with pytest.raises(BoardError, match="2 drives of daplink boards: say --probe with one of a, "):
        flash_probe(board, "drive", image)


def test_pyocd_without_a_probe_is_one_line(board: Target, image: Path) -> None:
    """pyOCD's own API is asked; it does not wait for a probe to be plugged in."""
    pytest.importorskip("pyocd")
    with pytest.raises(BoardError) as caught:
        flash_probe(board, "pyocd", image, "no-probe-has-this-serial")
    assert str(caught.value) == (
        "pyocd finds no debug probe no-probe-has-this-serial: connect the board, then try again"
    )
    assert pyocd_api.probes("no-probe-has-this-serial") == []


def plug(monkeypatch: pytest.MonkeyPatch, *serials: str) -> None:
    """Let pyOCD see probes of these serials, with a board that it knows."""
    aggregator = pytest.importorskip("pyocd.probe.aggregator").DebugProbeAggregator
    board = pytest.importorskip("pyocd.board.board_ids").BOARD_ID_TO_INFO["0240"]
    found = [
        SimpleNamespace(unique_id=serial, description="DAPLink", associated_board_info=board)
        for serial in serials
    ]
    monkeypatch.setattr(aggregator, "get_all_connected_probes", lambda *_, **__: found)


def test_pyocd_lists_probes_chips_and_boards(
    monkeypatch: pytest.MonkeyPatch, board: Target, image: Path
) -> None:
    plug(monkeypatch, "0240b", "0240a")
    found = pyocd_api.probes()
    assert [probe.serial for probe in found] == ["0240a", "0240b"]
    assert found[0].name == "DAPLink"
    assert found[0].chip == "k64f"
    assert found[0].board == "FRDM-K64F"
    with pytest.raises(BoardError, match="pyocd finds 2 probes: say --probe with one of 0240a, 02"):
        flash_probe(board, "pyocd", image)


class Memory:
    """A target as pyOCD gives it to us: what was written can be read."""

    def __init__(self, parts: list[Piece], wrong: int | None) -> None:
        self.parts = parts
        self.wrong = wrong
        self.calls: list[str] = []

    def reset_and_halt(self) -> None:
        self.calls.append("reset and halt")

    def reset(self) -> None:
        self.calls.append("reset")

    def read_memory_block8(self, address: int, count: int) -> list[int]:
        part = next(part for part in self.parts if part.address == address)
        data = bytearray(part.data[:count])
        if self.wrong is not None:
            data[self.wrong] ^= 1
        return list(data)


@pytest.mark.parametrize("wrong", [None, 7])
def test_pyocd_writes_reads_back_and_resets(
    monkeypatch: pytest.MonkeyPatch, board: Target, image: Path, wrong: int | None
) -> None:
    plug(monkeypatch, "0240a")
    memory = Memory(pieces(image), wrong)
    asked: list[Any] = []

    class Session:
        target = memory

        def __init__(self, probe: Any, options: dict[str, Any]) -> None:
            asked.append((probe.unique_id, options["target_override"]))

        def __enter__(self) -> "Session":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    class Programmer:
        def __init__(self, session: Session) -> None:
            pass

        def program(self, file: str, file_format: str) -> None:
            asked.append((file, file_format))

    monkeypatch.setattr("pyocd.core.session.Session", Session)
    monkeypatch.setattr("pyocd.flash.file_programmer.FileProgrammer", Programmer)
    if wrong is None:
        report = flash_probe(board, "pyocd", image, "0240a")
        assert report.compared == "equal"
        assert memory.calls == ["reset and halt", "reset"]
    else:
        with pytest.raises(BoardError, match="the bytes at 0x08000000 read back differently"):
            flash_probe(board, "pyocd", image, "0240a")
        assert memory.calls == ["reset and halt"]
    assert asked == [("0240a", "stm32f405rgtx"), (str(image), "elf")]


def test_arguments_for_pyocd_become_options_of_its_session() -> None:
    words = ("--target=stm32u585", "--pack", "a.pack", "-f", "4e6", "-O", "reset_type=hw")
    assert pyocd_api.options_of(words, "board") == {
        "target_override": "stm32u585", "pack": "a.pack", "frequency": 4_000_000,
        "reset_type": "hw",
    }  # fmt: skip
    with pytest.raises(InputError, match="'--semihosting' is no option for pyOCD's API"):
        pyocd_api.options_of(("--semihosting",), "board")

# SPDX-License-Identifier: BSD-3-Clause
"""The link through a debug probe (RTT): firmware in QEMU, whose RAM stands for what a probe sees.

pyOCD itself finds the control block and moves the rings' offsets.
"""

import importlib.util
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.boards import verified
from tests.support.probe import APP, MODEL
from tests.support.random_models import random_inputs, random_model
from toolkit.common.errors import BoardError, InputError, LinkError, ToolError
from toolkit.device.boards import rtt
from toolkit.device.boards.lines import check_line, open_line
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.boards.shared_ram import SharedRam
from toolkit.device.build.build import build_firmware
from toolkit.device.build.elf import symbols
from toolkit.device.flash import pyocd_api
from toolkit.device.link.rtt import RttTransport
from toolkit.device.link.session import Session
from toolkit.device.link.transport import PortLost
from toolkit.device.pipeline import Prepared, connected, prepare
from toolkit.stages.stage import stage_of
from toolkit.targets.target import TARGETS, load_target

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pyocd") is None, reason="pyOCD is not installed"
)
EMULATED = "mps2-an500"
RING = 1024
STEPS = 40


def over_rtt(name: str, folder: Path) -> Path:
    """Write a board that ships with its link over RTT, and return its TOML."""
    text = (TARGETS / f"{name}.toml").read_text(encoding="utf-8")
    before, after = text.split("[uart]")
    driver = next(line for line in after.splitlines() if line.startswith("driver = "))
    path = folder / f"{name}.toml"
    after = after.replace(driver, 'driver = "rtt"', 1)
    path.write_text(f"{before}[uart]{after}", encoding="utf-8")
    return path


def in_psram(path: Path, ram: str = 'ram = "psram"\n') -> Path:
    """Move an MPS2's variables into its PSRAM, which is what QEMU can share."""
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ('sections = ["data", "bss"]', "sections = []"),
        ("length = 0x0001_0000", "length = 0x0100_0000"),
        ('sections = ["stack"]', 'sections = ["stack", "data", "bss"]'),
        ("ring_bytes = 4096", f"ring_bytes = {RING}"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text + ram, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("rtt")
    target = load_target(str(in_psram(over_rtt(EMULATED, folder))))
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    return prepare(stage_of(random_model(0)), target, folder / "build")


def verdict_of(session: Session, prepared: Prepared) -> dict[str, Any]:
    return verified(
        session, prepared, random_inputs(random_model(0), STEPS, 0), trace=True
    ).as_json()


def test_an_emulated_board_is_verified(prepared: Prepared) -> None:
    with connected(prepared, port=None, serial="socket") as session:
        verdict = verdict_of(session, prepared)
    assert verdict["mismatches"] == 0
    assert verdict["budget"]["unit"] == "instructions"
    link = verdict["link"]
    assert link["bytes_in"] > 2 * RING
    assert link["bytes_out"] > 2 * RING
    assert (link["damaged"], link["resent"], link["board_rx_dropped"]) == (0, 0, 0)


@pytest.fixture
def probed(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> Iterator[QemuBoard]:
    """Run the board, and let its RAM be what pyOCD attaches to."""
    assert prepared.build is not None
    with QemuBoard(prepared.target) as board:
        board.flash(prepared.build.elf)
        monkeypatch.setattr(pyocd_api, "attach", lambda serial, options: (board.ram, lambda: None))
        yield board


def test_a_port_reaches_the_board_through_its_probe(prepared: Prepared, probed: QemuBoard) -> None:
    with connected(prepared, port="rtt://0669FF", serial="socket") as session:
        assert verdict_of(session, prepared)["mismatches"] == 0
        probed.reset()
    # Without an image the control block is searched.
    with open_line("rtt://", target=prepared.target, wait_s=60.0) as line:
        board = Session(line).hello()
    assert (board.target, board.session) == (EMULATED, 0)


def test_the_probe_gets_the_chip_of_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str | None, dict[str, Any]]] = []

    def attach(serial: str | None, options: dict[str, Any]) -> None:
        asked.append((serial, options))
        raise BoardError("no probe")

    monkeypatch.setattr(pyocd_api, "attach", attach)
    target = load_target(str(over_rtt("nucleo_h743zi", tmp_path)))
    for url in ("rtt://", "rtt://0669FF?chip=stm32h7"):
        with pytest.raises(BoardError):
            open_line(url, target=target)
    chips = [(serial, options["target_override"]) for serial, options in asked]
    assert chips == [(None, "stm32h743xx"), ("0669FF", "stm32h7")]


def test_a_board_of_silicon_builds_with_it(tmp_path: Path) -> None:
    target = load_target(str(over_rtt("nucleo_h743zi", tmp_path)))
    if shutil.which(f"{target.toolchain.prefix}gcc") is None:
        pytest.skip(f"{target.toolchain.prefix}gcc is not installed")
    image = build_firmware(target, MODEL, tmp_path / "build", APP).elf
    found = {symbol.name: symbol for symbol in symbols(image)}
    home = target.memory_of("bss")
    block = found[rtt.BLOCK]
    assert home.origin <= block.address
    assert block.address + block.size <= home.end
    assert block.size == 16 + 2 * 4 + 2 * 6 * 4  # id, counts, two rings of six words
    assert b"SEGGER RTT" not in image.read_bytes()  # a search must not find a copy


def test_a_board_with_a_uart_is_not_behind_rtt() -> None:
    with pytest.raises(InputError) as caught:
        check_line("rtt://", load_target("nucleo_h743zi"))
    assert str(caught.value) == (
        "rtt://: the firmware of nucleo_h743zi answers at its UART: "
        'uart.driver = "rtt" in its TOML makes it answer here'
    )


@pytest.mark.parametrize(
    "url", ["rtt://a/b", "rtt://?core=1", "rtt://x?chip=", "rtt://x#y", "rtt://a b", "rtt://[x"]
)
def test_a_url_of_another_form_is_one_line(url: str) -> None:
    with pytest.raises(InputError, match="want rtt://, rtt://SERIAL of a probe, or"):
        rtt.check_place(url)


def test_without_pyocd_or_a_probe_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyocd_api, "_connected", lambda serial: [])
    with pytest.raises(BoardError, match="pyocd finds no debug probe 0669FF: connect the board"):
        check_line("rtt://0669FF")
    monkeypatch.setattr(pyocd_api, "available", lambda: False)
    with pytest.raises(ToolError, match=r"pyOCD is missing, which reads RTT: \./run setup probe"):
        check_line("rtt://")


def test_an_emulated_board_needs_a_memory_to_share(tmp_path: Path) -> None:
    target = load_target(str(in_psram(over_rtt(EMULATED, tmp_path), ram="")))
    with pytest.raises(InputError, match=r"emulator\.ram names the memory that QEMU shares"):
        QemuBoard(target)


BASE, UP, DOWN = 0x2000_0000, 0x100, 0x200


class Desk(SharedRam):
    """Memory with a control block as another firmware may lay it out; rings of 16 bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, BASE, 4096)
        rings = struct.pack("<6I", 0, BASE + UP, 16, 0, 0, 2)
        rings += struct.pack("<6I", 0, BASE + DOWN, 16, 0, 0, 2)
        block = b"SEGGER RTT".ljust(16, b"\0") + struct.pack("<2I", 1, 1) + rings
        self.write_memory_block8(BASE + 64, block)
        self.taken = b""

    def up(self, data: bytes) -> None:
        """Send bytes as a board does, from the start of an empty ring."""
        self.write_memory_block8(BASE + UP, data)
        self.write32(BASE + 64 + 24 + 12, len(data))

    def write32(self, addr: int, value: int) -> None:
        """A board that waits for room takes bytes only once the host has taken its own."""
        super().write32(addr, value)
        if addr == BASE + 64 + 24 + 16:
            write, read = self.read_memory_block32(BASE + 64 + 48 + 12, 2)
            self.taken += self.read_memory_block8(BASE + DOWN + read, write - read)
            super().write32(BASE + 64 + 48 + 16, write)


def test_a_board_that_waits_for_room_is_heard_first(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ram")
    desk.up(b"answers")
    line = RttTransport("rtt://", desk, BASE, 4096)
    line.write(b"0123456789abcdefgh")  # 15 fit; the board takes them once it is heard
    assert desk.taken == b"0123456789abcde"
    assert line.read(0.0) == b"answers"
    assert line.read(0.0) == b""


def test_offsets_that_are_none_are_one_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ram")
    line = RttTransport("rtt://", desk, BASE + 64)
    desk.write32(BASE + 64 + 24 + 12, 4000)
    with pytest.raises(PortLost, match="rtt://: the probe lost the board"):
        line.read(0.0)
    line.close()
    with pytest.raises(PortLost, match="the link is closed"):
        line.write(b"x")


def test_memory_without_a_block_is_one_line(tmp_path: Path) -> None:
    memory = SharedRam(tmp_path / "ram", BASE, 4096)
    given_back: list[bool] = []
    with pytest.raises(LinkError, match="memory has no RTT control block: is its firmware built"):
        RttTransport("rtt://", memory, BASE, 4096, done=lambda: given_back.append(True))
    assert given_back == [True]
    with pytest.raises(LinkError, match="0x30000000 is outside the memory at 0x20000000"):
        RttTransport("rtt://", memory, 0x3000_0000)

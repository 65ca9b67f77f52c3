# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit boards` without --map: what is plugged in, what answers, and the map of it."""

import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.fixtures.clocks import PATIENCE_S, Clock, Scripted
from tests.support.fixtures.ports import unused_port
from tests.support.fixtures.toy_board import build_board
from tests.support.fixtures.toy_sessions import running
from toolkit.cli import group
from toolkit.common.errors import InputError, LinkError
from toolkit.device.desk import asking, plugged
from toolkit.device.desk.hardware_map import MappedBoard, read_map
from toolkit.device.desk.plugged import Plugged, joined, mapped
from toolkit.device.flash.drives import DAPLINK, UF2, Drive
from toolkit.device.flash.pyocd_api import Probe
from toolkit.device.link.messages import Board
from toolkit.device.link.session import Session


def port(device: str, vid: int | None, serial: str | None, product: str = "") -> Any:
    return SimpleNamespace(
        device=device, vid=vid, serial_number=serial, product=product, description="a port"
    )


PORTS = [
    port("/dev/ttyS0", None, None),
    port("/dev/ttyACM0", 0x0483, "066DFF", "STM32 STLink"),
    port("/dev/ttyACM1", 0x0D28, "0240", "DAPLink CMSIS-DAP"),
    port("/dev/ttyUSB0", 0x12D1, "modem", "a modem"),
]


def board(target: str) -> Board:
    return Board(3, bytes(20), bytes(16), target, "encoder", 1, 1, 1, 1, 0, 0, 0)


def test_ports_probes_and_drives_of_one_serial_are_one_board() -> None:
    probes = [Probe("066dff", "STM32 STLink", "", ""), Probe("J1", "J-Link", "nrf52840", "")]
    mounted = [
        Drive(Path("/media/d"), DAPLINK, "", "0240"),
        Drive(Path("/media/u"), UF2, "RP2", ""),
    ]
    rows = joined(PORTS, probes, mounted)
    assert [(row.serial, row.port, row.drive, row.runner, row.chip) for row in rows] == [
        ("066DFF", "/dev/ttyACM0", "", "pyocd", ""),
        ("0240", "/dev/ttyACM1", "/media/d", "pyocd", ""),
        ("modem", "/dev/ttyUSB0", "", "", ""),
        ("J1", "", "", "pyocd", "nrf52840"),
        ("", "", "/media/u", "uf2", "RP2"),
    ]
    assert [row.askable for row in rows] == [True, True, False, False, False]


def test_only_ports_of_makers_of_boards_are_asked() -> None:
    asked: list[str] = []

    def ask(url: str, wait_s: float) -> Board:
        asked.append(url)
        if url == "/dev/ttyACM1":
            raise LinkError(f"{url}: nothing answers within 1 s")
        return board("netduinoplus2")

    rows = asking.ask_all(joined(PORTS, [], []), 1.0, ask)
    assert sorted(asked) == ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert rows[0].firmware == board("netduinoplus2")
    assert rows[1].silent == "nothing answers within 1 s"
    assert rows[2].silent.startswith("not asked: ")


def test_a_board_whose_platform_is_unknown_is_not_connected() -> None:
    rows = [
        Plugged("066DFF", "STLink", "/dev/ttyACM0", runner="pyocd", firmware=board("virt-a7")),
        Plugged("066DFF", "STLink", "/dev/ttyACM1", runner="pyocd", firmware=board("own")),
        Plugged("", "x", "socket://h:1"),
    ]
    found = mapped(rows, ["virt-a7"])
    assert [one.id for one in found] == ["066DFF", "066DFF-2", "board-3"]
    assert [one.platform for one in found] == ["virt-a7", "own", "unknown"]
    assert [one.connected for one in found] == [True, False, False]
    assert found[0].probe_id == "066DFF"
    assert not found[0].runner  # the firmware answers: it need not be flashed


def test_what_answers_at_a_port_is_listed_and_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.commands.boards.plugged", list)
    program = build_board(tmp_path / "board")
    file = tmp_path / "desk.toml"
    wait = ["--wait", str(PATIENCE_S)]
    with running(program) as toy, unused_port() as number:
        words = ["boards", "--port", toy.url, "--port", f"socket://127.0.0.1:{number}", *wait]
        done = CliRunner().invoke(group, [*words, "--write", str(file), "--json", "-"])
    assert done.exception is None
    found = json.loads(done.stdout)
    assert found[0]["firmware"]["stage"] == "toy"
    assert found[1]["firmware"] is None
    assert "nothing listens there" in found[1]["why"]
    boards = read_map(file)
    assert [one.serial for one in boards] == [found[0]["port"], found[1]["port"]]
    assert [(one.platform, one.connected) for one in boards] == [("host", True), ("unknown", False)]


def test_an_empty_desk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plugged.list_ports, "comports", lambda: [port("/dev/ttyS0", None, None)])
    monkeypatch.setattr(plugged, "drives", list)
    monkeypatch.setattr(plugged.pyocd_api, "available", lambda: False)
    done = CliRunner().invoke(group, ["boards", "--json", "-"])
    assert done.exception is None
    assert json.loads(done.stdout) == []
    done = CliRunner().invoke(group, ["boards", "--write", str(tmp_path / "map.toml")])
    assert isinstance(done.exception, InputError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--retries", "1"), "--retries: .* does not take it; --map does"),
        (("--map", "MAP", "--write", "x.toml"), "--write: --map does not take it"),
    ],
)
def test_options_of_the_other_form_are_refused(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    file = tmp_path / "map.toml"
    file.write_text("", encoding="utf-8")
    done = CliRunner().invoke(group, ["boards", *(str(file) if w == "MAP" else w for w in words)])
    assert isinstance(done.exception, InputError)
    assert re.match(why, str(done.exception))


def test_a_serial_port_is_asked_at_every_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    clock = Clock()

    class Silent(Scripted):
        def __enter__(self) -> "Silent":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def opened(url: str, baud: int) -> Any:
        tried.append(baud)
        return Silent(clock)

    monkeypatch.setattr(asking, "open_line", opened)
    monkeypatch.setattr(asking, "Session", partial(Session, clock=clock))
    with pytest.raises(LinkError, match="nothing answers within 1 s"):
        asking.hello("/dev/ttyACM0", 1.0)
    assert tried == asking.rates()
    assert len(set(tried)) == len(tried) > 1
    tried.clear()
    with pytest.raises(LinkError):
        asking.hello("socket://127.0.0.1:1", 1.0)
    assert len(tried) == 1


def test_a_map_of_nothing_known_says_what_to_do() -> None:
    (found,) = mapped([Plugged("", "", "/dev/ttyACM9")], [])
    assert found == MappedBoard(
        "board-1", "unknown", False, serial="/dev/ttyACM9",
        notes="name its platform, then set connected = true",
    )  # fmt: skip

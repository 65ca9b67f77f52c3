# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of port; one clear line if it cannot be opened, is gone, or has no board."""

import errno
import importlib
import os
import pty
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import serial

from quantize.errors import InputError
from tests.support.fixtures.clocks import PATIENCE_S, Clock, Scripted
from tests.support.fixtures.ports import rfc2217_place, unused_port
from tests.support.fixtures.toy_board import (
    QUICK,
    Board,
    build_board,
    inputs,
)
from tests.support.fixtures.toy_sessions import begin, check, running
from toolkit.common.errors import LinkError
from toolkit.common.wire import WIRE
from toolkit.device.link import transport as transport_module
from toolkit.device.link.frames import Frame, encode_frame
from toolkit.device.link.session import Session
from toolkit.device.link.transport import Transport, check_port, open_port


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(tmp_path_factory.mktemp("board") / "board")


class Echo(Scripted):
    """A line that sends everything back."""

    def hear(self, data: bytes) -> None:
        self.out += data


class Shout(Scripted):
    """A peer that sends `noise` a hundred times a second, whatever it hears."""

    def __init__(self, clock: Clock, noise: bytes) -> None:
        super().__init__(clock)
        self._noise = noise

    def read(self, wait_s: float) -> bytes:
        self.clock.now += 0.01
        return self._noise


BOARD = WIRE.messages["board"].type


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (Echo, "what is sent comes back: no board"),
        (Scripted, "nothing answers within 30 s: is the firmware on the board"),
        (partial(Shout, noise=b"login: \r\n"), "bytes came but no hello: other firmware on the"),
        (partial(Shout, noise=bytes(range(256))), "bytes came but no hello"),
        (
            partial(Shout, noise=encode_frame(Frame(0x77, 1, b"a dialect"))),
            "bytes came but no hello",
        ),
        (partial(Shout, noise=encode_frame(Frame(BOARD, 1, b"\1"))), "no hello"),
    ],
    ids=["echo", "silent", "login", "noise", "dialect", "stale"],
)
def test_what_is_no_board_is_told(peer: Callable[[Clock], Scripted], words: str) -> None:
    clock = Clock()
    with pytest.raises(LinkError, match=words):
        Session(peer(clock), clock=clock).hello()
    assert WIRE.timeouts.hello_s <= clock.now <= WIRE.timeouts.hello_s + 1


def test_a_peer_that_hangs_up_is_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        open_port(f"socket://127.0.0.1:{server.getsockname()[1]}") as port,
    ):
        server.accept()[0].close()
        with pytest.raises(LinkError, match="went away"):
            Session(port, timeouts=QUICK).hello()


def test_a_board_that_starts_late_is_waited_for(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board: list[Board] = []

    def start(_: float) -> None:
        if not board:
            board.append(Board(program, "--listen", str(number)))

    with unused_port() as number:
        monkeypatch.setattr(transport_module.time, "sleep", start)  # called between two tries
        with open_port(f"socket://127.0.0.1:{number}", wait_s=PATIENCE_S) as port:
            assert Session(port, timeouts=QUICK).hello().stage == "toy"
    board[0].stop()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning:serial")
def test_rfc2217(program: Path) -> None:
    steps = inputs(30)
    with (
        running(program) as board,
        rfc2217_place(board.url) as url,
        open_port(f"{url}?timeout={PATIENCE_S}") as port,
    ):
        session = begin(port, trace=True)
        check(list(session.run_steps(steps)), steps, trace=True)


def test_a_taken_port_is_told(program: Path) -> None:
    with (
        running(program, "pty") as board,
        open_port(board.url),
        pytest.raises(LinkError, match=f"{board.url}: the port is taken by another program"),
    ):
        open_port(board.url)
    with running(program) as board, open_port(board.url) as port:
        Session(port, timeouts=QUICK).hello()
        with open_port(board.url) as second, pytest.raises(LinkError, match="went away"):
            Session(second, timeouts=QUICK).hello()


def test_ports_that_cannot_be_opened_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "file"
    plain.write_text("no port")
    with unused_port() as number:
        refuse_each(tmp_path, plain, f"socket://127.0.0.1:{number}")
    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(LinkError, match=r"/dev/ttyACM0: no permission: .* dialout"):
        open_port("/dev/ttyACM0")


def refuse(*_: Any, **__: Any) -> None:
    # As pyserial raises it: a test that runs as root is never refused.
    raise serial.SerialException(errno.EACCES, "could not open port /dev/ttyACM0: ...")


def refuse_each(tmp_path: Path, plain: Path, nobody: str) -> None:
    for url, words in (
        (str(tmp_path / "absent"), "there is no such port"),
        (str(plain), "this is no serial port"),
        (str(tmp_path), "."),
        (nobody, "nothing listens there"),
        ("socket://nowhere.invalid:1", "no such host"),
        ("socket://127.0.0.1", "."),
        ("gopher://127.0.0.1:70", "not a port that pyserial knows"),
    ):
        with pytest.raises(LinkError, match=words) as caught:
            open_port(url)
        assert str(caught.value).startswith(f"{url}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "there is no such port"),
        ("/dev/ttyNONE", "there is no such port"),
        ("/dev/null", "this is no serial port"),
        ("gopher://127.0.0.1:70", "not a port that pyserial knows"),
        ("socket://127.0.0.1", "it needs a host and a number: socket://HOST:PORT"),
        ("socket://:5", "it needs a host and a number"),
        ("socket://127.0.0.1:99999", "Port out of range"),
        ("socket://[::1", "Invalid IPv6 URL"),
        ("rfc2217://localhost", "it needs a host and a number: rfc2217://HOST:PORT"),
        ("socket://nowhere.invalid:1", "there is no such host"),
    ],
)
def test_a_bad_port_is_refused_before_anything_is_built(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: Any, **__: Any) -> None:
        raise AssertionError("built for a port that is none")

    for command, next_step in (
        ("verify", "ready_stage"),
        ("stream", "load_quantised"),
        ("bench", "ready_stage"),
    ):
        module = importlib.import_module(f"toolkit.commands.{command}")
        monkeypatch.setattr(module, next_step, build)
        with pytest.raises(LinkError, match=words) as caught:
            module.command.main(["--target", "mps3-an547", "--port", url], standalone_mode=False)
        assert str(caught.value).startswith(f"{url}: ")
        with pytest.raises(InputError, match="is no port of an emulated board"):
            module.command.main(
                ["--target", "mps3-an547", "--serial", "COM1"], standalone_mode=False
            )


def test_a_good_port_is_only_looked_at(program: Path) -> None:
    """A server may take only one caller, so nothing connects to it before the session does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_port(f"socket://127.0.0.1:{server.getsockname()[1]}")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    with running(program, "pty") as board:
        check_port(board.url)


def use_often(port: Transport, data: bytes) -> None:
    for _ in range(1000):
        port.write(data)
        port.read(0.001)


def test_an_unplugged_port_is_told() -> None:
    master, slave = pty.openpty()
    with open_port(os.ttyname(slave)) as port:
        os.close(slave)
        os.close(master)
        with pytest.raises(LinkError, match=r"the port went away \(unplugged or killed\)"):
            use_often(port, b"hello")


def test_a_port_that_takes_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried = replace(WIRE, timeouts=replace(WIRE.timeouts, write_s=0.3))
    monkeypatch.setattr(transport_module, "WIRE", hurried)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with open_port(url) as port, pytest.raises(LinkError, match="the port takes no bytes"):
            use_often(port, bytes(100_000))

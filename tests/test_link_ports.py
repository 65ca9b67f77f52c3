# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of port, and one clear line where it cannot be opened, is gone, or has no board."""

import errno
import os
import pty
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import serial
from serial.rfc2217 import PortManager

from tests.fixtures.toy_board import (
    IMPATIENT,
    QUICK,
    Board,
    build_board,
    inputs,
)
from tests.fixtures.toy_sessions import begin, check, running
from toolkit.errors import LinkError
from toolkit.link import transport as transport_module
from toolkit.link.frames import Frame, encode_frame
from toolkit.link.session import Session
from toolkit.link.transport import Transport, open_port
from toolkit.link.wire import WIRE


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(tmp_path_factory.mktemp("board") / "board")


@contextmanager
def talker(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server that is no board and does what `behave` does with its one caller."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        caller, _ = server.accept()
        with caller, suppress(OSError):
            behave(caller)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    finally:
        thread.join(5)
        server.close()


def echo(caller: socket.socket) -> None:
    while data := caller.recv(4096):
        caller.sendall(data)


def silent(caller: socket.socket) -> None:
    while caller.recv(4096):
        pass


def shout(noise: bytes) -> Callable[[socket.socket], None]:
    def behave(caller: socket.socket) -> None:
        caller.settimeout(0.01)
        while True:
            caller.sendall(noise)
            with suppress(TimeoutError):
                if not caller.recv(4096):
                    return

    return behave


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (echo, "what is sent comes back: no board"),
        (silent, "nothing answers within 1 s"),
        (shout(b"login: \r\n"), "bytes came but no hello: other firmware on the board"),
        (shout(bytes(range(256))), "bytes came but no hello"),
        (shout(encode_frame(Frame(0x77, 1, b"a dialect"))), "bytes came but no hello"),
        (shout(encode_frame(Frame(WIRE.messages["board"].type, 1, b"\1"))), "no hello"),
        (lambda caller: None, "went away"),
    ],
    ids=["echo", "silent", "login", "noise", "dialect", "stale", "hang-up"],
)
def test_what_is_no_board_is_told(behave: Callable[[socket.socket], None], words: str) -> None:
    with talker(behave) as url, open_port(url) as port:
        begun = time.monotonic()
        with pytest.raises(LinkError, match=words):
            Session(port, timeouts=IMPATIENT).hello()
        assert time.monotonic() - begun < IMPATIENT.hello_s + 5


def test_a_board_that_starts_late_is_waited_for(program: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    board: list[Board] = []
    starting = threading.Timer(0.3, lambda: board.append(Board(program, "--listen", str(number))))
    starting.start()
    with open_port(f"socket://127.0.0.1:{number}", wait_s=10) as port:
        assert Session(port).hello().stage == "toy"
    starting.join()
    board[0].stop()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning:serial")
def test_rfc2217(program: Path) -> None:
    """A serial port served over the network, which pyserial gives no file descriptor for."""
    steps = inputs(30)
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve(far: Any) -> None:
        caller, _ = server.accept()
        caller.setblocking(False)

        class Out:
            def write(self, data: bytes) -> None:
                caller.setblocking(True)
                caller.sendall(data)
                caller.setblocking(False)

        manager = PortManager(far, Out())
        while not done.is_set():
            with suppress(BlockingIOError):
                far.write(b"".join(manager.filter(caller.recv(4096))))
            if data := far.read(4096):
                Out().write(b"".join(manager.escape(data)))
            time.sleep(0.0005)
        caller.close()

    with running(program) as board, serial.serial_for_url(board.url, timeout=0) as far:
        thread = threading.Thread(target=serve, args=(far,), daemon=True)
        thread.start()
        url = f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
        with open_port(url) as port:
            session = begin(port, trace=True)
            check(list(session.run_steps(steps)), steps, trace=True)
        done.set()
        thread.join(5)
    server.close()


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
            Session(second, timeouts=IMPATIENT).hello()


def test_ports_that_cannot_be_opened_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "file"
    plain.write_text("no port")
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"socket://127.0.0.1:{free.getsockname()[1]}"
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

    def refuse(*_: Any, **__: Any) -> None:
        # As pyserial raises it; a test that runs as root is refused nothing.
        raise serial.SerialException(errno.EACCES, "could not open port /dev/ttyACM0: ...")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(LinkError, match=r"/dev/ttyACM0: no permission: .* dialout"):
        open_port("/dev/ttyACM0")


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

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit monitor`: frames by name, text by line, a port that goes away and comes back."""

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.fixtures.toy_board import build_board
from tests.support.fixtures.toy_sessions import running
from toolkit.common.wire import WIRE
from toolkit.device.link.frames import Frame, encode_frame
from toolkit.device.link.listening import BYTES, FRAME, TEXT, Heard, Listener

MONITOR = (sys.executable, "-m", "toolkit.cli", "monitor")


def framed(name: str, sequence: int, **fields: object) -> bytes:
    message = WIRE.messages[name]
    return encode_frame(Frame(message.type, sequence, message.pack(**fields)))


STREAM = (
    b"hard fault at 08001234\r\n"
    + framed("opened", 7, session=9, flags=1, next=0)
    + framed("result", 8, session=9, index=3, ticks=77, output=bytes(range(20)))
    + framed("error", 9, code=WIRE.errors["order"], request=3, session=9, next=4)
    + b"\0\x01\xff\xfe\0"
    + b"bye\n"
)
LINES = [
    Heard(TEXT, "hard fault at 08001234"),
    Heard(FRAME, "opened #7 session=9 flags=1 next=0"),
    Heard(
        FRAME,
        "result #8 session=9 index=3 ticks=77 "
        "output=000102030405060708090a0b0c0d0e0f... (20 bytes)",
    ),
    Heard(FRAME, "error #9 code=order request=3 session=9 next=4"),
    Heard(BYTES, "01fffe, no frame and no text"),
    Heard(TEXT, "bye"),
]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_comes_is_named_however_it_is_split(size: int) -> None:
    listener = Listener()
    heard = [
        one for at in range(0, len(STREAM), size) for one in listener.feed(STREAM[at : at + size])
    ]
    assert [*heard, *listener.rest()] == LINES


def test_a_line_end_within_a_frame_ends_no_text() -> None:
    data = framed("result", 1, session=9, index=10, ticks=10, output=b"\n\xff\n")
    listener = Listener()
    heard = [one for at in range(len(data)) for one in listener.feed(data[at : at + 1])]
    assert [one.kind for one in heard] == [FRAME]


def test_what_never_ends_is_shown_and_forgotten() -> None:
    listener = Listener()
    assert [one.kind for one in listener.feed(b"x" * 5000)] == [TEXT]
    assert [one.kind for one in listener.feed(b"\xff" * 20000)] == [BYTES]
    assert list(listener.rest()) == []


def test_an_unknown_type_and_another_layout_are_told() -> None:
    listener = Listener()
    board = WIRE.messages["board"].type
    heard = list(
        listener.feed(encode_frame(Frame(0x70, 1, b"ab")) + encode_frame(Frame(board, 2, b"")))
    )
    assert [one.line for one in heard] == [
        "#1 of unknown type 0x70, 2 bytes", "board #2: 0 bytes of another layout",
    ]  # fmt: skip


def test_a_board_says_who_it_is(tmp_path: Path) -> None:
    program = build_board(tmp_path / "board")
    with running(program) as board:
        done = subprocess.run(
            [*MONITOR, "--port", board.url, "--hello", "--count", "1"],
            capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert " board #0 protocol=" in done.stdout
    assert "stage=toy" in done.stdout


def test_a_port_that_comes_back_is_shown_on_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            for word in (b"first\n", b"second\n", b"third\n"):
                caller, _ = server.accept()
                with caller:
                    caller.recv(64)  # the hello: what comes before it, pyserial throws away
                    caller.sendall(word)
                    if word == b"third\n":
                        caller.recv(64)  # until the other side ends

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        process = subprocess.Popen(
            [*MONITOR, "--port", url, "--hello"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline().split()[1] for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        thread.join()
    assert lines == ["first", "second", "third"]
    assert process.returncode == 0
    assert errors.count("waiting for it") == 2
    assert errors.count("is back") == 2
    assert "Traceback" not in errors


def test_a_port_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*MONITOR, "--port", str(tmp_path / "tty")], capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "there is no such port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_pseudo_terminal_is_shown() -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*MONITOR, "--port", os.ttyname(slave), "--hello", "--count", "1"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    asked = os.read(master, 64)  # the port is open
    assert WIRE.messages["hello"].type in asked
    os.write(master, b"welcome\n")
    said, _ = process.communicate()
    os.close(master)
    os.close(slave)
    assert said.split()[1:] == ["welcome"]
    assert process.returncode == 0

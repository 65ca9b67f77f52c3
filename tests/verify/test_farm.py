# SPDX-License-Identifier: BSD-3-Clause
"""A hardware map verified in one command: emulated boards on every kind of link, one faulty."""

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from tests.support.fixtures.ports import rfc2217_place
from toolkit.cli import group
from toolkit.common.errors import BoardsFailed, CheckFailed, InputError
from toolkit.common.paths import ROOT
from toolkit.common.wire import WIRE
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.desk.hardware_map import MappedBoard, map_text, read_map
from toolkit.device.link.frames import Damaged, Frame, FrameDecoder, encode_frame
from toolkit.report.farm import farm_junit
from toolkit.targets.target import load_target
from toolkit.verify import farm
from toolkit.verify.farm import Outcome, Plan, verify_all

BOARD = "netduinoplus2"
RATE = 16000
DREDKIT = (sys.executable, "-m", "toolkit.cli")
# ssh to a machine that runs programs for Arm: the server there is started by qemu-user.
SSH = """#!/bin/sh
for command; do :; done
exec sh -c "$(printf '%s' "$command" | sed 's|^ *"$d/server" |qemu-aarch64 -cpu max &|')"
"""


def must(environment: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        [*DREDKIT, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def spoil(data: bytes, decoder: FrameDecoder) -> bytes:
    """Return frames of a board; the last byte of each result is wrong, and its CRC right."""
    out = b""
    for frame in decoder.feed(data):
        assert not isinstance(frame, Damaged)
        if frame.type == WIRE.messages["result"].type:
            payload = frame.payload[:-1] + bytes([frame.payload[-1] ^ 1])
            frame = Frame(frame.type, frame.sequence, payload)
        out += encode_frame(frame)
    return out


@contextmanager
def faulty(url: str) -> Iterator[str]:
    """Stand between a caller and a board on a socket whose arithmetic is wrong; yield a URL."""
    host, port = url.removeprefix("socket://").split(":")
    ending, end = socket.socketpair()
    decoder = FrameDecoder()

    def serve() -> None:
        select.select([server, ending], [], [])
        if select.select([ending], [], [], 0.0)[0]:
            return
        caller, _ = server.accept()
        with caller, suppress(ConnectionError):
            while True:
                ready, _, _ = select.select([caller, board, ending], [], [])
                for one in ready:
                    data = one.recv(4096)
                    if not data:
                        return
                    if one is caller:
                        board.sendall(data)
                    elif one is board:
                        caller.sendall(spoil(data, decoder))

    with (
        ending,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection((host, int(port))) as board,
    ):
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        finally:
            end.close()
            thread.join()


@contextmanager
def flashed(image: Path, serial: str) -> Iterator[str]:
    with QemuBoard(load_target(BOARD), serial=serial) as board:
        board.flash(image)
        yield board.serial_url


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning:serial")
def test_four_emulated_boards_at_once_one_of_them_faulty(tmp_path: Path, clip: Path) -> None:
    """Boards on a pty, a socket, RFC 2217 and through ssh; two more that are not there."""
    build, tools = tmp_path / "build", tmp_path / "bin"
    tools.mkdir()
    (tools / "ssh").write_text(SSH, encoding="utf-8")
    (tools / "ssh").chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "DREDKIT_BUILD": str(build), "PATH": path}
    speech = tmp_path / "short.wav"
    samples, _ = soundfile.read(clip, dtype="int16")
    soundfile.write(speech, np.asarray(samples)[RATE : RATE + RATE // 5], RATE)
    must(environment, "quantize", "--stage", "rdovae_enc")
    must(environment, "generate", "--target", BOARD, "--stage", "rdovae_enc")
    must(environment, "build", "--target", BOARD)
    image = build / BOARD / "firmware.elf"
    with ExitStack() as stack:
        pty = stack.enter_context(flashed(image, "pty"))
        wrong = stack.enter_context(faulty(stack.enter_context(flashed(image, "socket"))))
        far = stack.enter_context(rfc2217_place(stack.enter_context(flashed(image, "socket"))))
        boards = [
            MappedBoard("on-pty", BOARD, serial=pty),
            MappedBoard("faulty-on-socket", BOARD, serial=wrong),
            MappedBoard("far", BOARD, serial=far),
            MappedBoard("pi", "linux-a53", serial="ssh://pi@board"),
            MappedBoard("unplugged", BOARD, serial=str(tmp_path / "ttyACM0")),
            MappedBoard("in-the-drawer", BOARD, connected=False),
        ]
        (tmp_path / "desk.toml").write_text(map_text(boards), encoding="utf-8")
        done = subprocess.run(
            [
                *DREDKIT, "boards", "--map", str(tmp_path / "desk.toml"), "--retries", "1",
                "--output", str(tmp_path / "out"), "--junit", str(tmp_path / "all.xml"),
                "--json", "-", "--", "--stage", "rdovae_enc", "--audio", str(speech),
                "--model", str(build / "rdovae_enc.dkq"),
            ],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    facts = json.loads(done.stdout)
    found = {board["id"]: (board["status"], board["attempts"]) for board in facts["boards"]}
    assert found == {
        "on-pty": ("passed", 1),
        "faulty-on-socket": ("failed", 1),
        "far": ("passed", 1),
        "pi": ("passed", 1),
        "unplugged": ("error", 2),
        "in-the-drawer": ("skipped", 0),
    }, done.stderr
    assert not facts["ok"]
    assert facts["counts"] == {"passed": 3, "failed": 1, "error": 1, "skipped": 1}
    assert facts == json.loads((tmp_path / "out" / "boards.json").read_text())
    texts = {board["id"]: board["text"] for board in facts["boards"]}
    assert f"integer.py = {BOARD}: " in texts["faulty-on-socket"]
    assert "there is no such port" in texts["unplugged"]
    suite = ElementTree.parse(tmp_path / "all.xml").getroot()[0]
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == [*"6111"]
    children = {case.get("name"): [child.tag for child in case] for case in suite}
    assert children["faulty-on-socket"] == ["failure"]
    assert children["unplugged"] == ["error"]
    assert children["in-the-drawer"] == ["skipped"]
    assert [children[name] for name in ("on-pty", "far", "pi")] == [[], [], []]
    page = (tmp_path / "out" / "faulty-on-socket" / "index.html").read_text()
    assert "Not bit-exact" in page


# A stand-in for `dredkit verify`: a board's --port says how it ends; every start is noted.
VERIFY = """#!/bin/sh
port= ; json=
while [ $# -gt 0 ]; do
    case $1 in --port) port=$2 ;; --json) json=$2 ;; esac
    shift
done
echo start >>"$FAKE_STARTS/$port"
case $port in
hangs) echo "$$" >"$FAKE_STARTS/pid"; exec sleep 600 ;;
flaky)
    [ "$(wc -l <"$FAKE_STARTS/flaky")" -gt 2 ] && exit 0
    echo "dredkit: flaky: no hello" >&2
    exit 3
    ;;
[0-9])
    [ "$port" -lt 2 ] || printf '{"status": "error", "error": "code %s"}' "$port" >"$json"
    exit "$port"
    ;;
esac
"""


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "python"
    program.write_text(VERIFY, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(farm.sys, "executable", str(program))
    monkeypatch.setenv("FAKE_STARTS", str(tmp_path))
    return tmp_path


def ends(starts: Path, retries: int, *ports: str, timeout_s: float = 600.0) -> list[Outcome]:
    boards = [MappedBoard(f"b{port}", "host", serial=port) for port in ports]
    return verify_all(boards, Plan(starts / "out", timeout_s, retries, 3))


def test_each_exit_code_is_one_status(starts: Path) -> None:
    found = ends(starts, 2, "0", "1", "2", "3")
    assert [one.status for one in found] == ["passed", "failed", "error", "error"]
    # Only what a further attempt may change is tried again.
    assert [one.attempts for one in found] == [1, 1, 1, 3]
    assert [one.text for one in found[2:]] == ["code 2", "code 3"]


def test_a_board_that_answers_at_the_third_attempt_passes(starts: Path) -> None:
    assert [(one.status, one.attempts) for one in ends(starts, 2, "flaky")] == [("passed", 3)]


def test_retries_end(starts: Path) -> None:
    (found,) = ends(starts, 1, "flaky")
    assert (found.status, found.attempts) == ("error", 2)
    assert found.text == "flaky: no hello"


def test_what_is_late_is_ended_and_named(starts: Path) -> None:
    (found,) = ends(starts, 0, "hangs", timeout_s=0.01)
    assert found.status == "error"
    assert found.text == "not done within 0.01 s; --timeout changes this"
    with suppress(FileNotFoundError):  # it may have been ended before it said who it is
        number = int((starts / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_ctrl_c_leaves_nothing_running(starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[Any] = []
    start = farm._start

    def starting(*words: Any) -> Any:
        running.append(start(*words))
        return running[-1]

    def interrupt(outcome: Outcome) -> None:
        assert outcome.board.id == "b0"
        raise KeyboardInterrupt

    monkeypatch.setattr(farm, "_start", starting)
    boards = [MappedBoard(f"b{port}", "host", serial=port) for port in ("hangs", "0")]
    with pytest.raises(KeyboardInterrupt):
        verify_all(boards, Plan(starts / "out", 600.0, 0, 3), interrupt)
    assert len(running) == 2
    assert all(one.process.returncode is not None for one in running)


def test_no_more_than_asked_for_run_at_once(starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    ended: list[str] = []
    start, outcome = farm._start, farm._outcome

    def starting(board: MappedBoard, *rest: Any) -> Any:
        started.append(board.id)
        assert len(started) - len(ended) <= 3
        return start(board, *rest)

    def ending(one: Any, plan: Plan) -> Outcome:
        ended.append(one.board.id)
        return outcome(one, plan)

    monkeypatch.setattr(farm, "_start", starting)
    monkeypatch.setattr(farm, "_outcome", ending)
    found = ends(starts, 0, *"01010101"[:2], "flaky", "2", "3")
    assert [one.board.id for one in found] == ["b0", "b1", "bflaky", "b2", "b3"]
    assert sorted(started) == sorted(ended)


def test_the_worst_status_is_the_exit_code(starts: Path, tmp_path: Path) -> None:
    for ports, error in (("01", CheckFailed), ("03", BoardsFailed), ("013", CheckFailed)):
        boards = [MappedBoard(f"b{port}", "host", serial=port) for port in ports]
        file = tmp_path / "map.toml"
        file.write_text(map_text(boards), encoding="utf-8")
        words = ["boards", "--map", str(file), "--output", str(tmp_path / "all")]
        done = CliRunner().invoke(group, words)
        assert type(done.exception) is error
        facts = json.loads((tmp_path / "all" / "boards.json").read_text())
        assert len(facts["boards"]) == len(ports)  # the verdict stays what it was
    file.write_text(map_text([MappedBoard("b", "host", connected=False)]), encoding="utf-8")
    done = CliRunner().invoke(group, words)
    assert isinstance(done.exception, BoardsFailed)
    assert "none of the map is connected" in str(done.exception)


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    boards = [
        MappedBoard("a", BOARD, product='two "words" \\ and ü', serial="/dev/ttyACM0"),
        MappedBoard("b.2", "host", False, notes="away", options=("--stage", "decoder")),
        MappedBoard("c", BOARD, runner="pyocd", probe_id="0669", serial="/dev/ttyACM1"),
    ]
    file = tmp_path / "map.toml"
    file.write_text(map_text(boards), encoding="utf-8")
    assert read_map(file) == boards
    assert boards[2].words()[2:] == [
        "--port", "/dev/ttyACM1", "--server", "pyocd", "--probe", "0669",
    ]  # fmt: skip
    file.write_text(map_text([MappedBoard("own", "boards/own.toml")]), encoding="utf-8")
    assert read_map(file)[0].platform == str(tmp_path / "boards" / "own.toml")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "board: missing"),
        ("[[board]]\nid = 'a'\n", r"board\[0\].platform: missing"),
        ("[[board]]\nid = '../a'\nplatform = 'host'\n", "want up to 64 letters"),
        ("[[board]]\nid = 'a'\nplatform = 'host'\nconnected = 1\n", "must be true or false"),
        ("[[board]]\nid = 'a'\nplatform = 'host'\nseriel = 'x'\n", "unknown key.*serial"),
        ("[[board]]\nid = 'a'\nplatform = 'host'\nrunner = 'pyocd'\n", "serial: missing"),
        ("[[board]]\nid = 'a'\nplatform = 'host'\n" * 2, "two boards have the id 'a'"),
        ("board", "not TOML"),
    ],
)
def test_a_wrong_map_is_one_line(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "map.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=why) as caught:
        read_map(file)
    assert str(file) in str(caught.value)


def test_a_name_may_hold_what_xml_cannot(tmp_path: Path) -> None:
    data = farm_junit([Outcome(MappedBoard("a", "host"), "error", "a\x00b\udcff", 1, 0.0)])
    assert ElementTree.fromstring(data)[0][0][0].text == "a\ufffdb\ufffd"

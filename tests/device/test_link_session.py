# SPDX-License-Identifier: BSD-3-Clause
"""Sessions with a running server: the results are the same whatever the line does.

A board that is gone, reset or foreign ends in one clear line. test_link_ports.py has every kind of
port, and ports without a board.
"""

import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from quantize.errors import InputError
from tests.support.fixtures.clocks import Clock, Lockstep
from tests.support.fixtures.toy_board import (
    INPUT_BYTES,
    MODEL_HASH,
    PATIENT,
    QUICK,
    Board,
    build_board,
    expected,
    inputs,
)
from tests.support.fixtures.toy_sessions import MODES, begin, check, running
from toolkit.common.errors import BoardError, LinkError
from toolkit.common.wire import WIRE
from toolkit.device.link.faults import FaultyTransport
from toolkit.device.link.messages import Board as BoardMessage
from toolkit.device.link.messages import Counters
from toolkit.device.link.session import Session
from toolkit.device.link.transport import SerialTransport, Transport, open_port

FAULT_RATE = 1e-3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boards")


@pytest.fixture(scope="module")
def program(folder: Path) -> Path:
    return build_board(folder / "board")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("window", [1, 3, 100])
@pytest.mark.parametrize("trace", [False, True])
def test_steps_over_a_good_line(program: Path, mode: str, window: int, trace: bool) -> None:
    steps = inputs(60)
    with running(program, mode) as board, open_port(board.url) as port:
        session = begin(port, trace=trace, timeouts=PATIENT)
        results = list(session.run_steps(steps, window=window))
        check(results, steps, trace=trace)
        assert session.counts.resent == session.counts.damaged == session.counts.stale == 0
        assert session.counters() == Counters(60, 0, 0, 0, 0)
        assert all(result.ticks > 0 for result in results)
        # Another session starts from the beginning; a run may also be done in several parts.
        session.open(trace=trace)
        again = [*session.run_steps(steps[:20]), session.step(steps[20])]
        check(again, steps[:21], trace=trace)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("count", "window", "trace"), [(400, 1, False), (400, 4, False), (150, 1, True)]
)
def test_a_bad_line_is_recovered_and_never_believed(
    program: Path, mode: str, count: int, window: int, trace: bool
) -> None:
    steps = inputs(count, seed=7)
    for seed in range(3):
        with running(program, mode) as board, open_port(board.url) as port:
            clock = Clock()
            line = FaultyTransport(Lockstep(port, clock), rate=FAULT_RATE, seed=seed)
            session = begin(line, trace=trace, clock=clock)
            check(list(session.run_steps(steps, window=window)), steps, trace=trace)
            counters = session.counters()
        assert counters.steps == count  # each ran once, however often it was sent
        assert min(line.faults.flipped, line.faults.dropped, line.faults.doubled) > 0
        assert session.counts.damaged > 0
        assert counters.frames_rejected > 0
        assert counters.resends > 0


class Scratched:
    """Changes a byte in the middle of every seventh frame out and every fifth in; loses none.

    The board's complaints stay whole: if both the request and the complaint about it were damaged,
    only a timeout could tell.
    """

    def __init__(self, inner: Transport) -> None:
        self.url = inner.url
        self._inner = inner
        self._out = self._in = 0
        self._held = b""

    @staticmethod
    def _scratch(frame: bytes) -> bytes:
        middle = len(frame) // 2
        return frame[:middle] + bytes([frame[middle] ^ 0x80 or 1]) + frame[middle + 1 :]

    def write(self, data: bytes) -> None:
        self._out += 1
        self._inner.write(self._scratch(data) if self._out % 7 == 0 else data)

    def read(self, wait_s: float) -> bytes:
        *complete, self._held = (self._held + self._inner.read(wait_s)).split(b"\0")
        out = b""
        for piece in filter(None, complete):
            if len(piece) > 30:  # no complaint
                self._in += 1
                piece = self._scratch(piece) if self._in % 5 == 0 else piece
            out += b"\0" + piece + b"\0"
        return out

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize("trace", [False, True])
def test_damage_is_mended_at_once(program: Path, trace: bool) -> None:
    """There is no timeout: the clock stands still as long as answers come."""
    steps = inputs(60)
    clock = Clock()
    with running(program) as board, open_port(board.url) as port:
        session = begin(Scratched(Lockstep(port, clock)), trace=trace, clock=clock)
        check(list(session.run_steps(steps)), steps, trace=trace)
    assert clock.now == 0.0
    assert session.counts.damaged > 10
    assert session.counts.complaints > 5


def test_a_terrible_line_ends_right_or_not_at_all(program: Path) -> None:
    steps = inputs(40, seed=9)
    want = [output for output, _ in expected(steps)]
    outcomes = set()
    for rate in (0.003, 0.01, 0.05, 0.2):
        with running(program) as board, open_port(board.url) as port:
            clock = Clock()
            line = FaultyTransport(Lockstep(port, clock), rate=rate, seed=11)
            session = Session(line, clock=clock)
            found: list[bytes] = []
            try:
                session.open()
                found += (result.output for result in session.run_steps(steps, window=3))
                outcomes.add("done")
                assert len(found) == len(steps)
            except LinkError:
                outcomes.add("refused")
            assert found == want[: len(found)]
    assert outcomes == {"done", "refused"}


def test_faults_are_the_same_for_one_seed_however_the_bytes_are_cut() -> None:
    class Null:
        url = "null"

        def __init__(self) -> None:
            self.taken = b""

        def read(self, wait_s: float) -> bytes:
            return b""

        def write(self, data: bytes) -> None:
            self.taken += data

        def close(self) -> None:
            pass

    data = bytes(range(256)) * 200
    whole, pieces, other = Null(), Null(), Null()
    counted = FaultyTransport(whole, rate=0.01, seed=5)
    counted.write(data)
    cut = FaultyTransport(pieces, rate=0.01, seed=5)
    for at in range(0, len(data), 7):
        cut.write(data[at : at + 7])
    FaultyTransport(other, rate=0.01, seed=6).write(data)
    assert whole.taken == pieces.taken != data
    assert other.taken != whole.taken
    assert 400 < counted.faults.total < 650  # 51,200 bytes at 1 %
    assert len(whole.taken) == len(data) + counted.faults.doubled - counted.faults.dropped
    clean = Null()
    FaultyTransport(clean, rate=0.0, seed=5).write(data)
    assert clean.taken == data


class Stage:
    """A TCP port that stays open while the boards behind it come and go, like a UART."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        self._wire: socket.socket | None = None
        self._board: subprocess.Popen[bytes] | None = None

    def plug_in(self) -> None:
        """Accept the host, which has connected, and start a board on its line."""
        self._wire, _ = self._server.accept()
        self.start()

    def start(self) -> None:
        assert self._wire is not None
        line = self._wire.fileno()
        self._board = subprocess.Popen([str(self._program), "--stdio"], stdin=line, stdout=line)

    def kill(self) -> None:
        assert self._board is not None
        self._board.kill()
        self._board.wait()

    def reset(self) -> None:
        self.kill()
        self.start()

    def close(self) -> None:
        self.kill()
        assert self._wire is not None
        self._wire.close()
        self._server.close()


@pytest.fixture
def stage(program: Path) -> Iterator[tuple[Stage, SerialTransport]]:
    stage = Stage(program)
    with open_port(stage.url) as port:
        stage.plug_in()
        yield stage, port
        stage.close()


@pytest.mark.parametrize("trace", [False, True])
def test_a_reset_in_mid_stream_is_told(stage: tuple[Stage, SerialTransport], trace: bool) -> None:
    board, port = stage
    steps = inputs(20)
    session = begin(port, trace=trace)
    run = session.run_steps(steps)
    check([next(run) for _ in range(10)], steps[:10], trace=trace)
    board.reset()
    with pytest.raises(LinkError, match="the board was reset in mid-stream after step 9: start"):
        next(run)
    with pytest.raises(LinkError, match="no session is open"):
        session.step(steps[10])
    session.open(trace=trace)
    check(list(session.run_steps(steps)), steps, trace=trace)


def test_a_reset_before_the_first_step_is_told(stage: tuple[Stage, SerialTransport]) -> None:
    board, port = stage
    session = begin(port)
    board.reset()
    with pytest.raises(LinkError, match="reset in mid-stream before the first step"):
        session.step(inputs(1)[0])


class Interrupted:
    """A transport that calls `act` once, right after `left` more writes."""

    def __init__(self, inner: Transport, act: Callable[[], None]) -> None:
        self.url = inner.url
        self.left = 0
        self._inner = inner
        self._act = act

    def write(self, data: bytes) -> None:
        self._inner.write(data)
        self.left -= 1
        if self.left == 0:
            self._act()

    def read(self, wait_s: float) -> bytes:
        return self._inner.read(wait_s)

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize("window", [1, 4])
def test_resets_at_any_time_on_a_bad_line_never_give_wrong_results(
    stage: tuple[Stage, SerialTransport], window: int
) -> None:
    board, port = stage
    steps = inputs(400, seed=3)
    want = [output for output, _ in expected(steps)]
    for seed, writes in enumerate((1, 2, 50, 200, 390)):
        line = Interrupted(port, board.reset)
        session = Session(FaultyTransport(line, rate=FAULT_RATE, seed=seed), timeouts=QUICK)
        session.open()
        line.left = writes
        found: list[bytes] = []
        with pytest.raises(LinkError, match="reset in mid-stream"):
            found += (result.output for result in session.run_steps(steps, window=window))
        assert found == want[: len(found)]


def test_a_killed_board_on_a_line_that_stays_is_told(
    stage: tuple[Stage, SerialTransport],
) -> None:
    board, port = stage
    clock = Clock()
    line = Lockstep(port, clock)
    session = begin(line, clock=clock)
    steps = session.run_steps(inputs(20))
    for _ in range(5):
        next(steps)
    board.kill()
    line.dead = True
    with pytest.raises(LinkError, match=r"stopped answering after step 4 \(killed or hung\)"):
        next(steps)
    assert QUICK.silent_s <= clock.now <= QUICK.silent_s + QUICK.resend_max_s


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_process_is_told(program: Path, mode: str) -> None:
    board = Board(program, *MODES[mode])
    with open_port(board.url) as port:
        session = begin(port)
        steps = session.run_steps(inputs(20))
        for _ in range(5):
            next(steps)
        board.kill()
        with pytest.raises(LinkError, match=r"went away \(unplugged or killed\) after step 4"):
            next(steps)


def test_a_hung_board_is_told(program: Path) -> None:
    steps = inputs(4)
    steps[3] = b"hang" + steps[3][4:]
    board = Board(program, *MODES["socket"])
    with open_port(board.url) as port:
        clock = Clock()
        line = Lockstep(port, clock)
        session = begin(line, clock=clock)
        run = session.run_steps(steps)
        for _ in range(3):
            next(run)
        line.dead = True  # this step will never be answered
        with pytest.raises(LinkError, match=r"stopped answering after step 2 \(killed or hung\)"):
            next(run)
    assert board.process.poll() is None
    board.kill()


def test_a_step_that_the_engine_refuses_is_told(program: Path) -> None:
    steps = inputs(4)
    steps[2] = b"fail" + steps[2][4:]
    with running(program) as board, open_port(board.url) as port:
        session = begin(port)
        with pytest.raises(LinkError, match=r"refused 'step' after step 1 \(range\)"):
            list(session.run_steps(steps))


def test_inputs_of_another_size_are_refused(program: Path) -> None:
    with running(program) as board, open_port(board.url) as port:
        session = begin(port)
        with pytest.raises(InputError, match="step 0 has 39 bytes of input, the board takes 40"):
            session.step(bytes(INPUT_BYTES - 1))


def test_a_run_left_with_steps_under_way_ends_the_session(program: Path) -> None:
    steps = inputs(8)
    with running(program) as board, open_port(board.url) as port:
        session = begin(port)
        run = session.run_steps(steps, window=4)
        next(run)
        run.close()  # type: ignore[attr-defined]
        with pytest.raises(LinkError, match="no session is open"):
            session.step(steps[0])
        session.open()
        check(list(session.run_steps(steps)), steps, trace=False)


def test_another_program_on_the_board_is_told(program: Path) -> None:
    steps = inputs(3)
    with running(program, "pty") as board, open_port(board.url) as port:
        first, second = begin(port), Session(port, timeouts=QUICK)
        first.step(steps[0])
        second.open()
        with pytest.raises(LinkError, match="another program took the board after step 0"):
            first.step(steps[1])


def test_foreign_firmware_is_refused_by_name(folder: Path, program: Path) -> None:
    foreign = build_board(folder / "foreign", flags=["-DTOY_HASH=0x77"])
    with running(foreign) as board, open_port(board.url) as port:
        session = Session(port, timeouts=QUICK)
        runs = r"the board runs model 770102030405 \(toy\) built for host; "
        advice = ": run dredkit flash"
        with pytest.raises(
            BoardError,
            match=runs + r"expected model 5a0102030405 \(toy\) built for host" + advice,
        ):
            session.expect(model_hash=MODEL_HASH, target="host")
        with pytest.raises(BoardError, match=runs + r"expected .* built for mps3-an547" + advice):
            session.expect(target="mps3-an547")
        with pytest.raises(BoardError, match=r"expected model 770102030405 \(rdovae_enc\)"):
            session.expect(stage="rdovae_enc")
        board_id = session.hello().build_id
        session.expect(build_id=board_id)
        with pytest.raises(
            BoardError,
            match=f"runs build {board_id.hex()[:12]} of model .*; expected build 000000000000",
        ):
            session.expect(build_id=bytes(20))
        # A hash with the same beginning is still another hash.
        with pytest.raises(BoardError, match="the board runs"):
            session.expect(model_hash=bytes([0x77, *range(1, 15), 99]))


@pytest.mark.parametrize("same_layout", [True, False])
def test_a_foreign_protocol_version_is_named(
    folder: Path, program: Path, same_layout: bool
) -> None:
    if same_layout:
        foreign = replace(WIRE, protocol=99)
        program = build_board(folder / "protocol99", wire=foreign)
        host, here, there = WIRE, WIRE.protocol, 99
    else:  # the host is newer and knows another hello
        message = WIRE.messages["board"]
        shorter = replace(message, fields=message.fields[:-1])
        host = replace(WIRE, protocol=99, messages=WIRE.messages | {"board": shorter})
        here, there = 99, WIRE.protocol
    with running(program) as board, open_port(board.url) as port:
        session = Session(port, wire=host, timeouts=QUICK)
        words = f"board speaks link protocol {there}, this dredkit speaks {here}: run dredkit flash"
        with pytest.raises(LinkError, match=words):
            session.hello()


def test_the_typed_results_have_the_fields_of_the_wire() -> None:
    for name, kind in (("board", BoardMessage), ("counters", Counters)):
        assert [field.name for field in fields(kind)] == [
            field.name for field in WIRE.messages[name].fields
        ]

# SPDX-License-Identifier: BSD-3-Clause
"""The link to emulated boards: the same server and toy engine behind real UART drivers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fixtures.toy_board import INPUT_BYTES, MODEL_HASH, PATIENT, TOY, expected, inputs
from toolkit.common.errors import LinkError
from toolkit.common.wire import WIRE
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.build.build import BuildResult, build_firmware
from toolkit.device.link.faults import FaultyTransport
from toolkit.device.link.messages import StepResult
from toolkit.device.link.session import Session
from toolkit.device.link.transport import open_port
from toolkit.targets.target import Target, load_target

# On a slow machine no request may come twice, because its bytes would arrive while a step runs.
# But QEMU may lose a hello, so this one is repeated.
STEADY = replace(PATIENT, hello_retry_s=WIRE.timeouts.hello_retry_s)


@pytest.fixture(scope="module", params=["mps3-an547", "netduinoplus2", "virt-a53"])
def target(request: pytest.FixtureRequest, target_name: str | None, port_url: str | None) -> Target:
    if port_url is not None:
        pytest.skip("emulates its own boards; --port asks for another one")
    if target_name not in (None, request.param):
        pytest.skip(f"--target asks for {target_name}")
    return load_target(request.param)


@pytest.fixture(scope="module")
def firmware(target: Target, tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build_firmware(target, TOY, tmp_path_factory.mktemp(target.name))


@pytest.fixture(params=["socket", "pty"])
def board(
    request: pytest.FixtureRequest, target: Target, firmware: BuildResult
) -> Iterator[QemuBoard]:
    with QemuBoard(target, request.param) as board:
        board.flash(Path(firmware.elf))
        yield board


def check(results: list[StepResult], steps: list[bytes], *, trace: bool) -> None:
    want = expected(steps)
    assert [result.output for result in results] == [output for output, _ in want]
    if trace:
        assert [result.trace for result in results] == [trace for _, trace in want]


def test_steps_traces_and_costs(board: QemuBoard, target: Target, firmware: BuildResult) -> None:
    steps = inputs(40)
    with open_port(board.serial_url) as port:
        session = Session(port, timeouts=STEADY)
        told = session.expect(
            model_hash=MODEL_HASH, stage="toy", build_id=bytes.fromhex(firmware.build_id)
        )
        assert told.cycles == 0  # QEMU counts time
        session.open()
        alone = list(session.run_steps(steps))
        session.open()
        windowed = list(session.run_steps(steps, window=4))
        session.open(trace=True)
        traced = list(session.run_steps(steps))
        counters = session.counters()
    check(alone, steps, trace=False)
    check(windowed, steps, trace=False)
    check(traced, steps, trace=True)
    assert counters.steps == 3 * len(steps)
    assert counters.rx_dropped == counters.frames_rejected == 0
    assert 0 < counters.stack_peak <= firmware.stack_worst
    # The toy does the same work in every step, whatever arrives meanwhile. Small differences come
    # from branches that depend on its data, and from the counter's rounding for each byte that
    # arrived meanwhile: at most three frames, each less than twice its input.
    error = target.count_error(3 * 2 * INPUT_BYTES)
    for results in (alone, windowed):
        costs = [target.count(result.ticks) for result in results]
        assert max(costs) - min(costs) <= max(8, min(costs) // 50) + 2 * error
    assert min(result.ticks for result in traced) > max(result.ticks for result in alone)


@pytest.mark.parametrize("trace", [False, True])
def test_a_bad_line_is_recovered(board: QemuBoard, trace: bool) -> None:
    steps = inputs(120, seed=3)
    with open_port(board.serial_url) as port:
        line = FaultyTransport(port, rate=1e-3, seed=1)
        session = Session(line)
        session.hello()
        session.open(trace=trace)
        check(list(session.run_steps(steps)), steps, trace=trace)
        assert session.counters().steps == len(steps)
    assert line.faults.total > 0
    assert session.counts.resent > 0


def test_a_reset_in_mid_stream_is_told(board: QemuBoard) -> None:
    steps = inputs(10)
    with open_port(board.serial_url) as port:
        session = Session(port)
        session.open()
        run = session.run_steps(steps)
        check([next(run) for _ in range(4)], steps[:4], trace=False)
        board.reset()
        with pytest.raises(LinkError, match="the board was reset in mid-stream after step 3"):
            next(run)
        session.open()
        check(list(session.run_steps(steps)), steps, trace=False)


def test_a_killed_board_is_told(board: QemuBoard) -> None:
    with open_port(board.serial_url) as port:
        session = Session(port)
        session.open()
        run = session.run_steps(inputs(10))
        for _ in range(3):
            next(run)
        board.kill()
        with pytest.raises(LinkError, match=r"went away \(unplugged or killed\) after step 2"):
            next(run)

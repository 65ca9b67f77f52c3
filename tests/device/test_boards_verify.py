# SPDX-License-Identifier: BSD-3-Clause
"""Verification on emulated boards: the real firmware, flashed and reached over a serial line.

--target NAME runs only that board. --target NAME --port URL runs a real board that is already
flashed with the shipped model.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from quantize.nn.model import QuantisedModel
from tests.support.boards import verified
from tests.support.random_models import random_inputs, random_model
from toolkit.common.errors import LinkError
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.link.faults import FaultyTransport
from toolkit.device.link.session import Session
from toolkit.device.link.transport import open_port
from toolkit.device.pipeline import Prepared, connected, prepare
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import quantise_file
from toolkit.stages.stage import stage_of
from toolkit.targets.target import load_target

BOARDS = ("mps3-an547", "netduinoplus2")


@pytest.fixture(scope="module")
def shipped(clip: Path) -> QuantisedModel:
    return quantise_file(SHIPPED, clip)[0]


@pytest.fixture(scope="module", params=BOARDS)
def board(
    request: pytest.FixtureRequest,
    shipped: QuantisedModel,
    target_name: str | None,
    build_root: Path,
) -> Prepared:
    if target_name not in (None, request.param):
        pytest.skip(f"--target {target_name} asked for")
    return prepare(stage_of(shipped), load_target(request.param), build_root)


@pytest.mark.parametrize("serial", ["socket", "pty"])
def test_shipped_model_on_speech(
    board: Prepared, clip: Path, port_url: str | None, serial: str
) -> None:
    inputs = board.stage.inputs(clip)
    with connected(board, port=port_url, serial=serial) as session:
        verdict = verified(
            session, board, inputs if serial == "socket" else inputs[:40], trace=True
        )
    found = verdict.as_json()
    assert found["mismatches"] == 0
    assert found["budget"]["holds"]
    assert found["budget"]["unit"] == "instructions"
    assert found["budget"]["estimated"] is True
    memory = found["memory"]
    assert 0 < memory["stack_used"] <= memory["stack_worst"] <= memory["stack"]
    assert 0 < memory["flash"] <= memory["flash_limit"]
    assert 0 < memory["ram"] <= memory["ram_limit"]


def test_costs_repeat_exactly(board: Prepared, clip: Path) -> None:
    inputs = board.stage.inputs(clip)[:12]
    runs = []
    for _ in range(2):
        with connected(board, port=None, serial="socket") as session:
            runs.append(verified(session, board, inputs))
    first, second = (np.array(run.budget.per_frame) for run in runs)
    # Nothing arrives while a step runs, unless the host lost patience and sent the request again:
    # a frame is less than twice its input.
    resent = sum(int(run.link["resent"]) for run in runs)
    error = board.target.count_error(resent * 2 * inputs[0].nbytes)
    assert np.abs(first - second).max() <= error


def test_upstream_blob(board: Prepared, upstream: Path, clip: Path, build_root: Path) -> None:
    model, _ = quantise_file(upstream / "weights" / "rdovae_enc.bin", clip)
    prepared = prepare(stage_of(model), board.target, build_root)
    with connected(prepared, port=None, serial="socket") as session:
        verdict = verified(session, prepared, prepared.stage.inputs(clip))
    assert verdict.mismatches == 0
    assert verdict.ok
    stored = sum(m.stored_bytes for m in model.matrices.values())
    dense = sum(m.rows * m.cols for m in model.matrices.values())
    assert verdict.build is not None
    # Zero blocks do not reach the flash: dense tables alone would be larger than the whole image.
    assert stored < verdict.build.flash < dense


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_random_networks(board: Prepared, seed: int, build_root: Path) -> None:
    model = random_model(seed)
    prepared = prepare(stage_of(model), board.target, build_root)
    with connected(prepared, port=None, serial="socket") as session:
        verdict = verified(session, prepared, random_inputs(model, 25, seed), trace=True)
    assert verdict.mismatches == 0, str(verdict.comparisons)


def test_faults_on_the_wire_never_give_a_wrong_verdict(board: Prepared, clip: Path) -> None:
    inputs = board.stage.inputs(clip)[:60]
    with started(board) as running:
        transport = FaultyTransport(open_port(running.serial_url), rate=1e-3, seed=5)
        verdict = verified(Session(transport), board, inputs)
        transport.close()
    assert verdict.mismatches == 0
    assert verdict.link["resent"] > 0


def test_killed_in_mid_stream(board: Prepared, clip: Path) -> None:
    with started(board) as running:
        session = Session(open_port(running.serial_url))
        session.open()
        rows = (row.tobytes() for row in board.stage.inputs(clip))
        results = session.run_steps(rows)
        next(results)
        next(results)
        running.kill()
        with pytest.raises(LinkError, match="after step 1"):
            list(results)


def test_reset_in_mid_stream(board: Prepared, clip: Path) -> None:
    with started(board) as running:
        session = Session(open_port(running.serial_url))
        session.open()
        rows = (row.tobytes() for row in board.stage.inputs(clip))
        results = session.run_steps(rows)
        next(results)
        running.reset()
        with pytest.raises(LinkError, match="reset in mid-stream after step"):
            list(results)


@contextmanager
def started(prepared: Prepared) -> Iterator[QemuBoard]:
    assert prepared.build is not None
    with QemuBoard(prepared.target) as running:
        running.flash(prepared.build.elf)
        yield running

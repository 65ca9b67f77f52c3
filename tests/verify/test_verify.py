# SPDX-License-Identifier: BSD-3-Clause
"""Verification end to end on the host target: it passes a right model, and names each fault."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantize.nn.model import QuantisedModel
from tests.support.boards import verified
from tests.support.random_models import random_inputs, random_model
from toolkit.codegen.generate import GENERATED, generate
from toolkit.common.errors import BoardError
from toolkit.device.boards.process import ProcessBoard
from toolkit.device.build.build import build_host_library, build_host_server
from toolkit.device.build.hostlib import HostEngine
from toolkit.device.link.session import Session
from toolkit.device.link.transport import open_port
from toolkit.device.pipeline import Prepared, connected, prepare
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import quantise_file
from toolkit.stages.stage import stage_of
from toolkit.targets.target import load_target
from toolkit.verify.verify import Verification, verify


def run(prepared: Prepared, inputs: np.ndarray, *, trace: bool = False) -> Verification:
    with connected(prepared, port=None, serial="socket") as session:
        return verified(session, prepared, inputs, trace=trace)


@pytest.fixture(scope="module")
def shipped(clip: Path) -> QuantisedModel:
    return quantise_file(SHIPPED, clip)[0]


@pytest.fixture(scope="module")
def on_host(shipped: QuantisedModel, build_root: Path) -> Prepared:
    return prepare(stage_of(shipped), load_target("host"), build_root)


def test_shipped_model_is_bit_exact_on_speech(on_host: Prepared, clip: Path) -> None:
    inputs = on_host.stage.inputs(clip)
    verdict = run(on_host, inputs, trace=True).as_json()
    assert verdict["ok"]
    assert verdict["mismatches"] == 0
    every = sum(size for _, size in on_host.stage.layers) + 75
    assert verdict["comparisons"]["host C"]["values"] == len(inputs) * every
    assert verdict["comparisons"]["host"]["values"] == len(inputs) * every
    assert len(verdict["budget"]["per_frame"]) == verdict["frames"] == len(inputs)
    assert min(verdict["budget"]["per_frame"]) > 0


def test_sanitizers_are_silent_on_speech(
    on_host: Prepared, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(on_host.stage, on_host.target, tmp_path)
    monkeypatch.setenv("UBSAN_OPTIONS", "halt_on_error=1")
    server = build_host_server(tmp_path / GENERATED, tmp_path, sanitize=True)
    symbols = subprocess.run(["nm", str(server)], capture_output=True, text=True, check=True)
    assert "__asan_init" in symbols.stdout
    assert "__ubsan_handle" in symbols.stdout
    sanitized = replace(on_host, server=server)
    assert run(sanitized, on_host.stage.inputs(clip), trace=True).ok


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_are_bit_exact(seed: int, build_root: Path) -> None:
    model = random_model(seed)
    prepared = prepare(stage_of(model), load_target("host"), build_root)
    verdict = run(prepared, random_inputs(model, 60), trace=True)
    assert verdict.mismatches == 0


def broken(prepared: Prepared, folder: Path, table: str, change: Callable[[int], int]) -> Prepared:
    """Build the same model from tables with one wrong number, under the same hash."""
    generate(prepared.stage, prepared.target, folder)
    source = folder / GENERATED / f"{prepared.stage.name}_weights.c"
    head, body = source.read_text().split(f" {table}[", 1)
    before, numbers = body.split("{", 1)
    first, rest = numbers.split(",", 1)
    source.write_text(f"{head} {table}[{before}{{ {change(int(first))},{rest}")
    server = build_host_server(folder / GENERATED, folder)
    return replace(prepared, server=server)


@pytest.mark.parametrize("trace", [False, True])
def test_a_wrong_weight_is_named_by_layer_step_and_element(
    on_host: Prepared, clip: Path, tmp_path: Path, trace: bool
) -> None:
    wrong = broken(on_host, tmp_path, "enc_conv_dense3_bias", lambda bias: bias + 40000)
    verdict = run(wrong, on_host.stage.inputs(clip)[:20], trace=trace)
    assert not verdict.ok
    found = verdict.as_json()
    assert found["mismatches"] > 0
    assert found["comparisons"]["host C"]["mismatches"] == 0
    first = found["first_mismatch"]
    assert (first["layer"], first["step"], first["element"]) == ("enc_conv_dense3", 0, 0)
    assert first["got"] != first["want"]


def test_host_c_is_compared_too(on_host: Prepared, clip: Path, tmp_path: Path) -> None:
    broken(on_host, tmp_path, "enc_gru2_recurrent_bias", lambda bias: bias + 90000)
    library = build_host_library(tmp_path / GENERATED, tmp_path)
    wrong = replace(on_host, engine=HostEngine(library))
    verdict = run(wrong, on_host.stage.inputs(clip)[:20])
    first = verdict.comparisons["host C"].first
    assert first is not None
    assert first.layer == "enc_gru2"
    assert verdict.comparisons["host"].mismatches == 0


def test_over_budget_is_a_failed_check(on_host: Prepared, clip: Path) -> None:
    timer = replace(on_host.target.timer, hardware_ticks_per_unit=1e-6)
    slow = replace(on_host, target=replace(on_host.target, timer=timer))
    verdict = run(slow, on_host.stage.inputs(clip)[:5])
    assert verdict.mismatches == 0
    assert not verdict.budget.holds
    assert not verdict.ok


def test_firmware_of_another_model_is_refused_by_name(on_host: Prepared, build_root: Path) -> None:
    other = prepare(stage_of(random_model(1)), load_target("host"), build_root)
    assert other.server is not None
    with ProcessBoard(other.server) as board:
        session = Session(open_port(board.serial_url))
        with pytest.raises(BoardError) as caught:
            verify(
                session,
                target=on_host.target,
                stage=on_host.stage,
                manifest=on_host.manifest,
                build=None,
                engine=on_host.engine,
                audio=Path("speech.wav"),
                inputs=np.zeros((1, 40), "<i2"),
            )
    message = str(caught.value)
    assert other.stage.hash[:12] in message
    assert on_host.stage.hash[:12] in message
    assert "random1" in message
    assert "dredkit flash" in message

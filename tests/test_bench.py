# SPDX-License-Identifier: BSD-3-Clause
"""Costs by part and layer: they add up to the step, and growing figures are refused."""

import copy
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.small_models import small_model
from toolkit.cli import group
from toolkit.errors import CheckFailed, InputError
from toolkit.figures import check_against
from toolkit.importers import SHIPPED
from toolkit.spans import layer_spans
from toolkit.stage import Stage, stage_of
from toolkit.steps import Sources, quantise_encoder
from toolkit.stream import Streamed
from toolkit.targets import load_target

STAMP = 5  # ticks that one stamp takes in the made-up run below


def streamed(traces: list[bytes], ticks: list[int]) -> Streamed:
    return Streamed([b""] * len(ticks), traces, ticks, 0, {})


def stamps(stage: Stage, ends: list[int], starts: dict[int, int]) -> bytes:
    """A trace with the times to each layer's end, 0 for none, and to where networks start."""
    parts = []
    for index, ((_, size), end) in enumerate(zip(stage.layers, ends, strict=True)):
        times = (
            struct.pack("<II", end, starts.get(index, 0)) if size > 3 else struct.pack("<I", end)
        )
        parts.append(times.ljust(2 * size, b"\xaa"))
    return b"".join(parts)


def test_spans_are_the_differences_of_stamps_less_what_a_stamp_takes() -> None:
    stage = stage_of(small_model())
    want = np.arange(1, len(stage.layers) + 2) * 100
    trace = stamps(stage, list(np.cumsum(want[:-1] + STAMP)), {})
    total = int(want.sum())
    plain = streamed([], [total, total])
    stamped = streamed([trace, trace], [total + STAMP * len(stage.layers)] * 2)
    spans, stamp = layer_spans(load_target("netduinoplus2"), stage, plain, stamped)
    assert stamp == pytest.approx(STAMP)
    assert spans == pytest.approx(np.array([want, want]))


def test_what_lies_before_a_network_is_not_its_first_layers() -> None:
    stage = stage_of(small_model())
    count = len(stage.layers)
    assert stage.layers[0][1] > 3
    # The first op runs the first layer alone, 700 ticks after its start; the second runs none. A
    # trace is cleared in 50 ticks.
    first = stamps(stage, [50 + 700 + 100 + STAMP] + [0] * (count - 1), {0: 50 + 700})
    none = stamps(stage, [0] * count, {})
    plain = streamed([], [850, 30])
    stamped = streamed([first, none], [850 + 50 + STAMP, 30 + 50])
    spans, stamp = layer_spans(load_target("netduinoplus2"), stage, plain, stamped)
    assert stamp == pytest.approx(STAMP)
    assert spans[0] == pytest.approx(np.array([100] + [0] * (count - 1) + [750]))
    assert spans[1] == pytest.approx(np.array([0] * count + [30]))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "encoder.dkq"
    model, _ = quantise_encoder(Sources(SHIPPED))
    model.save(file)
    return file


@pytest.mark.parametrize("target", ["mps3-an547", "netduinoplus2"])
def test_parts_of_the_sender_add_up_to_its_step(
    target: str, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.commands.bench.BUILD", tmp_path / "build")
    figures = tmp_path / "bench.json"
    command = ["bench", "--target", target, "--model", str(encoder), "--steps", "4"]
    command += ["--json", str(figures)]
    done = CliRunner().invoke(group, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = json.loads(figures.read_text())
    parts = {part["name"]: part["mean"] for part in found["parts"]}
    assert list(parts) == ["features", "pitch", "rdovae_enc", "payload"]
    assert min(parts.values()) > 1000
    # Units are instructions, counted in ticks of a thirtieth on one board: rounding apart, exact.
    assert sum(parts.values()) == pytest.approx(found["step"]["mean"], abs=2.0)
    assert sum(layer["mean"] for layer in found["layers"]) == pytest.approx(
        sum(parts.values()), abs=4.0
    )
    gru = next(layer for layer in found["layers"] if layer["name"] == "gru_1")
    assert gru["times"] == 2
    assert gru["macs"] == 2 * 2 * 3 * 64 * 64

    refused = copy.deepcopy(found)
    refused["parts"][2]["mean"] *= 0.97
    with pytest.raises(CheckFailed, match=r"rdovae_enc costs .* committed is"):
        check_against(found, refused)
    allowed = copy.deepcopy(found)
    allowed["parts"][2]["mean"] *= 0.99
    check_against(found, allowed)
    with pytest.raises(InputError, match="committed figures are for steps 5"):
        check_against(found, {**found, "steps": 5})


def test_this_machine_is_no_board_to_measure() -> None:
    done = CliRunner().invoke(group, ["bench", "--target", "host", "--steps", "1"])
    assert isinstance(done.exception, InputError)
    assert "host is no board" in str(done.exception)

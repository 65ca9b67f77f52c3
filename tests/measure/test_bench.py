# SPDX-License-Identifier: BSD-3-Clause
"""Costs by part and layer add up to the step, and figures that grow are refused."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from quantize.codec.sender import default_rate
from quantize.dred.history import History
from quantize.dred.payload import parse
from tests.support.small_models import small_model
from toolkit.cli import group
from toolkit.common.errors import CheckFailed, InputError
from toolkit.device.stream import Streamed
from toolkit.measure.bench.bench import bench_inputs
from toolkit.measure.bench.figures import check_against, read_figures
from toolkit.measure.isa_limits import limits_of
from toolkit.measure.spans import layer_spans
from toolkit.models.importers import SHIPPED
from toolkit.models.importers.entropy import read_tables
from toolkit.models.quantise import CLIP
from toolkit.stages.sending import Sending
from toolkit.stages.stage import EncoderStage, Stage, stage_of
from toolkit.targets.isas import ISAS
from toolkit.targets.target import load_target

STAMP = 5  # ticks that one stamp takes in the made-up run below


def streamed(traces: list[bytes], ticks: list[int]) -> Streamed:
    return Streamed([b""] * len(ticks), traces, ticks, 0, {})


def stamps(stage: Stage, ends: list[int], starts: dict[int, int]) -> bytes:
    """Return a trace: the times to each layer's end (0: not run) and to each network's start."""
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
    found = layer_spans(load_target("netduinoplus2"), stage, plain, stamped)
    spans = found.costs
    assert found.stamp == pytest.approx(STAMP)
    assert spans == pytest.approx(np.array([want, want]))


def test_what_lies_before_a_network_is_not_its_first_layers() -> None:
    stage = stage_of(small_model())
    count = len(stage.layers)
    assert stage.layers[0][1] > 3
    # The first op runs only the first layer, 700 ticks after the op's start; the second op runs
    # none. Clearing a trace takes 50 ticks.
    first = stamps(stage, [50 + 700 + 100 + STAMP] + [0] * (count - 1), {0: 50 + 700})
    none = stamps(stage, [0] * count, {})
    plain = streamed([], [850, 30])
    stamped = streamed([first, none], [850 + 50 + STAMP, 30 + 50])
    found = layer_spans(load_target("netduinoplus2"), stage, plain, stamped)
    spans = found.costs
    assert found.stamp == pytest.approx(STAMP)
    assert spans[0] == pytest.approx(np.array([100] + [0] * (count - 1) + [750]))
    assert spans[1] == pytest.approx(np.array([0] * count + [30]))
    assert found.orders == [[0], []]


def facts(**means: float) -> dict[str, Any]:
    """Return figures of parts with these mean costs; each part has one layer."""
    parts = [{"name": name, "mean": mean} for name, mean in means.items()]
    layers = [{"name": f"{name}_gru", "part": name, "mean": mean} for name, mean in means.items()]
    step = {"mean": sum(means.values())}
    of = {"target": "mps3-an547", "stage": "encoder", "unit": "instructions", "steps": 4}
    return {**of, "step": step, "parts": parts, "layers": layers}


def test_growth_over_two_percent_is_refused_and_named() -> None:
    committed = facts(pitch=10_000, rdovae_enc=20_000)
    check_against(facts(pitch=10_190, rdovae_enc=20_390), committed)
    check_against(facts(pitch=100, rdovae_enc=200), committed)
    told = r"encoder: rdovae_enc costs 20,500 .* committed is 20,000 \(rdovae_enc_gru \+500\);"
    with pytest.raises(CheckFailed, match=told):
        check_against(facts(pitch=9_000, rdovae_enc=20_500), committed)
    with pytest.raises(CheckFailed, match="payload costs 5 instructions, committed is 0"):
        check_against(facts(pitch=10_000, payload=5), committed)


def test_figures_of_something_else_are_no_measure() -> None:
    committed = facts(pitch=10_000)
    for key, other in (("steps", 5), ("target", "virt-a53"), ("unit", "cycles")):
        with pytest.raises(InputError, match=f"committed figures are for {key} "):
            check_against({**facts(pitch=10_000), key: other}, committed)


def test_a_file_without_figures_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    for text in ("{}", "[", "3"):
        file.write_text(text)
        with pytest.raises(InputError, match=r"figures\.json: holds no figures of"):
            read_figures(file)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--target", "host"], "host is not a board"),
        (["--steps", "1"], "give --target NAME, or --all"),
        (
            ["--target", "virt-a53", "--write"],
            "--write: one measurement (without --all) does not take it; --all does",
        ),
        (["--all", "--target", "host"], "host: no emulated board"),
    ],
)
def test_what_cannot_be_measured_is_said_at_once(words: list[str], complaint: str) -> None:
    done = CliRunner().invoke(group, ["bench", *words])
    assert isinstance(done.exception, InputError)
    assert complaint in str(done.exception)


def test_every_isa_of_vectors_has_its_limits() -> None:
    found = {isa: {k: v.per_mac for k, v in limits_of(isa).items()} for isa in ISAS}
    assert found["c"] == {}
    # The kernels' goals must be above the limit of the ISA.
    goals = {"simd32": 1.45, "mve": 0.165, "neon": 0.33, "dotprod": 0.14}
    for isa, goal in goals.items():
        assert 0.5 * goal < found[isa]["int8"] < goal
    assert found["dotprod"]["int16"] == found["neon"]["int16"] == 0.25 + 1 / 32


@pytest.mark.parametrize("chunks", [1, 5, 26])
def test_payloads_have_stopped_growing_once_a_sender_has_settled(chunks: int) -> None:
    rate = replace(default_rate(), max_chunks=chunks, max_bytes=1000)
    settling = Sending(rate=replace(rate, max_bytes=256)).settling
    tables = read_tables(SHIPPED)
    assert tables is not None
    history, counts = History(), []
    for _ in range(settling + 20):
        assert history.hear(320, active=True) <= 1
        history.push(np.zeros(25, np.int64), np.zeros(50, np.int64))
        payload = history.payload(tables, rate)
        counts.append(len(parse(payload, tables).chunks) if payload else 0)
    assert counts[settling:] == [chunks] * 20
    assert counts[settling - 4] < chunks


def test_the_steps_that_settle_a_sender_are_not_counted(tmp_path: Path) -> None:
    run = Streamed([b"a", b"b", b"c"], [b"x", b"y", b"z"], [1, 2, 3], 7, {"sent": 3})
    assert run.after(2) == Streamed([b"c"], [b"z"], [3], 7, {"sent": 3})
    stage = object.__new__(EncoderStage)
    stage.settling, stage.input_rate, stage.samples = 54, 16000, 320
    stage.sending = Sending()
    assert len(bench_inputs(stage, CLIP, 50)) == 104
    assert len(bench_inputs(stage, CLIP, 10_000)) == 230
    short = tmp_path / "short.wav"
    soundfile.write(short, np.ones(54 * 320, np.int16), 16000)
    with pytest.raises(InputError, match=r"short\.wav: too short to measure: .* after 1\.08 s"):
        bench_inputs(stage, short, 1)

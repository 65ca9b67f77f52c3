# SPDX-License-Identifier: BSD-3-Clause
"""Blocks counted on emulated boards, and the cycles estimated from them."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from quantize.codec.receiver_model import Chunk, DecoderModel, Speak, Take
from tests.support.boards import verified
from tests.support.decoder_models import random_networks, random_payload
from tests.support.random_models import random_inputs, random_model
from toolkit.cli import group
from toolkit.common.errors import BoardError, InputError, ToolError
from toolkit.device.pipeline import connected, prepare, prepare_to_measure
from toolkit.device.stream import Streamed
from toolkit.measure.bench.bench import bench
from toolkit.measure.budget import MEASURED, ONE_EACH
from toolkit.measure.cycles.code import Code
from toolkit.measure.cycles.counter import Block, BlockCounter, End, parse_record
from toolkit.measure.cycles.estimate import SectionCost, estimate, layer_cycles, model_of
from toolkit.measure.cycles.models import MODELS
from toolkit.stages.receiver import DecoderStage, rows_of
from toolkit.stages.stage import Stage, stage_of
from toolkit.targets.target import load_target, target_names
from toolkit.verify.compare import Comparison
from toolkit.verify.verify import Verification, verify

STEPS = 6
SEED = 1
# Instructions of dk_port_work_ticks and of the call of the step: they lie between the timer's two
# readings, but not in the step's blocks.
AROUND_A_STEP = (15, 60)
# Cycles per instruction: an M4 or M33 issues one instruction at a time, the others at most two.
RATIOS = {
    "netduinoplus2": (1.0, 2.0),
    "mps2-an500": (0.5, 1.2),
    "mps2-an505": (1.0, 2.0),
    "mps3-an547": (0.7, 1.8),
    "virt-a53": (0.5, 2.5),
}


def test_every_emulated_board_has_a_model_of_its_core() -> None:
    boards = [target for target in map(load_target, target_names()) if target.emulator]
    assert {board.core for board in boards} <= MODELS.keys()
    for model in MODELS.values():
        assert len(model.errors) >= 3


@pytest.mark.parametrize("name", RATIOS)
def test_blocks_add_up_to_the_timers_instructions(
    name: str, build_root: Path, tmp_path: Path
) -> None:
    target = load_target(name)
    model = random_model(SEED)
    prepared = prepare(stage_of(model), target, build_root)
    assert prepared.build is not None
    image = prepared.build.elf
    counter = BlockCounter(image)
    with connected(prepared, port=None, serial="socket", plugin=counter) as session:
        verdict = verified(
            session,
            prepared,
            random_inputs(model, STEPS, SEED),
            audio=tmp_path / "none.wav",
            trace=True,
            counter=counter,
        )
    found = verdict.estimate
    assert found is not None
    assert verdict.budget.instructions is not None
    more = np.array(verdict.budget.instructions) - np.array(found.instructions)
    assert AROUND_A_STEP[0] <= more.min() <= more.max() <= AROUND_A_STEP[1]
    assert more.max() - more.min() <= max(1, target.count_error(0))
    low, high = RATIOS[name]
    assert low <= found.per_instruction <= high
    check_verdict(verdict)
    check_sections(verdict)
    with pytest.raises(BoardError, match="QEMU counted 0 of 6 steps"):
        estimate(BlockCounter(image), target, STEPS)
    # An interrupt does not belong to the step, even if it was counted.
    code = Code(image)
    assert "dk_uart_isr" in code.interrupts
    assert code.interrupts.isdisjoint(cost.name for cost in found.functions)


def a_network() -> tuple[Stage, np.ndarray]:
    model = random_model(SEED)
    return stage_of(model), random_inputs(model, STEPS, SEED)


def a_receiver() -> tuple[Stage, np.ndarray]:
    """Return a receiver whose ops run different layers, some of them for three chunks at once."""
    stage = DecoderStage(DecoderModel(random_networks(), "pulse"), batch=3)
    return stage, rows_of([Take(0, random_payload(SEED, chunks=5)), Chunk(3), Chunk(3), Speak()])


@pytest.mark.parametrize("made", [a_network, a_receiver])
def test_bench_tells_the_cycles_of_layers_beside_their_instructions(
    made: Callable[[], tuple[Stage, np.ndarray]], build_root: Path
) -> None:
    target = load_target("netduinoplus2")
    stage, inputs = made()
    prepared = prepare_to_measure(stage, target, build_root)
    assert prepared.build is not None
    counter = BlockCounter(prepared.build.elf)
    with connected(prepared, port=None, serial="socket", plugin=counter) as session:
        found = bench(
            session,
            target=target,
            stage=stage,
            manifest=prepared.manifest,
            build_id=prepared.build.build_id,
            inputs=inputs,
            counter=counter,
        )
    facts = found.as_json()
    assert (facts["unit"], facts["cycles"]["model"]) == ("instructions", MODELS["cortex-m4"].text)
    times = {part["name"]: part["steps"] for part in facts["parts"]}
    for key, whole in (("mean", facts["step"]), ("cycles", facts["step"]["cycles"])):
        total = sum(layer[key] * times[layer["part"]] for layer in facts["layers"])
        assert total == pytest.approx(whole["mean"] * len(inputs), abs=2 * len(inputs))
    assert facts["step"]["cycles"]["mean"] > facts["step"]["mean"]


def check_verdict(verdict: Verification) -> None:
    """Check that the budget judges estimated cycles and says so."""
    facts = verdict.as_json()
    assert verdict.estimate is not None
    assert facts["budget"]["unit"] == "cycles"
    assert facts["budget"]["estimated"] is True
    assert facts["budget"]["model"] == verdict.estimate.model
    assert facts["budget"]["per_frame"] == verdict.estimate.cycles
    assert facts["budget"]["first"] == verdict.estimate.cycles[0]
    assert 0.5 <= facts["cycles"]["jumps_percent"] <= 15
    names = [function["name"] for function in facts["cycles"]["functions"]]
    assert {"dk_tanh", "dk_gru_update"} <= set(names)
    assert 90 <= sum(function["share_percent"] for function in facts["cycles"]["functions"]) <= 101


def check_sections(verdict: Verification) -> None:
    """Check that a step is cut after each of its layers, and that the pieces add up to the step."""
    found = verdict.estimate
    assert found is not None
    layers = len(verdict.stage.layers)
    spans = layer_cycles(found.sections, [range(layers)] * STEPS, layers)
    assert spans.shape == (STEPS, layers + 1)
    assert spans[:, :-1].min() > 0
    assert spans.sum(axis=1) == pytest.approx(np.array(found.cycles), abs=1)


@pytest.mark.parametrize(("cycles", "unit", "cost"), [(0, "instructions", 500), (1, "cycles", 500)])
def test_a_board_that_counts_cycles_itself_is_judged_by_them(
    cycles: int, unit: str, cost: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage = stage_of(random_model(SEED))
    streamed = Streamed([bytes(stage.output_bytes)] * 2, [], [cost, cost], 0, {})
    nothing = Comparison(1, 0, None)
    monkeypatch.setattr("toolkit.verify.verify.compare_host", lambda *args: nothing)
    monkeypatch.setattr(
        "toolkit.verify.verify.compare_board", lambda *args, **kw: (nothing, streamed)
    )
    session: Any = SimpleNamespace(expect=lambda **asked: SimpleNamespace(cycles=cycles))
    engine: Any = None
    found = verify(
        session,
        target=load_target("netduinoplus2"),
        stage=stage,
        manifest={},
        build=None,
        engine=engine,
        audio=tmp_path / "none.wav",
        inputs=random_inputs(random_model(SEED), 2, SEED),
    ).budget
    assert (found.unit, found.max, found.estimated) == (unit, cost, unit == "instructions")
    assert found.model == (MEASURED if cycles else ONE_EACH)


def words(*values: int) -> np.ndarray:
    return np.array(values, "<u4")


RECORD = words(
    1, 7, 0x100, 3,  # block 7
    1, 2, 0x200, 5,
    2, End.LAYER, 2, 7, 10, 1, 2, 4, 0,
    2, End.STEP, 1, 7, 1, 1,
    3,
    2, End.STEP, 1, 2, 9, 9,
    3,
)  # fmt: skip


def test_a_record_is_read_step_by_step() -> None:
    run = parse_record(RECORD, 2)
    assert run.blocks == [Block(0x200, 5), Block(0x100, 3)]
    assert [len(step) for step in run.steps] == [2, 1]
    first = run.steps[0][0]
    assert first.end == End.LAYER
    assert first.counts.tolist() == [[1, 10, 1], [0, 4, 0]]
    assert len(parse_record(RECORD, 1).steps) == 1
    assert len(parse_record(RECORD[:-1], 2).steps) == 1  # a step that is not over
    with pytest.raises(BoardError, match="damaged at word 0"):
        parse_record(words(9), 1)


def test_layers_get_their_sections_in_the_order_in_which_they_ran() -> None:
    step = [
        SectionCost(End.NETWORK, 10, 1.0),  # before the first network: the rest
        SectionCost(End.LAYER, 10, 2.0),
        SectionCost(End.LAYER, 10, 4.0),
        SectionCost(End.NETWORK, 10, 8.0),  # between two networks: belongs to the layer before
        SectionCost(End.LAYER, 10, 16.0),
        SectionCost(End.STEP, 10, 32.0),
    ]
    assert layer_cycles([step], [[2, 0, 1]], 4).tolist() == [[12.0, 16.0, 2.0, 0.0, 33.0]]
    assert layer_cycles([step], [[]], 1).tolist() == [[0.0, 63.0]]  # the voice's
    with pytest.raises(InputError, match="step 0 ran other layers"):
        layer_cycles([step], [[0, 1]], 4)


def test_a_comma_in_the_temporary_folder_is_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr("toolkit.measure.cycles.counter.step_marks", lambda image: {"enter": 16})
    _, text = BlockCounter(tmp_path / "image").options("qemu-system-arm")
    plugin, out, enter = re.split("(?<!,),(?!,)", text)
    assert plugin.startswith(f"file={tmp_path}/a,,b/dredkit-cycles-")
    assert out.startswith(f"out={tmp_path}/a,,b/dredkit-cycles-")
    assert enter == "enter=0x10"


def test_an_image_without_marks_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "server"
    image.write_bytes(Path("/bin/true").read_bytes())
    with pytest.raises(InputError, match="has no dk_app_engine"):
        BlockCounter(image)


@pytest.mark.parametrize(
    ("options", "words_of_error"),
    [
        (["--target", "host"], "host is not emulated"),
        (["--target", "netduinoplus2", "--port", "/dev/ttyACM0"], "no --port"),
    ],
)
def test_what_cannot_be_counted_is_refused_early(options: list[str], words_of_error: str) -> None:
    done = CliRunner().invoke(group, ["verify", "--cycles", *options])
    assert isinstance(done.exception, InputError)
    assert words_of_error in str(done.exception)


def test_a_missing_llvm_mca_is_told_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.measure.cycles.mca.VERSION", 99)
    done = CliRunner().invoke(group, ["verify", "--cycles", "--target", "mps2-an500"])
    assert isinstance(done.exception, ToolError)
    assert "llvm-mca-99 is missing: apt-get install" in str(done.exception)


def test_only_what_is_emulated_has_a_model() -> None:
    with pytest.raises(InputError, match="is not emulated"):
        model_of(load_target("netduinoplus2").on_hardware())

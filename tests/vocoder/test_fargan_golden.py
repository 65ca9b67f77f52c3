# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN with an Opus release's weights: floats equal libopus, integers are near them."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from quantize import integer
from quantize.nn.calibrate import snr_db
from quantize.nn.run import IntegerRunner
from quantize.nn.weights import Weights
from quantize.vocoder.fargan import cells, floats
from quantize.vocoder.fargan.parts import STEP, STEPS
from quantize.vocoder.fargan.quantise import quantise_fargan
from quantize.vocoder.synthesis import clamped, period
from toolkit.models.importers.fargan import read_fargan_layers

F32 = npt.NDArray[np.float32]
LEAD = 5  # frames of silence that libopus begins the golden speech with
FRAMES = 100
EQUAL = 60  # frames; a rounding that differs by one bit shows in the voice's own feedback later


class Run(NamedTuple):
    """What libopus' floats do for the golden features."""

    layers: dict[str, Weights]
    features: F32  # [frames, 20]
    vectors: F32  # [frames, 320]
    periods: list[int]  # by step
    memories: list[floats.FloatMemory]  # before each step
    said: F32  # [steps, 40]


@cache
def run_of(upstream: Path) -> Run:
    layers, _ = read_fargan_layers(upstream / "weights" / "fargan.bin")
    golden = np.fromfile(upstream / "golden" / "features.f32", np.float32).reshape(-1, 36)
    features = np.concatenate([np.zeros((LEAD, 20)), golden[:FRAMES, :20]]).astype(np.float32)
    network = floats.FloatFargan(layers)
    vectors, periods = network.condition(features[:, :, None])
    nothing, silence = np.zeros((0, 1), np.float32), np.zeros((STEP, 1), np.float32)
    memory = network.begin(nothing)
    for vector in vectors[LEAD - 3]:
        _, memory = network.step(vector, periods[LEAD - 3], memory, nothing, silence)
    memories, said, told = [], [], []
    for frame in range(LEAD - 2, len(vectors)):
        for vector in vectors[frame]:
            memories.append(memory)
            spoken, memory = network.step(vector, periods[frame], memory, nothing)
            said.append(spoken[:, 0])
            told.append(int(periods[frame, 0]))
    return Run(
        layers, golden[:FRAMES, :20], vectors[LEAD - 2 :].reshape(FRAMES, -1), told, memories,
        np.array(said),
    )  # fmt: skip


def test_floats_equal_libopus(upstream: Path) -> None:
    run = run_of(upstream)
    vectors = np.fromfile(upstream / "golden" / "fargan_cond.f32", np.float32).reshape(-1, 320)
    assert np.abs(run.vectors - vectors[:FRAMES]).max() < 1e-6
    golden = np.fromfile(upstream / "golden" / "fargan_pcm.f32", np.float32)
    pcm = floats.deemphasised(run.said.reshape(-1))
    assert np.abs(pcm[: 160 * EQUAL] - golden[: 160 * EQUAL]).max() < 1e-6


def test_conditioning_is_near_libopus(upstream: Path) -> None:
    run = run_of(upstream)
    model = quantise_fargan(run.layers, {"name": "fargan.bin"})
    runner = IntegerRunner(model.condition)
    found = []
    lead = np.zeros((LEAD, 20))
    for features in clamped(integer.to_fixed(np.concatenate([lead, run.features]), 10)):
        row = min(int(period(features[18])) - 32, 223)
        inputs = np.concatenate([features, model.periods[row].astype(np.int64)])
        found.append(runner.step({"features": inputs})["cond_net_fdense2"])
    assert snr_db(integer.to_real(np.array(found[LEAD:]), 15), run.vectors) >= 43


def test_steps_are_near_libopus(upstream: Path) -> None:
    """Each step hears the past and has the states of the floats."""
    run = run_of(upstream)
    network = cells.StepNetwork(quantise_fargan(run.layers, {"name": "fargan.bin"}))

    def columns(parts: list[F32]) -> F32:
        return np.concatenate(parts, axis=1)

    memory = cells.Memory(
        np.rint(2.0**18 * columns([m.history for m in run.memories])).astype(np.int64),
        np.floor(0.5 + 127 * columns([m.inputs for m in run.memories])).astype(np.int64),
        tuple(  # type: ignore[arg-type]
            integer.to_fixed(columns([m.states[k] for m in run.memories]), 15) for k in range(3)
        ),
    )
    vectors = integer.to_fixed(run.vectors.reshape(FRAMES * STEPS, -1).T, 15)
    noise = np.zeros((0, len(run.memories)), np.int64)
    said, _ = network.step(vectors, np.array(run.periods), memory, noise)
    wanted = run.said.astype(np.float64)
    assert snr_db(integer.to_real(said.T, 18), wanted) >= 30


@pytest.mark.parametrize("rows", [1, 3])
def test_voices_side_by_side_in_floats_are_the_same_as_alone(upstream: Path, rows: int) -> None:
    run = run_of(upstream)
    network = floats.FloatFargan(run.layers)
    told = [run.features[at : at + 8] for at in range(40, 40 + rows)]
    together = floats.synthesise(network, told)
    alone = floats.synthesise(network, told[-1:])
    assert [len(pcm) for pcm in together] == [1280] * rows
    assert np.abs(together[-1].astype(int) - alone[0]).max() <= 1

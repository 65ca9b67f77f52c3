# SPDX-License-Identifier: BSD-3-Clause
"""The same model gives the same C, from memory or saved and loaded again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.nn.model import QuantisedModel
from tests.support.stand_ins import NAMES, stand_in_stage
from toolkit.codegen.generate import GENERATED, generate
from toolkit.models.saved import load_quantised
from toolkit.stages.stage import DecoderStage, EncoderStage, NetworkStage, Stage, stage_of
from toolkit.targets.target import load_target

# One target for each instruction set.
TARGETS = ("host", "netduinoplus2", "mps3-an547", "virt-a53", "virt-a76")


def written(stage: Stage, target: str, folder: Path) -> dict[str, bytes]:
    """Return every file that is generated for a target, the manifest included."""
    generate(stage, load_target(target), folder)
    return {path.name: path.read_bytes() for path in (folder / GENERATED).iterdir()}


def model_of(stage: Stage) -> QuantisedModel | EncoderModel | DecoderModel:
    assert isinstance(stage, NetworkStage | EncoderStage | DecoderStage)
    return stage.model


def backwards(model: QuantisedModel) -> QuantisedModel:
    """Return the same model with the entries of every dict in the opposite order."""

    def turned(value: dict[str, Any]) -> dict[str, Any]:
        return dict(reversed(value.items()))

    graph = model.graph
    graph = replace(
        graph,
        buffers=turned(graph.buffers),
        formats=turned(graph.formats),
        fracs=turned(graph.fracs),
    )
    return replace(
        model,
        graph=graph,
        frac=turned(model.frac),
        matrices=turned(model.matrices),
        source=turned(model.source),
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_gives_the_same_files(name: str, target: str, tmp_path: Path) -> None:
    stage = stand_in_stage(name)
    model = model_of(stage)
    model.save(tmp_path / "model.dkq")
    batch = stage.batch if isinstance(stage, DecoderStage) else 1
    loaded = stage_of(load_quantised(tmp_path / "model.dkq"), batch=batch)
    assert loaded.hash == stage.hash
    assert written(stage, target, tmp_path / "a") == written(loaded, target, tmp_path / "b")


@pytest.mark.parametrize("name", ["encoder", "rdovae_enc"])
def test_the_order_of_dicts_means_nothing(name: str, tmp_path: Path) -> None:
    model = model_of(stand_in_stage(name))
    if isinstance(model, EncoderModel):
        other = replace(model, pitch=backwards(model.pitch), rdovae=backwards(model.rdovae))
        assert other.hash == model.hash
        stages: tuple[Stage, Stage] = EncoderStage(model), EncoderStage(other)
    else:
        assert isinstance(model, QuantisedModel)
        assert backwards(model).hash == model.hash
        stages = NetworkStage(model), NetworkStage(backwards(model))
    first, second = (
        written(stage, "netduinoplus2", tmp_path / str(i)) for i, stage in enumerate(stages)
    )
    assert first == second

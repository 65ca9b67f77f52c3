# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN's weights as scoring takes them: a release's, a checkpoint, or a training's state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantize.files.reading import file_bytes
from quantize.nn.weights import Weights as Layer
from quantize.train.fargan import loop as training
from toolkit.models.importers.checkpoint import layers_of
from toolkit.models.importers.dnnw import MAGIC
from toolkit.models.importers.fargan import read_fargan_layers
from toolkit.verify.scoring.source import source

_CURE = "train a voice with `dredkit train fargan`"


@dataclass(frozen=True)
class FarganWeights:
    """FARGAN's layers, and what the report says about them."""

    layers: dict[str, Layer]
    facts: dict[str, str | int]


def read_weights(path: Path) -> FarganWeights:
    """Read a release's blob, a checkpoint of FARGAN, or the state of its training, packed or not.

    Raises InputError for anything else.
    """
    if file_bytes(path, _CURE).startswith(MAGIC):
        layers, told = read_fargan_layers(path)
        return FarganWeights(layers, {key: told[key] for key in ("name", "sha256")})
    found = source(path, training.KIND, _CURE)
    if not found.trained:
        return FarganWeights(read_fargan_layers(path)[0], found.facts)
    trainer = training.resumed(path)
    tensors = {name: tensor.numpy() for name, tensor in trainer.smoothed().export().items()}
    return FarganWeights(layers_of(tensors, path), {**found.facts, "steps": trainer.step})

# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN's weights as scoring takes them: a checkpoint, or the state of its training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantize.networks.fargan import Fargan
from quantize.networks.fargan_checkpoint import read_fargan
from quantize.train.fargan import loop as training
from toolkit.verify.scoring.source import source


@dataclass(frozen=True)
class FarganWeights:
    """FARGAN's weights, and what the report says about them."""

    model: Fargan
    facts: dict[str, str | int]


def read_weights(path: Path) -> FarganWeights:
    """Read a checkpoint of FARGAN or the state of its training, packed or not.

    Raises InputError for anything else.
    """
    found = source(path, training.KIND, "train a voice with `dredkit train fargan`")
    if not found.trained:
        return FarganWeights(read_fargan(path), found.facts)
    trainer = training.resumed(path)
    return FarganWeights(trainer.smoothed(), {**found.facts, "steps": trainer.step})

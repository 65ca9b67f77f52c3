# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN's weights as scoring takes them: a checkpoint, or the state of its training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from quantize.errors import InputError
from quantize.networks.fargan import Fargan, sizes_from
from quantize.networks.fargan_checkpoint import read_fargan
from quantize.train.fargan import loop as training
from quantize.train.state import load_packed, load_state


@dataclass(frozen=True)
class FarganWeights:
    """FARGAN's weights, and what the report says about them."""

    model: Fargan
    facts: dict[str, str | int]


def read_weights(path: Path) -> FarganWeights:
    """Read a checkpoint of FARGAN or the state of its training, packed or not.

    Raises InputError for anything else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; train a voice with `dredkit train fargan`")
    facts: dict[str, str | int] = {
        "name": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    notes = _notes(path) if path.suffix != ".pt" else {}
    if path.suffix == ".pt" or notes.get("kind") == training.KIND:
        packed = path.suffix != ".pt"
        state = (
            load_packed(path, training.KIND, training.PAIRS)
            if packed
            else load_state(path, training.KIND)
        )
        trainer = training.Trainer(sizes_from(state.get("sizes", {})), training.Settings())
        trainer.resume(path)
        return FarganWeights(trainer.smoothed(), {**facts, "steps": trainer.step})
    if "steps" in notes:
        facts["steps"] = int(notes["steps"])
    return FarganWeights(read_fargan(path), facts)


def _notes(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError):
        raise InputError(f"{path} is no safetensors checkpoint, or is damaged") from None

# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN on disk: weights as Fargan.export() names them, and the sizes that they have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open

from quantize.errors import InputError
from quantize.networks.fargan import Fargan, Sizes, sizes_from
from quantize.networks.tensors import read_tensors, write_tensors


def save_fargan(path: Path, model: Fargan, notes: Mapping[str, str]) -> None:
    """Write a network to speak with; `notes` say where it came from."""
    sizes = json.dumps(asdict(model.sizes))
    write_tensors(path, model.export(), {"network": "fargan", **notes, "sizes": sizes})


def read_fargan(path: Path, sizes: Sizes | None = None) -> Fargan:
    """Read a network to speak with.

    Raises InputError where the file is missing, damaged, of another network or of other `sizes`.
    """
    weights = read_tensors(path)
    model = Fargan(_sizes(path))
    if sizes is not None and sizes != model.sizes:
        raise InputError(f"{path} is of other sizes: give the --preset that it was trained with")
    model.load(weights)
    return model


def _sizes(path: Path) -> Sizes:
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
        value = json.loads(notes.get("sizes", "null"))
    except (SafetensorError, OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{path} carries no sizes of a FARGAN: it is of another network")
    return sizes_from(value)

# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN on disk: weights as Fargan.export() names them, and the sizes that they have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from quantize.errors import InputError
from quantize.files.tensor_file import read_tensor_file
from quantize.networks.fargan import Fargan, Sizes, sizes_from
from quantize.networks.tensors import write_tensors


def save_fargan(path: Path, model: Fargan, notes: Mapping[str, str]) -> None:
    """Write a network to speak with; `notes` say where it came from."""
    sizes = json.dumps(asdict(model.sizes))
    write_tensors(path, model.export(), {"network": "fargan", **notes, "sizes": sizes})


def read_fargan(path: Path, sizes: Sizes | None = None) -> Fargan:
    """Read a network to speak with.

    Raises InputError where the file is missing, damaged, of another network or of other `sizes`.
    """
    file = read_tensor_file(path, "train a voice first", missing="does not exist")
    model = Fargan(_sizes(file.notes, path))
    if sizes is not None and sizes != model.sizes:
        raise InputError(f"{path} is of other sizes: give the --preset that it was trained with")
    model.load({name: torch.from_numpy(array) for name, array in file.tensors.items()})
    return model


def _sizes(notes: Mapping[str, str], path: Path) -> Sizes:
    try:
        value = json.loads(notes.get("sizes", "null"))
    except (ValueError, RecursionError):
        value = None
    try:
        return sizes_from(value)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None

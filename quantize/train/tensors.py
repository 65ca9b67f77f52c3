# SPDX-License-Identifier: BSD-3-Clause
"""A trained network's tensors as a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from quantize.tensorfile import read_tensor_file


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and notes, in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file({key: value.contiguous() for key, value in tensors.items()}, partial, dict(notes))
    partial.chmod(0o644)  # the library writes for the owner only
    partial.replace(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors, BF16 and F16 as float32; InputError if the file is missing or damaged."""
    file = read_tensor_file(path, "train or import a model first", missing="does not exist")
    return {key: torch.from_numpy(array) for key, array in file.tensors.items()}

# SPDX-License-Identifier: BSD-3-Clause
"""A trained network's tensors as a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from quantize.files.tensor_file import read_tensor_file
from quantize.files.write import write_whole


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and notes, whole or not at all; raises InputError if that fails."""
    # The library's own writing to a file leaves half of it when the disk is full.
    write_whole(path, save({k: value.contiguous() for k, value in tensors.items()}, dict(notes)))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors, BF16 and F16 as float32; InputError if the file is missing or damaged."""
    file = read_tensor_file(path, "train or import a model first", missing="does not exist")
    return {key: torch.from_numpy(array) for key, array in file.tensors.items()}

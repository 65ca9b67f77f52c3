# SPDX-License-Identifier: BSD-3-Clause
"""A trained network's tensors as a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from quantize.errors import InputError
from quantize.files import write_whole


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and notes, whole or not at all; raises InputError if that fails."""
    # The library's own writing to a file leaves half of it when the disk is full.
    write_whole(path, save({k: value.contiguous() for k, value in tensors.items()}, dict(notes)))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors; InputError if the file is missing or damaged."""
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: train or import a model first") from None
    except (SafetensorError, OSError):
        raise InputError(f"{path} is no safetensors checkpoint, or is damaged") from None

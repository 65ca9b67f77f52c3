# SPDX-License-Identifier: BSD-3-Clause
"""A trained network's tensors as a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quantize.errors import InputError


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and notes, in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file({key: value.contiguous() for key, value in tensors.items()}, partial, dict(notes))
    partial.chmod(0o644)  # the library writes for the owner only
    partial.replace(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors; InputError if the file is missing or damaged."""
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: train or import a model first") from None
    except (SafetensorError, OSError):
        raise InputError(f"{path} is no safetensors checkpoint, or is damaged") from None

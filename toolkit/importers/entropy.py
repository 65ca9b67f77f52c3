# SPDX-License-Identifier: BSD-3-Clause
"""Entropy tables of a model's latents: from a checkpoint, or as the bytes of dk_dred_tables."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from quantize.dred.tables import TABLE_BYTES, EntropyTables
from quantize.errors import InputError

_ROWS = ("scale", "deadzone", "r", "p0")  # the order of EntropyTables' first axis


def read_tables(path: Path) -> EntropyTables | None:
    """Read `latent_*` and `state_*` of a checkpoint, or 4800 raw bytes; None if it has none.

    Raises InputError for tables that are incomplete or of another shape.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a checkpoint or the 4800 bytes of the tables")
    if path.stat().st_size == TABLE_BYTES:
        return EntropyTables.from_bytes(path.read_bytes())
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            if not names & {f"latent_{row}" for row in _ROWS}:
                return None
            parts = {name: _table(file, names, name, path) for name in ("latent", "state")}
    except (SafetensorError, OSError):
        return None
    try:
        return EntropyTables(parts["latent"], parts["state"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _table(file: Any, names: set[str], part: str, path: Path) -> npt.NDArray[np.uint8]:
    rows = [f"{part}_{row}" for row in _ROWS]
    missing = [row for row in rows if row not in names]
    if missing:
        raise InputError(f"{path}: entropy table {missing[0]} is missing; is the file complete?")
    arrays = [file.get_tensor(row) for row in rows]
    if any(a.shape != arrays[0].shape or a.dtype != np.uint8 for a in arrays):
        raise InputError(f"{path}: the entropy tables {part}_* are not of one shape and uint8")
    return np.stack(arrays)

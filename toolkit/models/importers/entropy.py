# SPDX-License-Identifier: BSD-3-Clause
"""Read a model's entropy tables from a checkpoint, or from the bytes of dk_dred_tables."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantize.dred.tables import TABLE_BYTES, EntropyTables
from quantize.errors import InputError
from quantize.files.reading import file_bytes
from quantize.files.tensor_file import TensorFile, parse
from toolkit.models.importers.dnnw import MAGIC
from toolkit.models.importers.kinds import foreign

_ROWS = ("scale", "deadzone", "r", "p0")  # the order of EntropyTables' first axis


def read_tables(path: Path) -> EntropyTables | None:
    """Read `latent_*` and `state_*` of a checkpoint, or 4800 raw bytes; None if it has none.

    A blob has none. Raises InputError for another file, and for tables that are incomplete, of
    another shape or not whole numbers from 0 to 255, of whatever type.
    """
    cure = f"give a checkpoint or the {TABLE_BYTES} bytes of the tables"
    data = file_bytes(path, cure)
    if len(data) == TABLE_BYTES:
        return EntropyTables.from_bytes(data, str(path))
    if data.startswith(MAGIC):
        return None
    error = foreign(path, data, f"a checkpoint with entropy tables or {TABLE_BYTES} bytes of them")
    if error is not None:
        raise error
    file = parse(data, str(path))
    arrays = file.tensors
    if not arrays.keys() & {f"latent_{row}" for row in _ROWS}:
        return None
    parts = {name: _table(file, name, path) for name in ("latent", "state")}
    try:
        return EntropyTables(parts["latent"], parts["state"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _table(file: TensorFile, part: str, path: Path) -> npt.NDArray[np.uint8]:
    """Return one part's table [4, 16, size]: its four rows stacked."""
    rows = [_row(file, f"{part}_{row}", path) for row in _ROWS]
    for name, row in zip(_ROWS, rows, strict=True):
        if row.shape != rows[0].shape:
            raise InputError(
                f"{path}: entropy table {part}_{name} is {list(row.shape)}, "
                f"{part}_{_ROWS[0]} is {list(rows[0].shape)}"
            )
    return np.stack(rows)


def _row(file: TensorFile, name: str, path: Path) -> npt.NDArray[np.uint8]:
    """Return a row as uint8. Its type may differ, since casting a whole checkpoint casts it too."""
    if name not in file.tensors:
        raise InputError(f"{path}: entropy table {name} is missing; is the file complete?")
    values = file.tensors[name]
    if not np.all((values >= 0) & (values <= 255) & (values == np.floor(values))):
        raise InputError(
            f"{path}: entropy table {name} of type {file.kinds[name]} holds other values than "
            "the integers from 0 to 255"
        )
    return values.astype(np.uint8)

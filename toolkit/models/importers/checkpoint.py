# SPDX-License-Identifier: BSD-3-Clause
"""Our own checkpoints: safetensors with `<layer>.weight` [rows, cols] and `<layer>.bias` [rows].

An imported layer that was already int8 adds `<layer>.int8`, `<layer>.scale` and, if it is sparse,
`<layer>.blocks`, so that the original integers are kept exactly.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from quantize.dred.tables import EntropyTables
from quantize.errors import InputError
from quantize.files.tensor_file import Tensors, read_tensor_file
from quantize.files.write import write_whole
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights

_WEIGHT = ".weight"
_TABLE_ROWS = ("scale", "deadzone", "r", "p0")  # the order of EntropyTables' first axis


def read_checkpoint(path: Path) -> dict[str, Weights]:
    """Read every layer of a checkpoint; raises InputError on damage or inconsistent shapes."""
    return layers_of(read_tensor_file(path).tensors, path)


def layers_of(arrays: Tensors, path: Path) -> dict[str, Weights]:
    """Put together every layer of a checkpoint's tensors; raises InputError if they do not fit."""
    names = [key.removesuffix(_WEIGHT) for key in arrays if key.endswith(_WEIGHT)]
    if not names:
        raise InputError(f"{path}: holds no '<layer>.weight'; it is not a dredkit checkpoint")
    return {name: _layer(name, arrays, path) for name in names}


def write_checkpoint(
    path: Path, layers: dict[str, Weights], note: str, tables: EntropyTables | None = None
) -> None:
    """Write layers as a checkpoint, whole or not at all; `note` says where they came from.

    Entropy tables become `latent_scale` [16, 25] to `state_p0` [16, 50], uint8.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    if tables is not None:
        for part, levels in (("latent", tables.latents), ("state", tables.states)):
            arrays |= {f"{part}_{row}": levels[at] for at, row in enumerate(_TABLE_ROWS)}
    for name, layer in layers.items():
        arrays[f"{name}.weight"] = layer.matrix.astype(np.float32)
        arrays[f"{name}.bias"] = layer.bias.astype(np.float32)
        if layer.int8 is not None and layer.scale is not None:
            arrays[f"{name}.int8"] = layer.int8
            arrays[f"{name}.scale"] = layer.scale
        if layer.blocks is not None:
            arrays[f"{name}.blocks"] = layer.blocks.astype(np.uint8)
    contiguous = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
    write_whole(path, save(contiguous, metadata={"source": note}))


def _layer(name: str, arrays: dict[str, npt.NDArray[Any]], path: Path) -> Weights:
    matrix = arrays[f"{name}.weight"]
    bias = arrays.get(f"{name}.bias")
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise InputError(f"{path}: layer {name}: weight is {matrix.dtype}{list(matrix.shape)}")
    rows, cols = matrix.shape
    if bias is None:
        bias = np.zeros(rows)
    int8, scale, blocks = (arrays.get(f"{name}.{key}") for key in ("int8", "scale", "blocks"))
    for key, array, kind, shape in (
        ("bias", bias, "f", (rows,)),
        ("int8", int8, "i", (rows, cols)),
        ("scale", scale, "f", (rows,)),
        ("blocks", blocks, "u", (rows // BLOCK_ROWS, cols // BLOCK_COLS)),
    ):
        if array is None:
            continue
        if array.shape != shape:
            raise InputError(f"{path}: layer {name}: {key} is {array.shape}, expected {shape}")
        if array.dtype.kind != kind or (kind != "f" and array.itemsize != 1):
            raise InputError(f"{path}: layer {name}: {key} is of type {array.dtype}")
    if (int8 is None) != (scale is None):
        raise InputError(f"{path}: layer {name}: int8 weights and scale come only together")
    exact = matrix.astype(np.float64)
    if int8 is not None and scale is not None:
        exact = int8.astype(np.float64) * scale[:, None]
    return Weights(
        name,
        exact,
        bias.astype(np.float64),
        None if int8 is None else int8.astype(np.int8),
        None if scale is None else scale.astype(np.float64),
        None if blocks is None else blocks.astype(np.bool_),
    )

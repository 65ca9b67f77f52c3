# SPDX-License-Identifier: BSD-3-Clause
"""The tables of a matrix in the order in which the kernels of an ISA read them.

Plain tables are those of firmware/dredkit/nn/nn.h; every kernel takes them. Packed ones have weights,
biases and factors in one stream and no other table but the index; firmware/dredkit/nn/<isa>/matvec8.c says
what is in it. The choice is made matrix by matrix: where packing has no proof that its sums fit,
the matrix stays plain. A model's hash knows nothing of this.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.nn.model import QuantisedMatrix
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS
from toolkit.codegen.packing.dotprod import packed_dotprod
from toolkit.codegen.packing.neon import packed_neon
from toolkit.codegen.packing.parts import Tables, by_rows, factors, padded, tiles

_MOST_COLS: Final = 1024  # for which the kernels have room
_DSP_ROWS: Final = 4  # at once
_DSP_SUM_FRAC: Final = 8  # sums are 2^8 times the accumulator
_DSP_PRODUCT_FRAC: Final = 32  # the upper word of a product
_MVE_ROWS: Final = 8
_MVE_COLS: Final = 16
_MVE_BLOCKS: Final = _MVE_COLS // BLOCK_COLS
_MVE_SUM_FRAC: Final = 4
_MVE_PRODUCT_FRAC: Final = 31  # that of a doubled one


def tables(matrix: QuantisedMatrix, isa: str) -> Tables:
    """Return a matrix' tables by the name of their member in dk_matrix8 or dk_matrix16.

    Members that are left out are NULL.
    """
    pack = {
        "simd32": _packed_simd32,
        "mve": _packed_mve,
        "neon": packed_neon,
        "dotprod": packed_dotprod,
    }.get(isa)
    packed = None if pack is None or matrix.is_wide else pack(matrix)
    return plain_tables(matrix) if packed is None else packed


def plain_tables(matrix: QuantisedMatrix) -> Tables:
    """Return the tables that every kernel takes."""
    return {
        "weights": stored_weights(matrix),
        **({} if matrix.blocks is None else {"index": block_index(matrix)}),
        "bias": matrix.bias,
        "multiplier": matrix.multiplier,
        "shift": matrix.shift,
    }


def table_bytes(matrix: QuantisedMatrix, isa: str) -> int:
    """Return the bytes that the tables of a matrix take."""
    return sum(table.nbytes for table in tables(matrix, isa).values())


def stored_weights(matrix: QuantisedMatrix) -> npt.NDArray[Any]:
    """Weights of plain tables: rows for dense, kept 8x4 blocks for sparse."""
    if matrix.blocks is None:
        return np.ascontiguousarray(matrix.weights).reshape(-1)
    return np.ascontiguousarray(tiles(matrix.weights, BLOCK_ROWS)[matrix.blocks]).reshape(-1)


def block_index(matrix: QuantisedMatrix) -> npt.NDArray[np.uint8]:
    """Per 8 rows: how many blocks, then the column of each in units of 4; each fits a byte."""
    assert matrix.blocks is not None
    if matrix.blocks.shape[1] > 256:
        raise InputError(
            f"layer {matrix.name}: {matrix.cols} inputs; sparse layers hold at most 1024"
        )
    stream: list[int] = []
    for group in matrix.blocks:
        columns = np.flatnonzero(group)
        if len(columns) > 255:
            raise InputError(f"layer {matrix.name}: 256 blocks in a row; store it dense")
        stream += [len(columns), *(int(c) for c in columns)]
    return np.array(stream, np.uint8)


def _packed_simd32(matrix: QuantisedMatrix) -> Tables | None:
    """Tables for firmware/dredkit/nn/simd32/matvec8.c, which defines them; None without a proof."""
    found = factors(matrix, _DSP_SUM_FRAC, _DSP_PRODUCT_FRAC)
    if found is None or matrix.cols > _MOST_COLS or matrix.weights.min() < -127:
        return None
    bias, factor = (by_rows(values, _DSP_ROWS) for values in found)
    stream = []
    for group, tile in enumerate(tiles(padded(matrix, _DSP_ROWS, BLOCK_COLS), _DSP_ROWS)):
        blocks = matrix.blocks
        kept = tile if blocks is None else tile[blocks[group * _DSP_ROWS // BLOCK_ROWS]]
        halves = kept[..., 1::2] * 256 + kept[..., ::2]
        words = (halves[..., 1] << 16) + (halves[..., 0] & 0xFFFF)
        stream += [bias[group] << _DSP_SUM_FRAC, words.reshape(-1), factor[group]]
    index = {} if matrix.blocks is None else {"index": block_index(matrix)}
    return {"weights": np.concatenate(stream).astype(np.int32), **index}


def _packed_mve(matrix: QuantisedMatrix) -> Tables | None:
    """Tables for firmware/dredkit/nn/mve/matvec8.c, which defines them; None without a proof."""
    found = factors(matrix, _MVE_SUM_FRAC, _MVE_PRODUCT_FRAC)
    if found is None or matrix.cols > _MOST_COLS:
        return None
    bias, factor = (by_rows(values, _MVE_ROWS) for values in found)
    weights = padded(matrix, _MVE_ROWS, _MVE_COLS)
    stream, index = [], []
    for group, rows in enumerate(weights.reshape(-1, _MVE_ROWS, weights.shape[1])):
        if matrix.blocks is not None:
            # Blocks that fill up repeat the first column, with weights of zero.
            columns = np.flatnonzero(matrix.blocks[group])
            missing = -len(columns) % _MVE_BLOCKS
            index += [(len(columns) + missing) // _MVE_BLOCKS, *columns, *[0] * missing]
            tiles = rows.reshape(_MVE_ROWS, -1, BLOCK_COLS)[:, columns]
            rows = np.pad(tiles, ((0, 0), (0, missing), (0, 0))).reshape(_MVE_ROWS, -1)
        chunks = rows.reshape(_MVE_ROWS, -1, _MVE_COLS).transpose(1, 0, 2)
        stream.append(np.ascontiguousarray(chunks).astype(np.int8).reshape(-1).view("<i4"))
        for first in (0, 1):
            stream += [bias[group][first::2], factor[group][first::2]]
    packed = {"weights": np.concatenate(stream).astype(np.int32)}
    return packed if matrix.blocks is None else packed | {"index": np.array(index, np.uint8)}

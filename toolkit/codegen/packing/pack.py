# SPDX-License-Identifier: BSD-3-Clause
"""Pack a matrix: lay out its tables in the order in which the kernels of an ISA read them.

firmware/dredkit/nn/nn.h describes the plain tables, which every kernel takes. Packed tables have
weights, biases and factors in one stream, and no other table but the index;
firmware/dredkit/nn/<isa>/matvec8.c describes that stream. The choice is made for each matrix:
without a proof that the packed sums fit, the matrix stays plain. Packing does not change a model's
hash.

Packing a matrix takes time, and both the C text and the manifest need the result. So a matrix is
packed once, and all of them read that `Packed`.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.nn.model import QuantisedMatrix, QuantisedModel
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
_MVE_PRODUCT_FRAC: Final = 31  # the upper word of a doubled product


@dataclass(frozen=True)
class Packed:
    """A matrix with its `tables` for the kernels of one ISA."""

    matrix: QuantisedMatrix
    isa: str
    tables: Tables

    @property
    def bytes(self) -> int:
        """Bytes that the tables take."""
        return sum(table.nbytes for table in self.tables.values())

    @property
    def is_plain(self) -> bool:
        """Whether these are the tables that every kernel takes."""
        return "bias" in self.tables


@dataclass(frozen=True)
class PackedNetwork:
    """A network with its packed matrices by name, in the order of use."""

    model: QuantisedModel
    isa: str
    matrices: dict[str, Packed]


def pack(matrix: QuantisedMatrix, isa: str) -> Packed:
    """Pack a matrix for an ISA."""
    return Packed(matrix, isa, tables(matrix, isa))


def pack_network(model: QuantisedModel, isa: str) -> PackedNetwork:
    """Pack every matrix of a network for an ISA."""
    names = [shape.name for shape in model.graph.matrices()]
    return PackedNetwork(model, isa, {name: pack(model.matrices[name], isa) for name in names})


def tables(matrix: QuantisedMatrix, isa: str) -> Tables:
    """Return the tables of a matrix by the name of their member in dk_matrix8 or dk_matrix16.

    Members that are left out are NULL.
    """
    packing = {
        "simd32": _packed_simd32,
        "mve": _packed_mve,
        "neon": packed_neon,
        "dotprod": packed_dotprod,
    }.get(isa)
    packed = None if packing is None or matrix.is_wide else packing(matrix)
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


def stored_weights(matrix: QuantisedMatrix) -> npt.NDArray[Any]:
    """Return the weights of plain tables: all rows, or the kept 8x4 blocks of a sparse matrix."""
    if matrix.blocks is None:
        return np.ascontiguousarray(matrix.weights).reshape(-1)
    return np.ascontiguousarray(tiles(matrix.weights, BLOCK_ROWS)[matrix.blocks]).reshape(-1)


def block_index(matrix: QuantisedMatrix) -> npt.NDArray[np.uint8]:
    """Return the index of a sparse matrix, in bytes.

    For each 8 rows it has the number of blocks, then the column of each block in units of 4.
    """
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
    """Return the tables that firmware/dredkit/nn/simd32/matvec8.c defines; None without a proof."""
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
    """Return the tables that firmware/dredkit/nn/mve/matvec8.c defines; None without a proof."""
    found = factors(matrix, _MVE_SUM_FRAC, _MVE_PRODUCT_FRAC)
    if found is None or matrix.cols > _MOST_COLS:
        return None
    bias, factor = (by_rows(values, _MVE_ROWS) for values in found)
    weights = padded(matrix, _MVE_ROWS, _MVE_COLS)
    stream, index = [], []
    for group, rows in enumerate(weights.reshape(-1, _MVE_ROWS, weights.shape[1])):
        if matrix.blocks is not None:
            # Blocks added to fill up a chunk name the first column and have weights of zero.
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

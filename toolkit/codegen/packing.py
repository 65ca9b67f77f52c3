# SPDX-License-Identifier: BSD-3-Clause
"""The tables of a matrix in the order in which the kernels of an ISA read them.

Plain tables are those of firmware/nn/nn.h; every kernel takes them. Packed ones have weights,
biases and factors in one stream and no other table but the index; firmware/nn/<isa>/matvec8.c says
what is in it. The choice is made matrix by matrix: where packing has no proof that its sums fit,
the matrix stays plain. A model's hash knows nothing of this.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.errors import InputError
from quantize.model import QuantisedMatrix, accumulator_bounds
from quantize.weights import BLOCK_COLS, BLOCK_ROWS

Tables = dict[str, npt.NDArray[Any]]

_ROWS: Final = 4  # at once, in the kernels of the DSP extension
_MOST_COLS: Final = 1024  # for which they have room
_SUM_FRAC: Final = 8  # their sums are 256 times the accumulator
_FACTOR_SHIFT: Final = 32 - _SUM_FRAC  # a factor is multiplier * 2^(24 - shift), an int32
_HIGH: Final = 16  # a product's upper word of two factors 2^16 is itself


def tables(matrix: QuantisedMatrix, isa: str) -> Tables:
    """Return a matrix' tables by the name of their member in dk_matrix8 or dk_matrix16.

    Members that are left out are NULL.
    """
    packed = _packed_dsp(matrix) if isa == "dsp" else None
    if packed is not None:
        index = {} if matrix.blocks is None else {"index": block_index(matrix)}
        return {"weights": packed, **index}
    return plain_tables(matrix)


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
    return np.ascontiguousarray(_tiles(matrix.weights, BLOCK_ROWS)[matrix.blocks]).reshape(-1)


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


def _tiles(weights: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """[groups, columns of tiles, rows, BLOCK_COLS] of whole tiles."""
    groups, columns = weights.shape[0] // rows, weights.shape[1] // BLOCK_COLS
    return weights.reshape(groups, rows, columns, BLOCK_COLS).transpose(0, 2, 1, 3)


def _packed_dsp(matrix: QuantisedMatrix) -> npt.NDArray[np.int32] | None:
    """Per four rows their biases, weights and factors as words; None without a proof that they fit.

    firmware/nn/dsp/matvec8.c is the definition.
    """
    if matrix.is_wide or matrix.cols > _MOST_COLS or matrix.weights.min() < -127:
        return None
    bias, multiplier = matrix.bias.astype(np.int64), matrix.multiplier.astype(np.int64)
    shift = matrix.shift.astype(np.int64)
    constant = ~matrix.weights.any(axis=1)
    bounds = np.where(constant, 0, accumulator_bounds(matrix.weights, bias, integer.X8_ONE))
    room = _FACTOR_SHIFT - np.where(constant, _FACTOR_SHIFT, shift)
    if bounds.max() << _SUM_FRAC > integer.INT32_MAX or room.min() < 0 or room.max() > _HIGH:
        return None
    # A row of zeros always gives the same: that, whatever its bias and shift are.
    result = integer.requantise(bias, multiplier, shift)
    sums = np.where(constant, result << _HIGH, bias << _SUM_FRAC)
    factors = np.where(constant, 1 << _HIGH, multiplier << room)

    up = (-matrix.rows % _ROWS, -matrix.cols % BLOCK_COLS)
    weights = np.pad(matrix.weights.astype(np.int64), ((0, up[0]), (0, up[1])))
    tiles = _words(_tiles(weights, _ROWS))
    head = np.pad(sums, (0, up[0])).reshape(-1, _ROWS)
    tail = np.pad(factors, (0, up[0])).reshape(-1, _ROWS)
    stream = []
    for group, tile in enumerate(tiles):
        kept = tile if matrix.blocks is None else tile[matrix.blocks[group * _ROWS // BLOCK_ROWS]]
        stream += [head[group], kept.reshape(-1), tail[group]]
    return np.concatenate(stream).astype(np.int32)


def _words(weights: integer.Ints) -> integer.Ints:
    """Four neighbours w0 .. w3 [.., 4] as one int32: 256 w1 + w0 below 256 w3 + w2."""
    halves = weights[..., 1::2] * 256 + weights[..., ::2]
    words = (halves[..., 1] << 16) + (halves[..., 0] & 0xFFFF)
    return np.asarray(words, np.int64)

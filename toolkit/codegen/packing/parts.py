# SPDX-License-Identifier: BSD-3-Clause
"""The parts of packing for any ISA: the proof that sums fit, and matrices cut into tiles."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.nn.model import QuantisedMatrix, accumulator_bounds
from quantize.nn.weights import BLOCK_COLS

Tables = dict[str, npt.NDArray[Any]]

_UPPER: Final = 16  # a multiplier times 2^16 fits an int32, and so does a result times 2^16


def factors(
    matrix: QuantisedMatrix, sum_frac: int, product_frac: int
) -> tuple[integer.Ints, integer.Ints] | None:
    """Return the biases and the int32 factors of sums that are held times 2^sum_frac.

    With a rounding multiplication that drops `product_frac` bits, the factor multiplier *
    2^(product_frac - sum_frac - shift) requantises exactly. Returns None if a sum or a factor does
    not fit.
    """
    bias, multiplier = matrix.bias.astype(np.int64), matrix.multiplier.astype(np.int64)
    room = product_frac - sum_frac - matrix.shift.astype(np.int64)
    bounds = accumulator_bounds(matrix.weights, bias, integer.X8_ONE)
    # A row of zeros has a constant result, whatever its shift is. It takes the place of the bias.
    constant = ~matrix.weights.any(axis=1)
    moving = ~constant
    if np.any(moving & ((bounds << sum_frac > integer.INT32_MAX) | (room < 0) | (room > _UPPER))):
        return None
    result = integer.requantise(bias, multiplier, matrix.shift.astype(np.int64))
    scaled = np.where(constant, 1 << (product_frac - _UPPER), multiplier << (room * moving))
    return np.where(constant, result << (_UPPER - sum_frac), bias), scaled


def padded(matrix: QuantisedMatrix, rows: int, cols: int) -> integer.Ints:
    """Return the weights, padded with zeros to multiples of `rows` and `cols`."""
    up = ((0, -matrix.rows % rows), (0, -matrix.cols % cols))
    return np.pad(matrix.weights.astype(np.int64), up)


def by_rows(values: integer.Ints, rows: int) -> integer.Ints:
    """Return the values as [groups, rows], padded with zeros."""
    return np.pad(values, (0, -len(values) % rows)).reshape(-1, rows)


def tiles(weights: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """Return the weights as whole tiles [groups, columns of tiles, rows, BLOCK_COLS]."""
    groups, columns = weights.shape[0] // rows, weights.shape[1] // BLOCK_COLS
    return weights.reshape(groups, rows, columns, BLOCK_COLS).transpose(0, 2, 1, 3)

# SPDX-License-Identifier: BSD-3-Clause
"""Pack tables as firmware/dredkit/nn/dotprod/matvec8.c defines them."""

from typing import Final

import numpy as np

from quantize.nn.model import QuantisedMatrix
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS
from toolkit.codegen.packing.parts import Tables, by_rows, factors, padded, tiles

_SUM_FRAC: Final = 4  # sums are 2^4 times the accumulator
_PRODUCT_FRAC: Final = 31  # the upper word of a doubled product


def packed_dotprod(matrix: QuantisedMatrix) -> Tables | None:
    """Return one stream of biases, 8x4 blocks and factors; None without a proof that sums fit."""
    found = factors(matrix, _SUM_FRAC, _PRODUCT_FRAC)
    if found is None:
        return None
    bias, factor = (by_rows(values, BLOCK_ROWS) for values in found)
    blocks = tiles(padded(matrix, BLOCK_ROWS, BLOCK_COLS), BLOCK_ROWS).astype(np.int8)
    words = np.ascontiguousarray(blocks).reshape(*blocks.shape[:2], -1).view("<i4")
    stream, index = [], []
    for group, kept in enumerate(words):
        if matrix.blocks is not None:
            columns = np.flatnonzero(matrix.blocks[group])
            odd = len(columns) % 2
            kept = np.pad(kept[columns], ((0, odd), (0, 0))).reshape(-1, 2 * kept.shape[1])
            places = BLOCK_COLS * np.pad(columns, (0, odd)).reshape(-1, 2)
            kept = np.concatenate([places, kept], axis=1)
            index.append(len(kept))
        stream += [bias[group], kept.reshape(-1), factor[group]]
    packed = {"weights": np.concatenate(stream).astype(np.int32)}
    return packed if matrix.blocks is None else packed | {"index": np.array(index, np.uint8)}

# SPDX-License-Identifier: BSD-3-Clause
"""Pack tables as firmware/dredkit/nn/neon/matvec8.c defines them."""

import itertools
from typing import Final

import numpy as np

from quantize import integer
from quantize.nn.model import QuantisedMatrix
from quantize.nn.weights import BLOCK_COLS
from toolkit.codegen.packing.parts import Tables, by_rows, factors, padded

_ROWS: Final = 8  # at once
_COLS: Final = 16
_LONGEST_STEP: Final = 255 // BLOCK_COLS  # in blocks: the index has it in columns, in a byte
_SUM_FRAC: Final = 4  # sums are 2^4 times the accumulator
_PRODUCT_FRAC: Final = 31  # the upper word of a doubled product


def packed_neon(matrix: QuantisedMatrix) -> Tables | None:
    """Return the stream of a matrix, and the index if it is sparse; None without a proof."""
    found = factors(matrix, _SUM_FRAC, _PRODUCT_FRAC)
    if found is None:
        return None
    bias, factor = (by_rows(values, _ROWS) for values in found)
    width = _COLS if matrix.blocks is None else BLOCK_COLS
    tiles = padded(matrix, _ROWS, width).reshape(len(bias), _ROWS, -1, width).swapaxes(1, 2)
    stream, index = [], []
    for group, kept in enumerate(tiles):
        if matrix.blocks is not None:
            kept, entry = walked(kept, np.flatnonzero(matrix.blocks[group]))
            index += entry
        words = np.ascontiguousarray(kept).astype(np.int8).reshape(-1).view("<i4")
        stream += [words, bias[group] << _SUM_FRAC, factor[group]]
    packed = {"weights": np.concatenate(stream).astype(np.int32)}
    return packed if matrix.blocks is None else packed | {"index": np.array(index, np.uint8)}


def walked(tiles: integer.Ints, kept: integer.Ints) -> tuple[integer.Ints, list[int]]:
    """Return the blocks `kept` of `tiles` [.., 8, 4] and their entry of the index.

    Blocks of zeros go between kept blocks that are too far apart for one step, and make the
    number of blocks even.
    """
    nothing = np.zeros_like(tiles[0])
    steps, blocks = [], []
    for at, after in itertools.pairwise([*kept, *kept[-1:]]):
        blocks.append(tiles[at])
        left = int(after - at)
        while left > _LONGEST_STEP:
            steps.append(_LONGEST_STEP)
            blocks.append(nothing)
            left -= _LONGEST_STEP
        steps.append(left)
    missing = -len(blocks) % 2 if blocks else 2
    steps += [0] * missing
    blocks += [nothing] * missing
    first = int(kept[0]) if len(kept) else 0
    entry = [len(blocks) // 2, first, *(BLOCK_COLS * step for step in steps)]
    return np.array(blocks, np.int64), entry

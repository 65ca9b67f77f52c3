# SPDX-License-Identifier: BSD-3-Clause
"""Write LPCNet as C: its sizes and its tables.

firmware/dredkit/vocoder/lpcnet_cells.h defines the tables.
firmware/dredkit/vocoder/lpcnet_tables.c depends on no model:
`python -m toolkit.codegen.voice.lpcnet` writes it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.parts import BlockMatrix
from toolkit.codegen.network.arena import plan
from toolkit.codegen.network.step import step_header, step_source
from toolkit.codegen.network.tables import (
    BANNER,
    Place,
    check_of,
    nowhere,
    weight_header,
    weight_tables,
)
from toolkit.codegen.packing.neon import walked
from toolkit.codegen.packing.pack import PackedNetwork
from toolkit.targets.isas import ISAS, PORTABLE, chain
from toolkit.targets.sources import LIBRARY

TABLES_FILE: Final = LIBRARY / "vocoder" / "lpcnet_tables.c"
_CHUNK: Final = 4  # blocks that Helium takes at once
_PER_LINE: Final = 20
_FIRST: Final = 1 << 15  # marks of a word of offsets
_ODD: Final = 1 << 14
_NEAR: Final = 1024  # as in firmware/dredkit/vocoder/lpcnet_cells.h
_FAR_STEP: Final = 32
_Array = npt.NDArray[Any]
_VOICE: Final = "lpcnet"
# The tables of the sample loop besides its matrices, in the order of dk_lpcnet_cells.
TABLES: Final = (
    *("a_bias", "b_bias", "pitch", "tables", "table_scale"),
    *("tree_weights", "tree_bias", "tree_scale"),
)
# The layer of toolkit/codegen/voice/voice.py that a table belongs to.
LAYERS: Final = {
    "a_gates": "gru_a_recurrent",
    "a_candidate": "gru_a_recurrent",
    "a_bias": "gru_a_recurrent",
    "b_input": "gru_b_input",
    "b_gates": "gru_b_recurrent",
    "b_candidate": "gru_b_recurrent",
    "b_bias": "gru_b_recurrent",
    "table_scale": "embeddings",
    "pitch": "embeddings",
    "tables": "embeddings",
    "tree_weights": "dual_fc",
    "tree_bias": "dual_fc",
    "tree_scale": "dual_fc",
}


def lpcnet_files(
    model: LpcnetModel, condition: PackedNetwork, place: Place = nowhere, isa: str = ""
) -> dict[str, str]:
    """Return every generated file that firmware/dredkit/vocoder/lpcnet*.c is compiled with.

    `condition` is the voice's frame-rate network, packed for the target's ISA. The other tables are
    for every ISA, or for `isa` alone if it is given.
    """
    network = condition.model
    name = network.graph.name
    return {
        f"{name}_weights.h": weight_header(network),
        f"{name}_weights.c": weight_tables(condition, place),
        f"{name}.h": step_header(network, plan(network)),
        f"{name}.c": step_source(network),
        "lpcnet_model.h": model_header(model),
        "lpcnet_model.c": model_source(model, place, isa),
    }


def model_header(model: LpcnetModel, linked: bool = True, blob: bool = False) -> str:
    """Return lpcnet_model.h: sizes, fractional bits, and where tables come from.

    Tables are `linked` into the image, or a `blob` has them, or both.
    """
    frac = cells.X8_FRAC + model.frac
    numbers = {
        "A": (model.units_a, "units of GRU A"),
        "B": (model.units_b, ""),
        "EMBEDDING": (model.pitch.shape[1], "of a period"),
        "FRAC": (frac, "fractional bits of pre-activations"),
        "GATES_SHIFT": (frac - model.gates_frac, "to that from what the frame-rate network gives"),
        "TREE_FRAC": (cells.STATE_FRAC + model.tree_frac, "of the tree's sums"),
        "LOGIT_SHIFT": (
            cells.STATE_FRAC + model.scale_frac - integer.PRE_FRAC,
            "from a scaled tanh to Q12",
        ),
        "TAIL": (model.tail, "Q15: bits rarer than this are never drawn"),
    }
    lines = [
        f"#define DK_LPCNET_{key} {n}{f'  // {why}' * bool(why)}\n"
        for key, (n, why) in numbers.items()
    ]
    if linked:
        lines.append("#define DK_LPCNET_LINKED 1  // dk_lpcnet_linked is part of the image\n")
    if blob:
        lines.append("#define DK_LPCNET_BLOB 1  // dk_blob_lpcnet is part of the image\n")
    guard = "DREDKIT_LPCNET_MODEL_H"
    return f"{BANNER}#ifndef {guard}\n#define {guard}\n\n{''.join(lines)}\n#endif\n"


def model_source(model: LpcnetModel, place: Place = nowhere, isa: str = "") -> str:
    """Return lpcnet_model.c with every table; `place` means what it means to weight_tables.

    The matrices are there in the order of every ISA's kernels, or of `isa` alone.
    """
    matrices = sample_matrices(model)
    parts = [
        f"{BANNER}#include <stdalign.h>\n#include <stddef.h>\n\n",
        '#include "vocoder/lpcnet_cells.h"\n\n// clang-format off\n',
    ]
    for word, name in zip(("#if", *["#elif"] * (len(STORED) - 1)), STORED, strict=True):
        if isa and name != next(known for known in chain(isa) if known in STORED):
            continue
        guard = "#else" if name == PORTABLE else f"{word} defined({ISAS[name].macro})"
        if not isa:
            parts.append(f"{guard}\n")
        elif name != PORTABLE:
            parts.append(check_of(name))
        for table, matrix in matrices.items():
            where = place(f"{_VOICE}/{LAYERS[table]}", table)
            weights, index = STORED[name](matrix)
            parts.append(_matrix(table, len(matrix.weights), weights, index, where))
    parts.append("\n" if isa else "#endif\n\n")
    for name in TABLES:
        where = place(f"{_VOICE}/{LAYERS[name]}", name)
        values = getattr(model, name)
        parts.append(_table(f"static alignas(4) const {values.dtype}_t {name}", values, where))
    parts.append("\nconst dk_lpcnet_cells dk_lpcnet_linked = {\n")
    parts += [f"    .{name} = {_members(name)},\n" for name in matrices]
    parts += [f"    .{name} = {name},\n" for name in TABLES]
    return "".join([*parts, "};\n"])


def sample_matrices(model: LpcnetModel) -> dict[str, BlockMatrix]:
    """Return the matrices of the sample loop by their member of dk_lpcnet_cells, in its order."""
    a, b = model.units_a, model.units_b
    return {
        "a_gates": _rows(model.a, 0, 2 * a),
        "a_candidate": _rows(model.a, 2 * a, 3 * a),
        "b_input": model.b_input,
        "b_gates": _rows(model.b, 0, 2 * b),
        "b_candidate": _rows(model.b, 2 * b, 3 * b),
    }


def stored_plainly(matrix: BlockMatrix) -> tuple[_Array, _Array]:
    """Return (weights, index): the kept blocks in turn, and per 8 rows their number and columns."""
    weights, index = [], []
    for kept, tiles in zip(matrix.blocks, _tiles(matrix), strict=True):
        columns = np.flatnonzero(kept)
        index += [len(columns), *columns.tolist()]
        weights.append(tiles[columns].reshape(-1))
    return np.concatenate(weights), np.array(index)


def stored_with_offsets(matrix: BlockMatrix) -> tuple[_Array, None]:
    """Return (weights, None): kept blocks in pairs, four rows at a time.

    A word before each pair has the offsets of its two inputs, as two int16.
    """
    stream: list[_Array] = []
    for kept, tiles in zip(matrix.blocks, _tiles(matrix), strict=True):
        # A group without a kept block stores one block of zeros.
        columns = np.flatnonzero(kept).tolist() or [0]
        odd = len(columns) % 2
        pairs = [-1] * odd + columns
        for half in np.split(tiles, 2, axis=1):
            flags = _FIRST | (_ODD if odd else 0)
            for first, second in zip(pairs[::2], pairs[1::2], strict=True):
                offsets = 2 * BLOCK_COLS * (np.array([first, second]) + 1)
                stream.append((offsets | [0, flags]).astype(np.uint16).view(np.int16))
                stream += [half[column].reshape(-1) for column in (first, second) if column >= 0]
                flags = 0
    return np.concatenate([*stream, np.array([0, _FIRST], np.uint16).view(np.int16)]), None


def stored_in_chunks(matrix: BlockMatrix) -> tuple[_Array, _Array]:
    """Return (weights, index): per 8 rows, chunks of four kept blocks side by side.

    Blocks of zeros fill the last chunk. The index has the number of chunks and the columns.
    """
    weights, index = [], []
    for kept, tiles in zip(matrix.blocks, _tiles(matrix), strict=True):
        columns = np.flatnonzero(kept)
        chunks = -(-len(columns) // _CHUNK)
        missing = chunks * _CHUNK - len(columns)
        index += [chunks, *columns.tolist(), *[0] * missing]
        whole = np.concatenate(
            [tiles[columns], np.zeros((missing, BLOCK_ROWS, BLOCK_COLS), np.int8)]
        )
        chunked = whole.reshape(chunks, _CHUNK, BLOCK_ROWS, BLOCK_COLS)
        weights.append(chunked.transpose(0, 2, 1, 3).reshape(-1))
    return np.concatenate(weights), np.array(index)


def stored_in_pairs(matrix: BlockMatrix) -> tuple[_Array, _Array]:
    """Return (weights, index): kept blocks in pairs, each pair after its two input offsets.

    The offsets are two words, stored as eight int8. The index has the number of pairs per 8 rows.
    """
    stream, index = [], []
    for kept, tiles in zip(matrix.blocks, _tiles(matrix), strict=True):
        columns = np.flatnonzero(kept)
        odd = len(columns) % 2
        blocks = np.pad(tiles[columns], ((0, odd), (0, 0), (0, 0))).astype(np.int8)
        places = BLOCK_COLS * np.pad(columns, (0, odd)).astype("<i4").reshape(-1, 2)
        pairs = [places.view(np.int8), blocks.reshape(len(places), 2 * BLOCK_ROWS * BLOCK_COLS)]
        stream.append(np.concatenate(pairs, axis=1).reshape(-1))
        index.append(len(places))
    return np.concatenate(stream), np.array(index)


def stored_in_steps(matrix: BlockMatrix) -> tuple[_Array, _Array]:
    """Return (weights, index) as firmware/dredkit/nn/neon/matvec8.c reads a sparse matrix."""
    weights, index = [], []
    for kept, tiles in zip(matrix.blocks, _tiles(matrix), strict=True):
        blocks, entry = walked(tiles, np.flatnonzero(kept))
        index += entry
        weights.append(blocks.reshape(-1))
    return np.concatenate(weights), np.array(index)


def tables_source() -> str:
    """Return firmware/dredkit/vocoder/lpcnet_tables.c: tanh and the mu-law."""
    last = np.arange(_NEAR + _FAR_STEP - 1, 1 << 15, _FAR_STEP)
    tables = {
        "int16_t dk_lpcnet_tanh": cells.TANH,
        "int16_t dk_lpcnet_sigmoid": cells.SIGMOID,
        "uint8_t dk_lpcnet_near": np.searchsorted(cells.LEVELS, np.arange(_NEAR), "right"),
        "uint8_t dk_lpcnet_far": np.searchsorted(cells.LEVELS, last, "right"),
        "int16_t dk_lpcnet_levels": cells.LEVELS,
        "int16_t dk_lpcnet_decoded": cells.DECODED,
    }
    return (
        "// SPDX-License-Identifier: BSD-3-Clause\n"
        "// Written by toolkit/codegen/voice/lpcnet.py from "
        "quantize/vocoder/lpcnet/cells.py: do not edit.\n"
        '// clang-format off\n#include "vocoder/lpcnet_cells.h"\n'
        + "".join(_table(f"const {name}", values) for name, values in tables.items())
    )


# How a matrix is stored for an ISA, in the order in which the compiler's macros choose.
STORED: Final[dict[str, Callable[[BlockMatrix], tuple[_Array, _Array | None]]]] = {
    "mve": stored_in_chunks,
    "simd32": stored_with_offsets,
    "dotprod": stored_in_pairs,
    "neon": stored_in_steps,
    PORTABLE: stored_plainly,
}


def _rows(matrix: BlockMatrix, first: int, last: int) -> BlockMatrix:
    groups = slice(first // BLOCK_ROWS, last // BLOCK_ROWS)
    return BlockMatrix(matrix.weights[first:last], matrix.blocks[groups])


def _tiles(matrix: BlockMatrix) -> _Array:
    """Return the weights as [groups of 8 rows, columns of blocks, 8, 4]."""
    groups, columns = matrix.blocks.shape
    shape = (groups, BLOCK_ROWS, columns, BLOCK_COLS)
    return matrix.weights.reshape(shape).transpose(0, 2, 1, 3)


def _matrix(name: str, rows: int, weights: _Array, index: _Array | None, where: str) -> str:
    # C has no empty array, so a matrix without blocks has one weight that nothing reads.
    some = weights if weights.size else np.zeros(1, np.int8)
    text = _table(f"static alignas(4) const dk_lpcnet_number {name}_weights", some, where)
    if index is not None:
        text += _table(f"static const uint8_t {name}_index", index, where)
    places = "NULL" if index is None else f"{name}_index"
    return f"{text}#define {_members(name)} {{{name}_weights, {places}, {rows}}}\n"


def _members(name: str) -> str:
    """Return the macro with the initialiser of a matrix, which is another for each ISA."""
    return f"{name.upper()}_MATRIX"


def _table(declaration: str, values: _Array, where: str = "") -> str:
    dimensions = "".join(f"[{n}]" for n in values.shape)
    return f"{declaration}{dimensions}{where} = {_braces(values)};\n"


def _braces(values: _Array) -> str:
    if values.ndim > 1:
        return "{\n" + "".join(f"{_braces(row)},\n" for row in values) + "}"
    words = ["-2147483647 - 1" if v == -(2**31) else str(v) for v in values.tolist()]
    lines = [", ".join(words[i : i + _PER_LINE]) for i in range(0, len(words), _PER_LINE)]
    return "{" + ",\n".join(lines) + "}"


if __name__ == "__main__":
    TABLES_FILE.write_text(tables_source(), encoding="utf-8")

# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet as C: its sizes and tables, in the order that firmware/vocoder/lpcnet_cells.h tells.

`python -m toolkit.codegen.lpcnet` writes firmware/vocoder/lpcnet_tables.c again, which depends on
no model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.vocoder import lpcnet_cells as cells
from quantize.vocoder.lpcnet_model import LpcnetModel
from quantize.vocoder.lpcnet_parts import BlockMatrix
from quantize.weights import BLOCK_COLS, BLOCK_ROWS
from toolkit.codegen.arena import plan
from toolkit.codegen.step import step_header, step_source
from toolkit.codegen.tables import BANNER, weight_header, weight_tables

TABLES_FILE: Final = Path(__file__).resolve().parents[2] / "firmware/vocoder/lpcnet_tables.c"
_HALF: Final = BLOCK_ROWS // 2
_CHUNK: Final = 4  # blocks that Helium takes at once
_PER_LINE: Final = 20
_Array = npt.NDArray[Any]


def lpcnet_files(model: LpcnetModel) -> dict[str, str]:
    """Return every generated file of a voice: what firmware/vocoder/lpcnet*.c is compiled with."""
    network = model.condition
    name = network.graph.name
    return {
        f"{name}_weights.h": weight_header(network),
        f"{name}_weights.c": weight_tables(network),
        f"{name}.h": step_header(network, plan(network)),
        f"{name}.c": step_source(network),
        "lpcnet_model.h": model_header(model),
        "lpcnet_model.c": model_source(model),
    }


def model_header(model: LpcnetModel) -> str:
    """Return lpcnet_model.h: sizes and fractional bits."""
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
    guard = "DREDKIT_LPCNET_MODEL_H"
    return f"{BANNER}#ifndef {guard}\n#define {guard}\n\n{''.join(lines)}\n#endif\n"


def model_source(model: LpcnetModel) -> str:
    """Return lpcnet_model.c: every table."""
    a, b = model.units_a, model.units_b
    matrices = {
        "a_gates": _rows(model.a, 0, 2 * a),
        "a_candidate": _rows(model.a, 2 * a, 3 * a),
        "b_input": model.b_input,
        "b_gates": _rows(model.b, 0, 2 * b),
        "b_candidate": _rows(model.b, 2 * b, 3 * b),
    }
    parts = [
        f"{BANNER}#include <stdalign.h>\n\n",
        '#include "vocoder/lpcnet_cells.h"\n\n// clang-format off\n',
    ]
    parts.append("#if defined(DK_LPCNET_MVE)\n")
    for name, matrix in matrices.items():
        parts += _matrix_arrays(name, *stored_in_chunks(matrix))
    parts.append("#else\n")
    for name, matrix in matrices.items():
        parts += _matrix_arrays(name, *stored_in_halves(matrix))
    parts.append("#endif\n\n")
    for name, matrix in matrices.items():
        parts.append(
            f"const dk_lpcnet_matrix dk_lpcnet_{name} = "
            f"{{{name}_weights, {name}_index, {len(matrix.weights)}}};\n"
        )
    for name in ("a_bias", "b_bias"):
        parts.append(_table(f"const int32_t dk_lpcnet_{name}", getattr(model, name)))
    parts.append(_table("const int16_t dk_lpcnet_table_scale", model.table_scale))
    for name, kind in (
        ("pitch", "int16_t"),
        ("tables", "int8_t"),
        ("tree_weights", "int16_t"),
        ("tree_bias", "int32_t"),
        ("tree_scale", "int16_t"),
    ):
        parts.append(_table(f"const {kind} dk_lpcnet_{name}", getattr(model, name)))
    return "".join(parts)


def stored_in_halves(matrix: BlockMatrix) -> tuple[_Array, _Array]:
    """Weights and index: per 8 rows the upper halves of the kept blocks, then the lower ones."""
    weights, index = [], []
    for kept, tiles in zip(matrix.blocks, _tiles(matrix), strict=True):
        columns = np.flatnonzero(kept)
        index += [len(columns), *columns.tolist()]
        weights += [tiles[columns, :_HALF].reshape(-1), tiles[columns, _HALF:].reshape(-1)]
    return np.concatenate(weights), np.array(index)


def stored_in_chunks(matrix: BlockMatrix) -> tuple[_Array, _Array]:
    """Weights and index: per 8 rows four kept blocks side by side, the last ones filled up."""
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


def tables_source() -> str:
    """Return firmware/vocoder/lpcnet_tables.c: tanh and the mu-law."""
    return (
        "// SPDX-License-Identifier: BSD-3-Clause\n"
        "// Written by toolkit/codegen/lpcnet.py from quantize/vocoder/lpcnet_cells.py: do not "
        'edit.\n// clang-format off\n#include "vocoder/lpcnet_cells.h"\n'
        + _table("const int16_t dk_lpcnet_tanh", cells.TANH)
        + _table("const int16_t dk_lpcnet_levels", cells.LEVELS)
        + _table("const int16_t dk_lpcnet_decoded", cells.DECODED)
    )


def _rows(matrix: BlockMatrix, first: int, last: int) -> BlockMatrix:
    groups = slice(first // BLOCK_ROWS, last // BLOCK_ROWS)
    return BlockMatrix(matrix.weights[first:last], matrix.blocks[groups])


def _tiles(matrix: BlockMatrix) -> _Array:
    """[groups of 8 rows, columns of blocks, 8, 4]."""
    groups, columns = matrix.blocks.shape
    shape = (groups, BLOCK_ROWS, columns, BLOCK_COLS)
    return matrix.weights.reshape(shape).transpose(0, 2, 1, 3)


def _matrix_arrays(name: str, weights: _Array, index: _Array) -> list[str]:
    # C has no empty array: a matrix without blocks has one weight, which nothing reads.
    some = weights if weights.size else np.zeros(1, np.int8)
    return [
        _table(f"static alignas(4) const dk_lpcnet_number {name}_weights", some.reshape(-1)),
        _table(f"static const uint8_t {name}_index", index),
    ]


def _table(declaration: str, values: _Array) -> str:
    dimensions = "".join(f"[{n}]" for n in values.shape)
    return f"{declaration}{dimensions} = {_braces(values)};\n"


def _braces(values: _Array) -> str:
    if values.ndim > 1:
        return "{\n" + "".join(f"{_braces(row)},\n" for row in values) + "}"
    words = ["-2147483647 - 1" if v == -(2**31) else str(v) for v in values.tolist()]
    lines = [", ".join(words[i : i + _PER_LINE]) for i in range(0, len(words), _PER_LINE)]
    return "{" + ",\n".join(lines) + "}"


if __name__ == "__main__":
    TABLES_FILE.write_text(tables_source(), encoding="utf-8")

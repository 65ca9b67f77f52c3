# SPDX-License-Identifier: BSD-3-Clause
"""Check everything that the sample loop and its C rely on; prove that all sums fit int32."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantize import integer
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.parts import (
    HEARD,
    MATRICES,
    MAX_UNITS,
    PERIODS,
    SCALE_FRACS,
    TAIL_MAX,
    TREE_FRACS,
    WEIGHT_FRACS,
    BlockMatrix,
    LpcnetParts,
    condition_graph,
)


def check(model: LpcnetParts) -> None:
    """Raise InputError unless a voice has the shapes, types and bounds that the C relies on."""
    for name in ("a_bias", "b_bias"):
        if getattr(model, name).ndim != 1:
            raise InputError(f"{name} has {getattr(model, name).ndim} dimensions, not 1")
    a, b = model.units_a, model.units_b
    for name, units in (("A", a), ("B", b)):
        if not 0 < units <= MAX_UNITS or units % BLOCK_ROWS:
            raise InputError(f"GRU {name} has {units} units: want a multiple of 8, 1020 at most")
    if model.pitch.ndim != 2:
        raise InputError(f"the pitch embedding has {model.pitch.ndim} dimensions, not 2")
    width = model.pitch.shape[1]
    wanted: dict[str, tuple[Any, type, tuple[int, ...]]] = {
        "pitch": (model.pitch, np.int16, (PERIODS, width)),
        "tables": (model.tables, np.int8, (HEARD, cells.CODES, 3 * a)),
        "table_scale": (model.table_scale, np.int16, (3 * a,)),
        "a_bias": (model.a_bias, np.int32, (a,)),
        "b_bias": (model.b_bias, np.int32, (b,)),
        "tree_weights": (model.tree_weights, np.int16, (cells.CODES, 2, b)),
        "tree_bias": (model.tree_bias, np.int32, (cells.CODES, 2)),
        "tree_scale": (model.tree_scale, np.int16, (cells.CODES, 2)),
    }
    for name, rows, cols in (("a", 3 * a, a), ("b_input", 3 * b, a), ("b", 3 * b, b)):
        matrix: BlockMatrix = getattr(model, name)
        tiles = (rows // BLOCK_ROWS, cols // BLOCK_COLS)
        wanted[f"{name}.weights"] = (matrix.weights, np.int8, (rows, cols))
        wanted[f"{name}.blocks"] = (matrix.blocks, np.bool_, tiles)
    for name, (array, kind, shape) in wanted.items():
        if array.dtype != kind or array.shape != shape:
            raise InputError(
                f"{name} is {array.dtype}{list(array.shape)}, expected "
                f"{np.dtype(kind)}{list(shape)}"
            )
    _check_numbers(model)
    _check_graph(model, width)
    _check_sums(model)


def _check_numbers(model: LpcnetParts) -> None:
    for name, allowed in (
        ("frac", WEIGHT_FRACS),
        ("tree_frac", TREE_FRACS),
        ("scale_frac", SCALE_FRACS),
        ("tail", range(TAIL_MAX + 1)),
    ):
        if getattr(model, name) not in allowed:
            raise InputError(
                f"{name} is {getattr(model, name)}: want {allowed.start} to {allowed.stop - 1}"
            )
    for name in ("table_scale", "tree_scale"):
        if getattr(model, name).min() < -integer.INT16_MAX:
            raise InputError(f"{name} reaches -32768")


def _check_graph(model: LpcnetParts, embedding: int) -> None:
    graph = model.condition.graph
    frac = model.condition.frac.get("gates_a", -1)
    hidden = graph.buffers.get("conv1", 0)
    if frac not in range(integer.PRE_FRAC - 8, integer.PRE_FRAC + 1):
        raise InputError(f"gates of the frame-rate network have {frac} fractional bits")
    if graph != condition_graph(embedding, hidden, model.units_a, model.units_b, frac):
        raise InputError("its frame-rate network does not belong to this voice")
    if cells.X8_FRAC + model.frac < frac:
        raise InputError("gates of the frame-rate network are finer than those they add to")


def _check_sums(model: LpcnetParts) -> None:
    """Prove that skipped blocks hold only zeros and that no input makes a sum leave int32."""
    for name in MATRICES:
        matrix: BlockMatrix = getattr(model, name)
        kept = np.repeat(np.repeat(matrix.blocks, BLOCK_ROWS, axis=0), BLOCK_COLS, axis=1)
        if np.any(matrix.weights[~kept]):
            raise InputError(f"{name}: a weight outside the kept blocks is not zero")
    gates = -integer.INT16_MIN << (cells.X8_FRAC + model.frac - model.gates_frac)
    heard = np.abs(model.tables.astype(np.int64)).max(axis=1).sum(axis=0)
    heard = heard * np.abs(model.table_scale.astype(np.int64))
    gates_a = gates + heard
    gates_b = gates + model.b_input.bounds()
    tree = np.abs(model.tree_weights.astype(np.int64)).sum(axis=2) * -integer.INT16_MIN
    tree += np.abs(model.tree_bias.astype(np.int64))
    for name, inputs, matrix, bias in (
        ("GRU A", gates_a, model.a, model.a_bias),
        ("GRU B", gates_b, model.b, model.b_bias),
    ):
        constant = np.concatenate(
            [np.zeros(2 * len(bias), np.int64), np.abs(bias.astype(np.int64))]
        )
        _prove(name, inputs + matrix.bounds() + constant)
    _prove("the tree", tree)


def _prove(name: str, bounds: Ints) -> None:
    if bounds.max() > integer.INT32_MAX:
        raise InputError(f"{name}: a sum can reach {int(bounds.max())}, beyond int32")

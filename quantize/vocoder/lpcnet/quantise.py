# SPDX-License-Identifier: BSD-3-Clause
"""Quantise LPCNet: from float weights, under their checkpoint names, to a voice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.errors import InputError
from quantize.features.integers import FEATURE_FRAC, FEATURES
from quantize.nn.quantizer import quantise
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.check import check
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.parts import (
    MAX_UNITS,
    PERIODS,
    SCALE_FRACS,
    TREE_FRACS,
    WEIGHT_FRACS,
    BlockMatrix,
    condition_graph,
)

Floats = npt.NDArray[np.float64]

# These change how bits are drawn: logits are multiplied by SHARPNESS, and a bit never takes a value
# with a chance below TAIL. A network that is still learning is less certain than speech is, which
# sounds like noise. Both were chosen by PLCMOS of the shipped voice on 10 of the utterances that
# `dredkit score` uses.
SHARPNESS: Final = 1.25
TAIL: Final = 1638  # Q15: 5 %
_BYTE: Final = 127
_HIDDEN: Final = ("feature_conv1", "feature_conv2", "feature_dense1", "feature_dense2")
_HEARD: Final = ("embed_signal", "embed_prediction", "embed_excitation")
_GRUS: Final = ("gru_a_input", "gru_a_recurrent", "gru_b_input", "gru_b_recurrent")
_NAMES: Final = (
    *(f"{name}.{part}" for name in (*_HIDDEN, *_GRUS, "dual_fc") for part in ("weight", "bias")),
    *(f"{name}.weight" for name in ("embed_pitch", *_HEARD)),
    "dual_fc.scale",
)


def quantise_lpcnet(
    tensors: Mapping[str, npt.NDArray[np.floating]],
    source: dict[str, str],
    tail: int = TAIL,
    sharpness: float = SHARPNESS,
) -> LpcnetModel:
    """Quantise a network of any sizes, given as Lpcnet.export() names it.

    `source` says where the weights came from; errors repeat its "name". Raises InputError for
    weights that are missing, have another shape, are infinite, or are too large for the sample
    loop.
    """
    w = _floats(tensors, source["name"])
    units = len(w["gru_a_recurrent.bias"]) // 3
    b_input, b_condition = np.split(w["gru_b_input.weight"], [units], axis=1)
    frac = _weight_frac(w["gru_a_recurrent.weight"], b_input, w["gru_b_recurrent.weight"])
    a_bias, a_kept = _biases(w["gru_a_input.bias"], w["gru_a_recurrent.bias"])
    b_bias, b_kept = _biases(w["gru_b_input.bias"], w["gru_b_recurrent.bias"])
    layers = {name: Weights(name, w[f"{name}.weight"], w[f"{name}.bias"]) for name in _HIDDEN}
    layers["gru_a_input"] = Weights("gru_a_input", w["gru_a_input.weight"], a_bias)
    layers["gru_b_condition"] = Weights("gru_b_condition", b_condition, b_bias)
    gates_frac = _gates_frac(cells.X8_FRAC + frac, layers["gru_a_input"], layers["gru_b_condition"])
    width = len(w["feature_dense2.bias"])
    embedding = w["embed_pitch.weight"]
    graph = condition_graph(
        embedding.shape[1], width, units, len(w["gru_b_recurrent.bias"]) // 3, gates_frac
    )
    peaks = dict.fromkeys(graph.calibrated, 0.0)  # every format is prescribed
    tables, table_scale = _tables(w, cells.X8_FRAC + frac)
    tree_frac = _tree_frac(w["dual_fc.weight"], w["dual_fc.bias"])
    scale = w["dual_fc.scale"] * sharpness
    scale_frac = _frac_of("dual_fc.scale", scale, SCALE_FRACS, integer.INT16_MAX)
    model = LpcnetModel(
        condition=quantise(graph, layers, peaks, {"name": source["name"]}),
        pitch=integer.to_fixed(embedding, FEATURE_FRAC).astype(np.int16),
        tables=tables,
        table_scale=table_scale,
        a=_blocks(w["gru_a_recurrent.weight"], frac),
        a_bias=_rounded(a_kept, cells.X8_FRAC + frac),
        b_input=_blocks(b_input, frac),
        b=_blocks(w["gru_b_recurrent.weight"], frac),
        b_bias=_rounded(b_kept, cells.X8_FRAC + frac),
        tree_weights=integer.to_fixed(w["dual_fc.weight"], tree_frac).astype(np.int16),
        tree_bias=_rounded(w["dual_fc.bias"], cells.STATE_FRAC + tree_frac),
        tree_scale=integer.to_fixed(scale, scale_frac).astype(np.int16),
        frac=frac,
        tree_frac=tree_frac,
        scale_frac=scale_frac,
        tail=tail,
        source=source,
    )
    check(model)
    return model


def _floats(tensors: Mapping[str, npt.NDArray[np.floating]], where: str) -> dict[str, Floats]:
    found = {}
    for name in _NAMES:
        if name not in tensors:
            raise InputError(f"{where}: no {name}; is it a checkpoint of LPCNet?")
        if tensors[name].dtype.kind != "f":
            raise InputError(f"{where}: {name} is {tensors[name].dtype}, want floats")
        found[name] = np.asarray(tensors[name], np.float64)
        if not np.all(np.isfinite(found[name])):
            raise InputError(f"{where}: {name} holds NaN or infinite weights; train it again")
    for name, layer in (("A", "gru_a_recurrent"), ("B", "gru_b_recurrent")):
        shape = found[f"{layer}.weight"].shape
        square = len(shape) == 2 and shape[0] == 3 * shape[1]
        if not square or shape[1] % BLOCK_ROWS or not 0 < shape[1] <= MAX_UNITS:
            raise InputError(
                f"{where}: GRU {name} is {list(shape)}: want 3 n x n, n in eights up to {MAX_UNITS}"
            )
    for name, shape in _shapes(found).items():
        if found[name].shape != shape or 0 in shape:
            raise InputError(
                f"{where}: {name} is {list(found[name].shape)}, expected {list(shape)}"
            )
    return found


def _shapes(found: Mapping[str, Floats]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor; the sizes come from some of them."""
    units = found["gru_a_recurrent.weight"].shape[1]
    below = found["gru_b_recurrent.weight"].shape[1]
    width, embedding = found["feature_dense2.bias"].size, found["embed_pitch.weight"].size
    embedding //= PERIODS
    rows = {**dict.fromkeys(_HIDDEN, width), "gru_a_input": 3 * units, "gru_b_input": 3 * below}
    cols = {
        "feature_conv1": 3 * (FEATURES + embedding),
        "feature_conv2": 3 * width,
        "feature_dense1": width,
        "feature_dense2": width,
        "gru_a_input": width,
        "gru_b_input": units + width,
    }
    return {
        **{f"{name}.bias": (count,) for name, count in rows.items()},
        **{f"{name}.weight": (rows[name], count) for name, count in cols.items()},
        "gru_a_recurrent.bias": (3 * units,),
        "gru_b_recurrent.bias": (3 * below,),
        "dual_fc.weight": (cells.CODES, 2, below),
        "dual_fc.bias": (cells.CODES, 2),
        "dual_fc.scale": (cells.CODES, 2),
        "embed_pitch.weight": (PERIODS, embedding),
        **{f"{name}.weight": (cells.CODES, 3 * units) for name in _HEARD},
    }


def _frac_of(name: str, values: Floats, fracs: range, top: float) -> int:
    """Return the most fractional bits of `fracs` at which no value exceeds `top`."""
    peak = float(np.abs(values).max())
    for frac in reversed(fracs):
        if peak * 2.0**frac <= top:
            return frac
    raise InputError(f"{name} reaches {peak:.3g}: want {top * 2.0**-fracs.start:.3g} at most")


def _weight_frac(*weights: Floats) -> int:
    # A weight of 1.0, at which training clips, becomes 127 / 128.
    every = np.concatenate([part.reshape(-1) for part in weights])
    return _frac_of("a weight of the GRUs", every, WEIGHT_FRACS, _BYTE + 1)


def _blocks(weight: Floats, frac: int) -> BlockMatrix:
    int8 = np.clip(np.floor(weight * 2.0**frac + 0.5), -_BYTE, _BYTE).astype(np.int8)
    rows, cols = int8.shape
    tiles = int8.reshape(rows // BLOCK_ROWS, BLOCK_ROWS, cols // BLOCK_COLS, BLOCK_COLS)
    return BlockMatrix(int8, np.asarray(tiles.any(axis=(1, 3))))


def _rounded(values: Floats, frac: int) -> npt.NDArray[np.int32]:
    steps = np.floor(values * 2.0**frac + 0.5)
    if np.abs(steps).max() > integer.INT32_MAX:
        raise InputError(f"a bias reaches {np.abs(values).max():.3g}: too large for the voice")
    return steps.astype(np.int32)


def _biases(heard: Floats, recurrent: Floats) -> tuple[Floats, Floats]:
    """Return the bias of the frame's gates and the candidate's recurrent bias.

    The first includes the recurrent biases of z and r, since these gates only add up.
    """
    units = len(recurrent) // 3
    taken = np.where(np.arange(len(recurrent)) < 2 * units, recurrent, 0.0)
    return heard + taken, recurrent[2 * units :]


def _gates_frac(most: int, *layers: Weights) -> int:
    """Return fractional bits at which no gate of a frame saturates; its inputs are bounded by 1."""
    largest = max(
        float((np.abs(layer.matrix).sum(axis=1) + np.abs(layer.bias)).max()) for layer in layers
    )
    room = math.floor(math.log2(integer.INT16_MAX / max(largest, 1.0)))
    return max(integer.PRE_FRAC - 8, min(integer.PRE_FRAC, most, room))


def _tables(
    w: Mapping[str, Floats], frac: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int16]]:
    """Return what each code adds to GRU A's gates; a gate's three tables share a whole scale."""
    tables = np.stack([w[f"{name}.weight"] for name in _HEARD]) * 2.0**frac
    scale = np.maximum(1.0, np.ceil(np.abs(tables).max(axis=(0, 1)) / _BYTE))
    if scale.max() > integer.INT16_MAX:
        raise InputError("an embedding is too large for the voice: train it again")
    return np.floor(tables / scale + 0.5).astype(np.int8), scale.astype(np.int16)


def _tree_frac(weight: Floats, bias: Floats) -> int:
    """Return fractional bits at which neither a weight nor a sum over a Q15 state overflows."""
    sums = np.abs(weight).sum(axis=2) + np.abs(bias)
    room = integer.INT32_MAX - (weight.shape[2] / 2 + 1) * -integer.INT16_MIN
    spread = float(sums.max()) / max(float(np.abs(weight).max()), 1e-9)
    most = min(room / -integer.INT16_MIN, integer.INT16_MAX * spread)
    return _frac_of("dual_fc.weight", sums, TREE_FRACS, most)

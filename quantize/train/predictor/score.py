# SPDX-License-Identifier: BSD-3-Clause
"""The score of a predictor: its error by the distance from what was known, beside holding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from quantize.features.floats import BANDS, CORRELATION, PITCH
from quantize.networks.blocks import with_blocks
from quantize.networks.layers import export_layers, import_layers
from quantize.networks.predictor import Predictor
from quantize.networks.tensors import read_tensors, write_tensors
from quantize.plc.heard import KNOWN
from quantize.train.predictor.data import Gaps, Recording

DISTANCES: Final = (1, 2, 4, 6, 8, 12, 16, 24)  # frames
_VOICED = 0.2  # correlation feature above which a frame counts as voiced
_GROSS = 0.2630  # octaves: 20 % of the pitch


def save_checkpoint(path: Path, model: Predictor, notes: Mapping[str, str]) -> None:
    """Write a predictor to a safetensors file, in one move; sparse layers get `<layer>.blocks`."""
    weights = with_blocks(export_layers(model.layers()), model.sparse_weights())
    write_tensors(path, weights, {"network": "predictor", **notes})


def load_checkpoint(path: Path) -> Predictor:
    """Read a checkpoint of our own sizes; InputError if it is missing or of another network."""
    model = Predictor()
    import_layers(model.layers(), read_tensors(path))
    return model


def evaluate(
    model: Predictor, recordings: list[Recording], gaps: int = 2000
) -> list[dict[str, Any]]:
    """Score gaps of 240 ms, a row for each of DISTANCES.

    A row has `distance` in frames; the log-spectral distance in dB of the predicted features, `db`,
    and of the last known ones, `held_db`; and for both the share of frames, voiced before the gap
    and in it, whose pitch is off by more than 20 %.
    """
    batch = Gaps(recordings, seed=2).batch(0, gaps)
    inputs, features = batch.inputs.clone(), batch.features
    inputs[:, KNOWN:] = 0
    with torch.no_grad():
        predicted = model(inputs)
    held = features[:, KNOWN - 1 : KNOWN].expand_as(features)
    rows = []
    for distance in DISTANCES:
        at = KNOWN - 1 + distance
        voiced = (features[:, at, CORRELATION] > _VOICED) & (held[:, at, CORRELATION] > _VOICED)
        row: dict[str, Any] = {"distance": distance}
        for name, found in (("", predicted), ("held_", held)):
            error = found[:, at] - features[:, at]
            row[f"{name}db"] = 10 * error[:, :BANDS].square().mean(-1).sqrt().mean().item()
            wrong = (error[:, PITCH].abs() > _GROSS) & voiced
            row[f"{name}pitch_errors"] = (wrong.sum() / voiced.sum().clamp(min=1)).item()
        rows.append(row)
    return rows

# SPDX-License-Identifier: BSD-3-Clause
"""The score of a trained pitch network, float and integer: its pitch against the tracker's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from quantize.errors import InputError
from quantize.features.floats import CORRELATION, PITCH, voicing
from quantize.features.pitch_inputs import PitchInputs
from quantize.integer import to_real
from quantize.networks.layers import export_layers, import_layers
from quantize.networks.pitch import PitchNet, pitch_of
from quantize.networks.tensors import read_tensors, write_tensors
from quantize.nn.quantizer import quantise
from quantize.nn.run import run_integer, to_held
from quantize.nn.topologies import pitch
from quantize.nn.weights import Weights
from quantize.train.pitch.data import Recording

F32 = NDArray[np.float32]

COLUMNS = {  # headings of a table of scores, see `evaluate`
    "within_50_cents": "within 50 ct",
    "gross": "gross",
    "octave": "octave",
    "correlation": "corr",
    "tracker_correlation": "tracker's",
    "integer_same": "int8 same",
    "integer_within_50_cents": "int8 50 ct",
}
VOICED = 0.2  # correlation feature above which a frame counts as voiced
_NEAR = 50 / 1200  # octaves
_GROSS = 0.2630  # octaves: 20 % of the pitch
_CHUNK = 2000  # frames run at once


def logits_of(model: PitchNet, inputs: PitchInputs) -> F32:
    """Return the logits [frames, 180] of the float network from its zero state."""
    memory = model.start(1)
    found = []
    with torch.no_grad():
        for start in range(0, len(inputs.xcorr), _CHUNK):
            parts = (torch.from_numpy(part[None, start : start + _CHUNK]) for part in inputs)
            logits, memory = model(*parts, memory)
            found.append(logits[0].numpy())
    return np.concatenate(found)


def integer_logits(model: PitchNet, inputs: PitchInputs, peak: float) -> NDArray[np.float64]:
    """Return the logits of the quantised network; `peak` is the largest float logit expected."""
    graph = pitch()
    held = export_layers(model.layers())
    layers = {
        name: Weights(
            name,
            held[f"{name}.weight"].numpy().astype(np.float64),
            held[f"{name}.bias"].numpy().astype(np.float64),
        )
        for name in model.layers()
    }
    small = quantise(graph, layers, {"logits": peak}, {"name": "pitch"})
    rows = {
        name: to_held(graph, small.frac, name, part.astype(np.float64))
        for name, part in zip(("if_features", "xcorr_features"), inputs, strict=True)
    }
    return to_real(run_integer(small, rows)["dense_final_upsampler"], small.frac["logits"])


def compare(got: NDArray[np.floating], recording: Recording) -> dict[str, float]:
    """Score a pitch feature [frames] against the tracker's in the voiced frames of a recording.

    Returns the shares of frames within 50 cents, off by more than 20 % (`gross`) and off by one
    octave give or take 20 %, and the mean correlation feature at this pitch and at the tracker's.
    """
    pcm, features = recording
    voiced = features[:, CORRELATION] > VOICED
    if not voiced.any():
        raise InputError("the recording has no voiced frame: nothing to score")
    error = np.abs(got - features[:, PITCH])[voiced]
    return {
        "voiced_frames": int(voiced.sum()),
        "within_50_cents": float((error < _NEAR).mean()),
        "gross": float((error > _GROSS).mean()),
        "octave": float((np.abs(error - 1) < _GROSS).mean()),
        "correlation": float(voicing(pcm, got, delay=0)[voiced].mean()),
        "tracker_correlation": float(features[voiced, CORRELATION].mean()),
    }


def evaluate(
    model: PitchNet, recording: Recording, inputs: PitchInputs, integer_frames: int = 0
) -> dict[str, float]:
    """Score a network on one recording, and the integer network on its first `integer_frames`.

    `integer_same` is the share of voiced frames in which the integer network is within 50 cents of
    the float network, `integer_within_50_cents` in which it is within 50 cents of the tracker.
    """
    logits = logits_of(model, inputs)
    result = compare(pitch_of(logits), recording)
    if integer_frames:
        part = PitchInputs(*(array[:integer_frames] for array in inputs))
        small = pitch_of(integer_logits(model, part, float(np.abs(logits).max())))
        features = recording[1][: len(small)]
        voiced = features[:, CORRELATION] > VOICED
        for name, want in (
            ("integer_same", pitch_of(logits[: len(small)])),
            ("integer_within_50_cents", features[:, PITCH]),
        ):
            near = np.abs(small - want)[voiced] < _NEAR
            result[name] = float(near.mean()) if voiced.any() else 1.0
    return result


def save_checkpoint(path: Path, model: PitchNet, notes: Mapping[str, str]) -> None:
    """Write the network to a safetensors file, in one move."""
    write_tensors(path, export_layers(model.layers()), {"network": "pitch", **notes})


def load_checkpoint(path: Path) -> PitchNet:
    """Read a checkpoint; InputError if it is missing, damaged or of another network."""
    weights = read_tensors(path)
    model = PitchNet()
    import_layers(model.layers(), weights)
    return model

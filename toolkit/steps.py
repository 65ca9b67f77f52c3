# SPDX-License-Identifier: BSD-3-Clause
"""The first steps of the way as functions: audio -> step inputs, weights -> quantised model."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantize.calibrate import LayerReport, calibrate, report, steps
from quantize.features import extract
from quantize.graph import Graph
from quantize.model import QuantisedModel
from quantize.quantizer import quantise
from quantize.topologies import rdovae_encoder
from toolkit.audio import read_speech
from toolkit.importers import load_model
from toolkit.paths import BUILD, ROOT
from toolkit.stage import Model, stage_of

CLIP = ROOT / "toolkit" / "data" / "clip.wav"
DEFAULT_MODEL = BUILD / "rdovae_enc.dkq"


def speech_steps(wav: Path, graph: Graph) -> npt.NDArray[np.float64]:
    """Read a WAV of any rate and return the encoder's float inputs [20 ms steps, 40]."""
    return steps(extract(read_speech(wav)), graph)


def quantise_file(weights: Path, calibration: Path) -> tuple[QuantisedModel, list[LayerReport]]:
    """Quantise the RDO-VAE encoder found in a weight file, calibrated on a recording of speech."""
    graph = rdovae_encoder()
    floats = load_model(weights, graph)
    inputs = speech_steps(calibration, graph)
    seen = calibrate(graph, floats.layers, inputs)
    model = quantise(graph, floats.layers, seen, floats.source)
    return model, report(model, floats.layers, inputs)


def fixed_inputs(model: Model, wav: Path) -> npt.NDArray[np.int16]:
    """Return the int16 step inputs [steps, n] that are streamed for a recording."""
    return stage_of(model).inputs(wav)

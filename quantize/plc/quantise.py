# SPDX-License-Identifier: BSD-3-Clause
"""Quantise a predictor, with real speech in which some frames are lost."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.dsp.scalar import Ints
from quantize.features.integers import FEATURE_FRAC, FRAME
from quantize.nn.calibrate import LayerReport, calibrate, report
from quantize.nn.model import QuantisedModel
from quantize.nn.quantizer import quantise
from quantize.nn.topologies import predictor_like
from quantize.nn.weights import Weights
from quantize.plc import heard
from quantize.plc.predictor import heard_inputs

EVERY: Final = 16  # frames from one gap of the calibration to the next
LOST: Final = 6  # frames that are lost in each


def calibration_inputs(pcm: npt.NDArray[np.int16]) -> Ints:
    """Return inputs [frames, 57] Q10 of a recording in which 6 of 16 frames are lost."""
    samples = pcm[: len(pcm) // FRAME * FRAME].astype(np.int64)
    rows = heard_inputs(samples, heard.features(samples))
    rows[np.arange(len(rows)) % EVERY >= EVERY - LOST] = 0
    return rows


def quantise_predictor(
    layers: dict[str, Weights], pcm: npt.NDArray[np.int16], source: dict[str, str]
) -> tuple[QuantisedModel, list[LayerReport]]:
    """Quantise layers of a predictor of any size; `pcm` is speech of some seconds.

    Raises InputError for layers that do not fit together, and for too short a recording.
    """
    graph = predictor_like(layers)
    inputs = calibration_inputs(pcm) / 2.0**FEATURE_FRAC
    model = quantise(graph, layers, calibrate(graph, layers, inputs), source)
    return model, report(model, layers, inputs)

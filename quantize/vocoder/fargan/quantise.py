# SPDX-License-Identifier: BSD-3-Clause
"""Quantise FARGAN: from weights under libopus' names to a voice; int8 weights stay unchanged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quantize import integer
from quantize.errors import InputError
from quantize.features.integers import FEATURE_FRAC
from quantize.nn.graph import Graph
from quantize.nn.model import QuantisedModel
from quantize.nn.quantizer import quantise
from quantize.nn.weights import Weights
from quantize.vocoder.fargan.model import FarganModel, check
from quantize.vocoder.fargan.parts import (
    EMBEDDING,
    PERIODS,
    condition_graph,
    step_graph,
    topology_of,
)


def quantise_fargan(layers: Mapping[str, Weights], source: dict[str, str]) -> FarganModel:
    """Quantise a network of any sizes.

    The embedding is [224, width]. `source` says where the weights came from; errors repeat its
    "name". Raises InputError for weights that are missing or have another shape, and for a layer
    whose sums do not fit.
    """
    where = source["name"]
    sizes = topology_of(layers, where)
    embedding = layers[EMBEDDING].matrix
    if embedding.shape[0] != PERIODS:
        raise InputError(f"{where}: {EMBEDDING} has {embedding.shape[0]} rows, expected {PERIODS}")
    largest = float(np.abs(embedding).max())
    if largest * 2.0**FEATURE_FRAC > integer.INT16_MAX:
        raise InputError(f"{where}: {EMBEDDING} reaches {largest:.3g}: want less than 32")
    model = FarganModel(
        condition=_quantised(condition_graph(sizes), layers, where),
        step=_quantised(step_graph(sizes), layers, where),
        periods=integer.to_fixed(embedding, FEATURE_FRAC).astype(np.int16),
        source=source,
    )
    check(model)
    return model


def _quantised(graph: Graph, layers: Mapping[str, Weights], where: str) -> QuantisedModel:
    peaks = dict.fromkeys(graph.calibrated, 0.0)  # every format is prescribed
    return quantise(graph, dict(layers), peaks, {"name": where})

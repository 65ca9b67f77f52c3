# SPDX-License-Identifier: BSD-3-Clause
"""A model of the right shapes without weights: the linters read the C generated from it."""

import numpy as np

from quantize import topologies
from quantize.dred.tables import LATENTS, LEVELS, STATES, EntropyTables
from quantize.encoder import EncoderModel
from quantize.graph import Graph
from quantize.model import QuantisedModel
from quantize.quantizer import quantise
from quantize.weights import Weights


def stand_in() -> EncoderModel:
    """Return the whole sender with every weight and every table zero."""
    return EncoderModel(
        _network(topologies.pitch()),
        _network(topologies.rdovae_encoder()),
        EntropyTables(*(np.zeros((4, LEVELS, n), np.uint8) for n in (LATENTS, STATES))),
    )


def _network(graph: Graph) -> QuantisedModel:
    layers = {
        shape.name: Weights(shape.name, np.zeros((shape.rows, shape.cols)), np.zeros(shape.rows))
        for shape in graph.matrices()
    }
    return quantise(graph, layers, dict.fromkeys(graph.calibrated, 1.0), {"name": "nothing"})

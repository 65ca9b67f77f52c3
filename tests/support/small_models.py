# SPDX-License-Identifier: BSD-3-Clause
"""Two small graphs with every kind of node, and random weights for them or any other graph."""

import numpy as np

from quantize.nn.graph import (
    Activation,
    Conv1d,
    Dense,
    Format,
    Glu,
    Graph,
    Gru,
    MatrixShape,
    Slice,
)
from quantize.nn.model import QuantisedModel
from quantize.nn.quantizer import quantise
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights


def small_graph() -> Graph:
    """Return a graph: GRU and convolution twice, dilations 1, 2, a reused buffer, two outputs."""
    return Graph(
        name="small",
        inputs=("features",),
        outputs=("latents", "side"),
        buffers={"features": 12, "trunk": 40, "conv_in": 8, "latents": 5, "side": 8},
        nodes=(
            Dense("first", Slice("features", 0, 12), Slice("trunk", 0, 8), Activation.TANH),
            Gru("gru1", Slice("trunk", 0, 8), Slice("trunk", 8, 8)),
            Dense("dense1", Slice("trunk", 0, 16), Slice("conv_in", 0, 8), Activation.TANH),
            Conv1d("conv1", Slice("conv_in", 0, 8), Slice("trunk", 16, 8), 1, Activation.TANH),
            Gru("gru2", Slice("trunk", 0, 24), Slice("trunk", 24, 8)),
            Dense("dense2", Slice("trunk", 0, 32), Slice("conv_in", 0, 8), Activation.TANH),
            Conv1d("conv2", Slice("conv_in", 0, 8), Slice("trunk", 32, 8), 2, Activation.TANH),
            Dense("out", Slice("trunk", 0, 40), Slice("latents", 0, 5), Activation.LINEAR),
            Dense("aside", Slice("trunk", 8, 8), Slice("side", 0, 8), Activation.LINEAR),
        ),
    )


def gated_graph() -> Graph:
    """Return a graph like a decoder's: gated units, three taps, a wide convolution, formats."""
    tanh = Activation.TANH
    return Graph(
        name="gated",
        inputs=("features",),
        outputs=("states", "sound"),
        buffers={"features": 8, "trunk": 32, "q15": 8, "states": 16, "sound": 4},
        nodes=(
            Conv1d("wide", Slice("features", 0, 8), Slice("trunk", 0, 8), 1, tanh, taps=3),
            Gru("gru", Slice("trunk", 0, 8), Slice("q15", 0, 8)),
            Glu("glu", Slice("q15", 0, 8), Slice("trunk", 8, 8)),
            Dense("dense", Slice("trunk", 0, 16), Slice("q15", 0, 8), tanh),
            Glu("again", Slice("q15", 0, 8), Slice("states", 0, 8)),
            Glu("conv_in", Slice("q15", 0, 8), Slice("trunk", 16, 8)),
            Conv1d("conv", Slice("trunk", 16, 8), Slice("trunk", 24, 8), 2, tanh, taps=4),
            Gru("gru2", Slice("trunk", 0, 32), Slice("states", 8, 8)),
            Dense("out", Slice("trunk", 0, 32), Slice("sound", 0, 4), Activation.LINEAR),
        ),
        formats={"q15": Format.Q15, "states": Format.Q15},
        fracs={"sound": 10},
    )


def small_weights(graph: Graph, seed: int, gain: float = 1.0) -> dict[str, Weights]:
    """Return weights that give pre-activations of about `gain`; recurrent ones are sparse int8."""
    rng = np.random.default_rng(seed)
    return {shape.name: _random_layer(shape, rng, gain) for shape in graph.matrices()}


def _random_layer(shape: MatrixShape, rng: np.random.Generator, gain: float) -> Weights:
    size = (shape.rows, shape.cols)
    bias = rng.normal(0.0, 0.3 * gain, shape.rows)
    if not shape.name.endswith("_recurrent"):
        return Weights(shape.name, rng.normal(0.0, gain / np.sqrt(shape.cols), size), bias)
    blocks = rng.random((shape.rows // BLOCK_ROWS, shape.cols // BLOCK_COLS)) < 0.5
    kept = np.repeat(np.repeat(blocks, BLOCK_ROWS, axis=0), BLOCK_COLS, axis=1)
    int8 = np.where(kept, rng.integers(-127, 128, size), 0).astype(np.int8)
    scale = rng.uniform(0.5, 2.0, shape.rows) * gain / (127 * np.sqrt(shape.cols))
    return Weights(shape.name, int8 * scale[:, None], bias, int8, scale, blocks)


def small_model(
    graph: Graph | None = None, seed: int = 1, gain: float = 1.0, peak: float = 4.0
) -> QuantisedModel:
    """Return a quantised random model; calibration claims a peak of `peak` everywhere."""
    graph = graph or small_graph()
    peaks = dict.fromkeys((*graph.inputs, *graph.outputs), peak)
    return quantise(graph, small_weights(graph, seed, gain), peaks, {"name": f"random {seed}"})

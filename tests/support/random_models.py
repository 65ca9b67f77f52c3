# SPDX-License-Identifier: BSD-3-Clause
"""Small random networks of awkward shapes, for tests that need more than the shipped one."""

import numpy as np

from quantize.nn.graph import Activation, Conv1d, Dense, Format, Glu, Graph, Gru, Node, Slice
from quantize.nn.model import QuantisedModel
from quantize.nn.quantizer import quantise
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights


def random_model(seed: int) -> QuantisedModel:
    """Return a network with odd sizes, tails, sparse layers with empty groups, large weights."""
    rng = np.random.default_rng(seed)
    n_in, first, gru, conv = (
        int(rng.integers(*span)) for span in ((1, 23), (1, 39), (1, 13), (1, 19))
    )
    first = -(-first // BLOCK_COLS) * BLOCK_COLS if seed % 2 else first
    dilation, taps = int(rng.integers(1, 4)), 2 + seed % 3
    wide = BLOCK_ROWS * int(rng.integers(1, 4))
    gru_end, conv_end = first + gru, first + gru + conv
    nodes: list[Node] = [
        Dense("first", Slice("x", 0, n_in), Slice("trunk", 0, first), Activation.TANH),
        Gru("gru", Slice("trunk", 0, first), Slice("trunk", first, gru)),
        Dense("pre", Slice("trunk", 0, gru_end), Slice("conv_in", 0, conv), Activation.TANH),
        Conv1d(
            "conv",
            Slice("conv_in", 0, conv),
            Slice("trunk", gru_end, conv),
            dilation,
            Activation.TANH,
            taps,
        ),
        Conv1d(
            "wide",
            Slice("x", 0, n_in),
            Slice("q15", 0, conv),
            dilation,
            Activation.TANH,
            max(2, 5 - taps),
        ),
        Gru("gru2", Slice("trunk", 0, conv_end), Slice("q15", conv, gru)),
        Glu("glu", Slice("q15", 0, conv + gru), Slice("gated", 0, conv + gru)),
        Glu("glu_out", Slice("q15", 0, conv), Slice("glu_q15", 0, conv)),
        Gru("gru_out", Slice("gated", 0, conv + gru), Slice("state", 0, gru)),
        Dense("hidden", Slice("trunk", 0, first), Slice("hidden", 0, wide), Activation.TANH),
        Dense("y", Slice("trunk", 0, conv_end), Slice("y_out", 0, 5), Activation.LINEAR),
        Dense("z", Slice("hidden", 0, wide), Slice("z_out", 0, 3), Activation.LINEAR),
    ]
    graph = Graph(
        f"random{seed}",
        ("x",),
        ("y_out", "z_out", "glu_q15", "state"),
        {
            "x": n_in,
            "trunk": conv_end,
            "conv_in": conv,
            "hidden": wide,
            "q15": conv + gru,
            "gated": conv + gru,
            "y_out": 5,
            "z_out": 3,
            "glu_q15": conv,
            "state": gru,
        },
        tuple(nodes),
        {"q15": Format.Q15, "glu_q15": Format.Q15, "state": Format.Q15},
        {"z_out": 9},
    )
    layers = {}
    for shape in graph.matrices():
        gain = rng.choice([0.05, 0.6, 3.0])  # the last one saturates
        matrix = rng.normal(size=(shape.rows, shape.cols)) * gain
        blocks = None
        if shape.name == "hidden" and shape.cols % BLOCK_COLS == 0:
            blocks = rng.random((shape.rows // BLOCK_ROWS, shape.cols // BLOCK_COLS)) < 0.5
            blocks[0] = False
            matrix *= np.kron(blocks, np.ones((BLOCK_ROWS, BLOCK_COLS)))
        bias = rng.normal(size=shape.rows)
        layers[shape.name] = Weights(shape.name, matrix, bias, blocks=blocks)
    return quantise(
        graph, layers, {"x": 3.0, "y_out": 9.0, "z_out": 9.0}, {"name": f"random {seed}"}
    )


def random_inputs(model: QuantisedModel, steps: int, seed: int = 0) -> np.ndarray:
    """Return int16 inputs [steps, n]: noise, sometimes every value at an end of its range."""
    rng = np.random.default_rng(seed)
    (name,) = model.graph.inputs
    x = rng.integers(-6000, 6001, (steps, model.graph.buffers[name]))
    ends = rng.random(steps) < 0.25
    x[ends] = rng.choice([-32768, 32767], x[ends].shape)
    return x.astype("<i2")

# SPDX-License-Identifier: BSD-3-Clause
"""A network of single products of 384 by 384, so that a board's own timer tells each one's cost.

`dredkit bench --all` keeps the figures, and toolkit/measure/bench/goals.py has the goals.
"""

from pathlib import Path
from typing import Final

import numpy as np

from quantize.errors import InputError
from quantize.nn.graph import Activation, Dense, Format, Graph, MatrixShape, Slice
from quantize.nn.model import QuantisedModel
from quantize.nn.quantizer import quantise
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights
from toolkit.stages.base import Reference
from toolkit.stages.stage import Int16s, NetworkStage

SIZE: Final = 384
DENSE: Final = "dense"
WIDE: Final = "wide"
# The share of 8x4 blocks that is kept.
SPARSE: Final = {"sparse_half": 0.5, "sparse_quarter": 0.25}
_SEED: Final = 384
_STEPS: Final = 8


class KernelsStage(NetworkStage):
    """The products on random inputs; the stage hears no recording and has no reference."""

    def __init__(self) -> None:
        super().__init__(kernels_model())

    def inputs(self, audio: Path) -> Int16s:
        words = np.random.default_rng(_SEED).integers(0, 1 << 16, (_STEPS, self.input_bytes // 2))
        narrow = np.random.default_rng(_SEED).integers(-127, 128, (_STEPS, SIZE)).astype(np.int8)
        rows = words.astype(np.uint16).view("<i2")
        return np.concatenate([narrow.view("<i2"), rows[:, SIZE // 2 :]], axis=1)

    def reference(self, inputs: Int16s) -> Reference:
        raise InputError(
            "kernels: these products are measured; tests/nn/test_kernels.py proves them"
        )


def kernels_model() -> QuantisedModel:
    """Return the products: int8 dense, int8 sparse and int16, each with its own output."""
    products = [DENSE, *SPARSE, WIDE]
    outputs = [f"out_{name}" for name in products]
    graph = Graph(
        name="kernels",
        inputs=("x8", "x16"),
        outputs=tuple(outputs),
        buffers=dict.fromkeys(("x8", "x16", *outputs), SIZE),
        nodes=tuple(
            Dense(
                name,
                Slice("x16" if name == WIDE else "x8", 0, SIZE),
                Slice(output, 0, SIZE),
                Activation.LINEAR,
            )
            for name, output in zip(products, outputs, strict=True)
        ),
        formats={"x8": Format.X8},
    )
    rng = np.random.default_rng(_SEED)
    weights = {shape.name: _layer(shape, rng) for shape in graph.matrices()}
    peaks = dict.fromkeys(("x16", *outputs), 4.0)
    return quantise(graph, weights, peaks, {"name": f"random {_SEED}"})


def _layer(shape: MatrixShape, rng: np.random.Generator) -> Weights:
    matrix = rng.normal(0.0, 1 / np.sqrt(SIZE), (shape.rows, shape.cols))
    blocks = None
    if shape.name in SPARSE:
        kept = rng.random((SIZE // BLOCK_ROWS, SIZE // BLOCK_COLS)) < SPARSE[shape.name]
        matrix *= np.repeat(np.repeat(kept, BLOCK_ROWS, axis=0), BLOCK_COLS, axis=1)
        blocks = kept
    return Weights(shape.name, matrix, np.zeros(SIZE), blocks=blocks)

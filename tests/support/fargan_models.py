# SPDX-License-Identifier: BSD-3-Clause
"""Random FARGANs of any size for tests; loud enough to use every part of the arithmetic."""

from dataclasses import replace
from typing import Any

import numpy as np

from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights
from quantize.vocoder.fargan.model import FarganModel
from quantize.vocoder.fargan.parts import EMBEDDING, PERIODS, Topology, shapes
from quantize.vocoder.fargan.quantise import quantise_fargan

SMALL = Topology(
    conditioning=16, first=24, gru=(16, 8, 24), skip=32, noise=8, embedding=3, dense=8, conv=16
)


def random_layers(
    seed: int,
    sizes: Topology = SMALL,
    loud: float = 1.0,
    whole: bool = False,
    kept: float = 1.0,
) -> dict[str, Weights]:
    """Return weights of a network of `sizes`.

    `loud` scales them. If `whole`, layers whose inputs are within +-1 have int8 weights, as in an
    Opus release. Below 1, all of these but the last keep the share `kept` of their 8 x 4 blocks.
    """
    rng = np.random.default_rng(seed)
    wide = ("cond_net_fdense1", "sig_net_cond_gain_dense", "sig_net_gain_dense_out")
    layers = {}
    for shape in shapes(sizes):
        scale = loud * 1.5 / np.sqrt(shape.cols)
        matrix = rng.normal(0, scale, (shape.rows, shape.cols))
        bias = rng.normal(0, 0.2 * loud, shape.rows)
        int8 = per_row = None
        if whole and shape.name not in wide:
            per_row = np.abs(matrix).max(axis=1) / 127
            int8 = np.rint(matrix / per_row[:, None]).astype(np.int8)
            matrix = int8 * per_row[:, None]
        blocks = None
        if kept < 1 and shape.name not in (*wide, "sig_net_sig_dense_out"):
            blocks = rng.random((shape.rows // BLOCK_ROWS, shape.cols // BLOCK_COLS)) < kept
            matrix = matrix * np.kron(blocks, np.ones((BLOCK_ROWS, BLOCK_COLS)))
        layers[shape.name] = Weights(shape.name, matrix, bias, int8, per_row, blocks)
    softer = layers["sig_net_cond_gain_dense"]
    layers[softer.name] = replace(softer, bias=np.array([-2.0]))
    table = rng.normal(0, 0.5, (PERIODS, sizes.embedding))
    layers[EMBEDDING] = Weights(EMBEDDING, table, np.zeros(PERIODS))
    return layers


def random_fargan(seed: int, sizes: Topology = SMALL, **how: Any) -> FarganModel:
    """Return the same network, quantised."""
    return quantise_fargan(random_layers(seed, sizes, **how), {"name": f"seed {seed}"})

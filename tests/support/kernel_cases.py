# SPDX-License-Identifier: BSD-3-Clause
"""Matrices and inputs of every kind, for tests of kernels."""

import numpy as np

from quantize.nn.model import QuantisedMatrix
from quantize.nn.quantizer import quantise_narrow, quantise_wide
from quantize.nn.weights import Weights


def random_matrix(seed: int, rows: int, cols: int, kind: str) -> QuantisedMatrix:
    """Return random weights: small, large, zero rows, all-extreme, dropped blocks."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, cols)) * rng.choice([0.01, 0.5, 4.0])
    bias = rng.normal(size=rows) * rng.choice([0.0, 0.3, 6.0])
    if rng.random() < 0.3:
        matrix[rng.integers(rows)] = 0.0
    if rng.random() < 0.3:
        matrix = np.sign(matrix) * 2.0
    blocks = None
    if kind == "sparse":
        blocks = rng.random((rows // 8, cols // 4)) < rng.choice([0.0, 0.4, 1.0])
        matrix = matrix * np.kron(blocks, np.ones((8, 4)))
    layer = Weights("layer", matrix, bias, blocks=blocks)
    return quantise_wide(layer, 10, 12) if kind == "wide" else quantise_narrow(layer, 12)


def random_input(seed: int, size: int, low: int, high: int) -> np.ndarray:
    rng = np.random.default_rng(seed + 1)
    mode = rng.integers(4)
    if mode == 0:
        return np.full(size, high)
    if mode == 1:
        return np.full(size, low)
    if mode == 2:
        return rng.choice([low, high], size)
    return rng.integers(low, high + 1, size)

# SPDX-License-Identifier: BSD-3-Clause
"""Random LPCNets of any size for tests; loud enough to use every part of the arithmetic."""

from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.quantise import quantise_lpcnet

Tensors = dict[str, npt.NDArray[Any]]


def random_tensors(
    seed: int, a: int = 16, b: int = 8, width: int = 12, embedding: int = 5, kept: float = 0.5
) -> Tensors:
    """Return float weights named as in Lpcnet.export(); A and B keep the share `kept` of blocks."""
    rng = np.random.default_rng(seed)

    def sparse(rows: int, cols: int) -> npt.NDArray[Any]:
        blocks = np.kron(rng.random((rows // 8, cols // 4)) < kept, np.ones((8, 4)))
        return np.clip(rng.normal(0, 0.4, (rows, cols)), -1, 1) * blocks

    shapes = {
        "feature_conv1": (width, 3 * (20 + embedding)),
        "feature_conv2": (width, 3 * width),
        "feature_dense1": (width, width),
        "feature_dense2": (width, width),
        "gru_a_input": (3 * a, width),
        "gru_b_input": (3 * b, a + width),
    }
    tensors: Tensors = {}
    for name, (rows, cols) in shapes.items():
        tensors[f"{name}.weight"] = rng.normal(0, 1.5 / cols**0.5, (rows, cols))
        tensors[f"{name}.bias"] = rng.normal(0, 0.3, rows)
    tensors["gru_b_input.weight"][:, :a] = sparse(3 * b, a)
    for name, units in (("a", a), ("b", b)):
        tensors[f"gru_{name}_recurrent.weight"] = sparse(3 * units, units)
        tensors[f"gru_{name}_recurrent.bias"] = rng.normal(0, 0.3, 3 * units)
    tensors["embed_pitch.weight"] = rng.normal(0, 1, (225, embedding))
    for name in ("signal", "prediction", "excitation"):
        ramp = np.linspace(-2, 2, 256)[:, None] * rng.normal(0, 1, 3 * a)
        tensors[f"embed_{name}.weight"] = ramp + rng.normal(0, 0.2, (256, 3 * a))
    tensors["dual_fc.weight"] = rng.normal(0, 0.7, (256, 2, b))
    tensors["dual_fc.bias"] = rng.normal(0, 0.3, (256, 2))
    tensors["dual_fc.scale"] = rng.normal(0, 1.5, (256, 2))
    return tensors


def random_voice(seed: int, tail: int = 0, **sizes: Any) -> LpcnetModel:
    """Return the same LPCNet, quantised."""
    return quantise_lpcnet(random_tensors(seed, **sizes), {"name": f"seed {seed}"}, tail)

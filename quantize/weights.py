# SPDX-License-Identifier: BSD-3-Clause
"""Weights as they come from an importer, before anything is quantised here."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.graph import MatrixShape

BLOCK_ROWS = 8  # libopus' sparse block: 8 outputs by 4 inputs (DRED-SPEC section 7)
BLOCK_COLS = 4


@dataclass(frozen=True)
class Weights:
    """One layer's matrix [rows, cols] and bias [rows].

    `matrix` is float. Where the source is int8 already, `int8` holds it with a `scale` [rows] per
    output such that matrix = int8 * scale, in units of an activation of one (upstream's per-product
    scale times 127), and the quantiser takes these integers unchanged. `blocks`
    [rows / 8, cols / 4] marks the 8x4 blocks that a sparse layer keeps; None means dense.
    """

    name: str
    matrix: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    int8: npt.NDArray[np.int8] | None = None
    scale: npt.NDArray[np.float64] | None = None
    blocks: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for what, values in (("weight", self.matrix), ("bias", self.bias)):
            if not np.all(np.isfinite(values)):
                raise InputError(f"layer {self.name}: a {what} is NaN or infinite; import it anew")

    def first_rows(self, rows: int) -> "Weights":
        """Return the layer cut to its first `rows` outputs (upstream pads some layers to 8)."""
        if rows == self.matrix.shape[0]:
            return self
        if self.blocks is not None:
            raise InputError(f"layer {self.name}: a sparse layer cannot be cut to {rows} outputs")
        return Weights(
            self.name,
            self.matrix[:rows],
            self.bias[:rows],
            None if self.int8 is None else self.int8[:rows],
            None if self.scale is None else self.scale[:rows],
        )


def fit(shapes: Iterable[MatrixShape], weights: dict[str, Weights], source: str) -> list[Weights]:
    """Pick, in the graph's order, the layers that it needs and check every shape.

    Raises InputError naming the first layer that is missing or has another shape.
    """
    chosen = []
    for shape in shapes:
        layer = weights.get(shape.name)
        if layer is None:
            raise InputError(f"{source}: layer {shape.name} is missing; is it another model?")
        rows, cols = layer.matrix.shape
        if cols != shape.cols or rows < shape.rows or rows - shape.rows >= BLOCK_ROWS:
            raise InputError(
                f"{source}: layer {shape.name} is {rows}x{cols}, the network needs "
                f"{shape.rows}x{shape.cols}; is it from another libopus version?"
            )
        chosen.append(layer.first_rows(shape.rows))
    return chosen

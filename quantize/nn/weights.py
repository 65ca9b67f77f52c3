# SPDX-License-Identifier: BSD-3-Clause
"""Weights as an importer returns them, before the quantiser sees them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.near import near
from quantize.nn.graph import MatrixShape

BLOCK_ROWS = 8  # libopus' sparse block: 8 outputs by 4 inputs (docs/FORMAT.md, section 7)
BLOCK_COLS = 4
PADDING = 16  # upstream pads the outputs of some layers, at most by 12 (180 pitch classes to 192)


@dataclass(frozen=True)
class Weights:
    """One layer's matrix [rows, cols] and bias [rows].

    `matrix` is float. If the source has int8 weights already, `int8` holds them, with a `scale`
    [rows] per output such that matrix = int8 * scale for an activation of one (upstream's
    per-product scale times 127). The quantiser takes these integers unchanged. `blocks`
    [rows / 8, cols / 4] marks the 8x4 blocks that a sparse layer keeps; None means dense.
    """

    name: str
    matrix: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    int8: npt.NDArray[np.int8] | None = None
    scale: npt.NDArray[np.float64] | None = None
    blocks: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or 0 in self.matrix.shape:
            raise InputError(f"layer {self.name}: weights of shape {self.matrix.shape}, not 2-D")
        rows, cols = self.matrix.shape
        for what, values, shape in (
            ("bias", self.bias, (rows,)),
            ("int8 weights", self.int8, (rows, cols)),
            ("scale", self.scale, (rows,)),
            ("blocks", self.blocks, (rows // BLOCK_ROWS, cols // BLOCK_COLS)),
        ):
            if values is not None and values.shape != shape:
                raise InputError(f"layer {self.name}: {what} is {values.shape}, expected {shape}")
        for what, reals in (("weight", self.matrix), ("bias", self.bias), ("scale", self.scale)):
            if reals is not None and not np.all(np.isfinite(reals)):
                raise InputError(f"layer {self.name}: a {what} is NaN or infinite; import again")
        if (self.int8 is None) != (self.scale is None):
            raise InputError(f"layer {self.name}: int8 weights and scale come only together")
        if self.scale is not None and np.any(self.scale < 0):
            raise InputError(f"layer {self.name}: a scale is negative; import it again")
        if self.blocks is not None:
            self._check_blocks(self.blocks)

    def _check_blocks(self, blocks: npt.NDArray[np.bool_]) -> None:
        rows, cols = self.matrix.shape
        if rows % BLOCK_ROWS or cols % BLOCK_COLS:
            raise InputError(f"layer {self.name}: {rows}x{cols} is no multiple of 8x4 blocks")
        kept = np.repeat(np.repeat(blocks, BLOCK_ROWS, axis=0), BLOCK_COLS, axis=1)
        stored = self.matrix if self.int8 is None else self.int8
        if np.any(stored[~kept]):
            raise InputError(f"layer {self.name}: a weight outside the kept blocks is not zero")

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
    """Pick the layers that a graph needs, in its order, and check every shape.

    Raises InputError for the first layer that is missing or has another shape.
    """
    chosen = []
    for shape in shapes:
        layer = weights.get(shape.name)
        if layer is None:
            hint = near(shape.name, weights.keys()) or "; is it another model?"
            raise InputError(f"{source}: layer {shape.name} is missing{hint}")
        rows, cols = layer.matrix.shape
        if cols != shape.cols or rows < shape.rows or rows - shape.rows >= PADDING:
            raise InputError(
                f"{source}: layer {shape.name} is {rows}x{cols}, the network needs "
                f"{shape.rows}x{shape.cols}; is it from another libopus version?"
            )
        chosen.append(layer.first_rows(shape.rows))
    return chosen

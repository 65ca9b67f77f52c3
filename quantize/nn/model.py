# SPDX-License-Identifier: BSD-3-Clause
"""The quantised model: a graph, integer matrices and formats in one file with one hash.

The file is a safetensors container. Its header has everything that is not an array as one JSON
string. The file's SHA-256 is the model hash that generated code, firmware and reports repeat.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.errors import InputError
from quantize.files import json_table as jsontable
from quantize.files.reading import shown
from quantize.integer import Ints
from quantize.nn.graph import Graph
from quantize.nn.model_file import ModelFile, pack, read_file, unpack
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS

FORMAT = "dredkit-quantised-1"
SCHEMES = ("a8w8",)
_HEADER = ("graph", "scheme", "frac", "acc_bound", "source")


@dataclass(frozen=True)
class QuantisedMatrix:
    """An integer affine map: out = requantise(W x + bias).

    `weights` [rows, cols] are int8 for x8 inputs or int16 for int16 inputs. `blocks`
    [rows / 8, cols / 4] marks the blocks that are kept; None means dense. `bias` (int32),
    `multiplier` (int16) and `shift` (uint8) are per row. `acc_bound` is the proved limit of
    |accumulator|.
    """

    name: str
    weights: npt.NDArray[np.int8] | npt.NDArray[np.int16]
    bias: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.int16]
    shift: npt.NDArray[np.uint8]
    scale: npt.NDArray[np.float64]
    blocks: npt.NDArray[np.bool_] | None
    acc_bound: int

    @property
    def rows(self) -> int:
        return int(self.weights.shape[0])

    @property
    def cols(self) -> int:
        return int(self.weights.shape[1])

    @property
    def is_wide(self) -> bool:
        """Whether the weights are int16, for inputs that are not bounded by one."""
        return bool(self.weights.dtype == np.int16)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one product, without skipped blocks."""
        if self.blocks is None:
            return self.rows * self.cols
        return int(self.blocks.sum()) * BLOCK_ROWS * BLOCK_COLS

    @property
    def stored_bytes(self) -> int:
        """Bytes that this matrix takes in flash: weights, index, bias, multiplier, shift."""
        index = 0 if self.blocks is None else len(self.blocks) + int(self.blocks.sum())
        return self.macs * self.weights.dtype.itemsize + index + self.rows * (4 + 2 + 1)

    def apply(self, x: Ints) -> Ints:
        """Return the int16 results for an input [cols] or [cols, n].

        The float64 product is exact, since all sums are below 2^53.
        """
        acc = (self.weights.astype(np.float64) @ x.astype(np.float64)).astype(np.int64)
        rows = (-1,) + (1,) * (x.ndim - 1)
        return integer.requantise(
            acc + self.bias.reshape(rows),
            self.multiplier.astype(np.int64).reshape(rows),
            self.shift.astype(np.int64).reshape(rows),
        )


def accumulator_bounds(
    weights: npt.NDArray[np.integer], bias: npt.NDArray[np.int64], input_peak: int
) -> Ints:
    """Return the largest |accumulator| of each row [rows] over all inputs within +-input_peak."""
    return np.asarray(np.abs(weights.astype(np.int64)).sum(axis=1) * input_peak + np.abs(bias))


@dataclass(frozen=True)
class QuantisedModel(ModelFile):
    """A graph with its integer matrices.

    `frac` gives the fractional bits of each input and output with a calibrated format.
    """

    graph: Graph
    scheme: str
    frac: dict[str, int]
    matrices: dict[str, QuantisedMatrix]
    source: dict[str, str]

    def to_bytes(self) -> bytes:
        """Serialise; equal models give equal bytes."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        bounds = {}
        for name, matrix in self.matrices.items():
            arrays[f"{name}.weights"] = matrix.weights
            arrays[f"{name}.bias"] = matrix.bias
            arrays[f"{name}.multiplier"] = matrix.multiplier
            arrays[f"{name}.shift"] = matrix.shift
            arrays[f"{name}.scale"] = matrix.scale
            if matrix.blocks is not None:
                arrays[f"{name}.blocks"] = matrix.blocks.astype(np.uint8)
            bounds[name] = matrix.acc_bound
        header = {
            "scheme": self.scheme,
            "graph": self.graph.to_json(),
            "frac": self.frac,
            "acc_bound": bounds,
            "source": self.source,
        }
        return pack(FORMAT, header, arrays)

    @staticmethod
    def load(path: Path) -> "QuantisedModel":
        """Read a file written by `save`; raises InputError if it is anything else."""
        return QuantisedModel.from_bytes(read_file(path), str(path))

    @staticmethod
    def for_graph(data: bytes, where: str, graph: Graph) -> "QuantisedModel":
        """Read what `to_bytes` wrote; raises InputError unless it is a model of `graph`."""
        model = QuantisedModel.from_bytes(data, where)
        if model.graph != graph:
            raise InputError(
                f"{where}: holds another network than {graph.name}; run `dredkit quantize` again"
            )
        return model

    @staticmethod
    def from_bytes(data: bytes, where: str) -> "QuantisedModel":
        """Read what `to_bytes` wrote; `where` names it in the InputError for anything else."""
        header, arrays = unpack(data, where, FORMAT)
        try:
            return _from_parts(header, arrays)
        except jsontable.HeaderError as error:
            raise InputError(
                f"{where}: its header is damaged ({error}); run `dredkit quantize` again"
            ) from error
        except InputError as error:
            raise InputError(f"{where}: {error}; run `dredkit quantize` again") from error


def read_source(header: dict[str, Any]) -> dict[str, str]:
    """Return the origin of a model's weights from its header: texts by name.

    Raises InputError if the header has anything else.
    """
    source = jsontable.table(jsontable.entry(header, "source", "it"), "source")
    return {name: jsontable.text(value, f"source's {name}") for name, value in source.items()}


def _from_parts(header: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> QuantisedModel:
    told = {key: jsontable.entry(header, key, "it") for key in _HEADER}
    graph = Graph.from_json(told["graph"])
    if told["scheme"] not in SCHEMES:
        raise InputError(f"scheme {shown(told['scheme'])} is not one of {', '.join(SCHEMES)}")
    formats = jsontable.table(told["frac"], "frac")
    if sorted(formats) != sorted(graph.calibrated):
        raise InputError("it does not have exactly one format for each input and output")
    frac = {
        name: jsontable.whole(bits, f"fractional bits of {name}", 0, integer.Q15_FRAC)
        for name, bits in formats.items()
    }
    bounds = jsontable.table(told["acc_bound"], "acc_bound")
    matrices = {}
    for shape in graph.matrices():
        name = shape.name
        try:
            blocks = arrays.get(f"{name}.blocks")
            matrix = QuantisedMatrix(
                name=name,
                weights=arrays[f"{name}.weights"],
                bias=arrays[f"{name}.bias"],
                multiplier=arrays[f"{name}.multiplier"],
                shift=arrays[f"{name}.shift"],
                scale=arrays[f"{name}.scale"],
                blocks=None if blocks is None else read_blocks(blocks, name),
                acc_bound=jsontable.whole(
                    bounds[name], f"acc_bound of {name}", 0, integer.INT32_MAX
                ),
            )
        except KeyError as error:
            raise InputError(f"layer {name} is incomplete: no {error}") from error
        _check_matrix(matrix, shape.rows, shape.cols, graph.takes_wide(shape))
        matrices[name] = matrix
    return QuantisedModel(
        graph=graph,
        scheme=told["scheme"],
        frac=frac,
        matrices=matrices,
        source=read_source(header),
    )


def read_blocks(stored: npt.NDArray[Any], name: str) -> npt.NDArray[np.bool_]:
    """Return the marks of a sparse layer's kept blocks from the file's bytes, 0 or 1 each."""
    if stored.dtype != np.uint8 or np.any(stored > 1):
        raise InputError(f"layer {name}: blocks are {stored.dtype}, not uint8 of 0 and 1")
    return stored.astype(np.bool_)


def _check_matrix(matrix: QuantisedMatrix, rows: int, cols: int, wide: bool) -> None:
    """Check everything that generated code relies on, and prove the accumulator bound again."""
    wanted: dict[str, tuple[type, tuple[int, ...]]] = {
        "weights": (np.int16 if wide else np.int8, (rows, cols)),
        "bias": (np.int32, (rows,)),
        "multiplier": (np.int16, (rows,)),
        "shift": (np.uint8, (rows,)),
        "scale": (np.float64, (rows,)),
    }
    if matrix.blocks is not None:
        wanted["blocks"] = (np.bool_, (rows // BLOCK_ROWS, cols // BLOCK_COLS))
    for what, (kind, shape) in wanted.items():
        array = getattr(matrix, what)
        if array.dtype != kind or array.shape != shape:
            raise InputError(
                f"layer {matrix.name}: {what} is {array.dtype}{list(array.shape)}, "
                f"expected {np.dtype(kind)}{list(shape)}"
            )
    if not np.all(np.isfinite(matrix.scale)):
        raise InputError(f"layer {matrix.name}: a scale is NaN or infinite")
    good = (matrix.multiplier >= integer.MULTIPLIER_MIN) & (matrix.shift >= integer.SHIFT_MIN)
    if not np.all(good & (matrix.shift <= integer.SHIFT_MAX)):
        raise InputError(f"layer {matrix.name}: a requantise factor is out of range")
    weights = np.abs(matrix.weights.astype(np.int64))
    peak = -integer.INT16_MIN if wide else integer.X8_ONE
    bounds = accumulator_bounds(matrix.weights, matrix.bias.astype(np.int64), peak)
    if bounds.max() > min(matrix.acc_bound, integer.INT32_MAX):
        raise InputError(f"layer {matrix.name}: its accumulator can reach {bounds.max()}")
    if np.any(integer.lifted(bounds, matrix.shift.astype(np.int64)) > integer.INT32_MAX):
        raise InputError(f"layer {matrix.name}: an accumulator leaves no room to requantise")
    if matrix.blocks is not None:
        kept = np.repeat(np.repeat(matrix.blocks, BLOCK_ROWS, axis=0), BLOCK_COLS, axis=1)
        if wide or kept.shape != (rows, cols) or np.any(weights[~kept]):
            raise InputError(f"layer {matrix.name}: its sparse blocks do not fit its weights")

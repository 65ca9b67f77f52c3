# SPDX-License-Identifier: BSD-3-Clause
"""Write Opus 'DNNw' blobs (docs/FORMAT.md, section 7), right or wrong, of a small network."""

import struct
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from quantize.nn.graph import Activation, Dense, Graph, Gru, Slice
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights
from tests.support.small_models import small_weights

F32, I32, QWEIGHT, INT8 = range(4)


@dataclass(frozen=True)
class Record:
    """One record; the header's sizes follow the payload unless they are given."""

    name: str
    kind: int
    payload: bytes
    size: int | None = None
    block: int | None = None
    magic: bytes = b"DNNw"
    version: int = 0

    def to_bytes(self) -> bytes:
        padded = self.payload + b"\0" * (-len(self.payload) % 64)
        size = len(self.payload) if self.size is None else self.size
        block = len(padded) if self.block is None else self.block
        name = self.name.encode("latin-1")
        head = struct.pack("<4siiii44s", self.magic, self.version, self.kind, size, block, name)
        return head + padded


def blob(records: list[Record]) -> bytes:
    return b"".join(record.to_bytes() for record in records)


def records_of(layer: Weights) -> list[Record]:
    """Return a layer's records as upstream stores them: float, dense int8 or sparse int8."""
    name = layer.name
    bias = Record(f"{name}_bias", F32, layer.bias.astype("<f4").tobytes())
    if layer.int8 is None or layer.scale is None:
        columns = layer.matrix.T.astype("<f4").tobytes()
        return [bias, Record(f"{name}_weights_float", F32, columns)]
    rows, cols = layer.int8.shape
    kept = layer.blocks
    if kept is None:
        kept = np.ones((rows // BLOCK_ROWS, cols // BLOCK_COLS), np.bool_)
    scale = Record(f"{name}_scale", F32, (layer.scale / 127.0).astype("<f4").tobytes())
    weights = Record(f"{name}_weights_int8", INT8, _blocks(layer.int8, kept))
    found = [bias, weights, scale]
    if layer.blocks is not None:
        found.insert(1, Record(f"{name}_weights_idx", I32, index_bytes(_index(kept))))
    return found


def index_bytes(values: list[int]) -> bytes:
    return np.array(values, "<i4").tobytes()


def _blocks(int8: npt.NDArray[np.int8], kept: npt.NDArray[np.bool_]) -> bytes:
    return b"".join(
        int8[8 * group : 8 * group + 8, 4 * at : 4 * at + 4].tobytes()
        for group, at in np.argwhere(kept)
    )


def _index(kept: npt.NDArray[np.bool_]) -> list[int]:
    stream: list[int] = []
    for group in kept:
        positions = (4 * np.flatnonzero(group)).tolist()
        stream += [len(positions), *positions]
    return stream


GRAPH = Graph(
    "net",
    ("x",),
    ("y",),
    {"x": 12, "h": 24, "y": 5},
    (
        Dense("first", Slice("x", 0, 12), Slice("h", 0, 16), Activation.TANH),
        Gru("gru", Slice("h", 0, 16), Slice("h", 16, 8)),
        Dense("last", Slice("h", 0, 24), Slice("y", 0, 5), Activation.LINEAR),
    ),
)


def float32(layer: Weights) -> Weights:
    """Return a layer rounded to what a blob can hold."""
    scale = None if layer.scale is None else (layer.scale / 127.0).astype(np.float32)
    wide = None if scale is None else scale.astype(np.float64) * 127.0
    matrix = layer.matrix.astype(np.float32).astype(np.float64)
    if layer.int8 is not None and wide is not None:
        matrix = layer.int8 * wide[:, None]
    bias = layer.bias.astype(np.float32).astype(np.float64)
    return replace(layer, matrix=matrix, bias=bias, scale=wide)


def layers() -> dict[str, Weights]:
    """Make float, sparse int8 (gru_recurrent) and dense int8 (last, 5 rows padded to 8) layers."""
    made = small_weights(GRAPH, 5)
    rng = np.random.default_rng(6)
    int8 = rng.integers(-127, 128, (8, 24)).astype(np.int8)
    scale = rng.uniform(0.001, 0.01, 8)
    made["last"] = Weights("last", int8 * scale[:, None], rng.normal(size=8), int8, scale)
    return {name: float32(layer) for name, layer in made.items()}


LAYERS = layers()

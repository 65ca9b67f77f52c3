# SPDX-License-Identifier: BSD-3-Clause
"""The parts of a quantised LPCNet: its tables, sparse matrices, frame-rate graph and limits.

quantize.vocoder.lpcnet.cells says what the numbers mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.features.floats import MAX_PERIOD, MIN_PERIOD
from quantize.features.integers import FEATURE_FRAC, FEATURES
from quantize.integer import Ints
from quantize.nn.graph import Activation, Conv1d, Dense, Graph, Slice
from quantize.nn.model import QuantisedModel
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS
from quantize.vocoder.lpcnet.cells import BITS, X8_FRAC

GRAPH: Final = "lpcnet_condition"
PERIODS: Final = MAX_PERIOD - MIN_PERIOD + 1
HEARD: Final = 3  # codes that the network hears: last sample, prediction, last excitation
WEIGHT_FRACS: Final = range(4, 10)  # of the sample loop's int8 weights: largest 8 down to 1/4
TREE_FRACS: Final = range(15)
SCALE_FRACS: Final = range(13)
TAIL_MAX: Final = 1 << 13  # a chance of a quarter
MATRICES: Final = ("a", "b_input", "b")
MAX_UNITS: Final = 1020  # 255 columns of blocks, since an index and a count are bytes each


@dataclass(frozen=True)
class BlockMatrix:
    """int8 `weights` [rows, cols]; `blocks` [rows / 8, cols / 4] marks the 8x4 blocks kept."""

    weights: npt.NDArray[np.int8]
    blocks: npt.NDArray[np.bool_]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one product."""
        return int(self.blocks.sum()) * BLOCK_ROWS * BLOCK_COLS

    @property
    def stored_bytes(self) -> int:
        """Bytes in flash: kept int8 weights and the index."""
        return self.macs + len(self.blocks) + int(self.blocks.sum())

    def bounds(self) -> Ints:
        """Return the largest |sum| of each row [rows] over all x8."""
        return np.asarray(np.abs(self.weights.astype(np.int64)).sum(axis=1) << X8_FRAC)


@dataclass(frozen=True)
class LpcnetParts:
    """All tables and formats of a voice. GRU gates are in the order z, r, h.

    In shapes, a and b are the numbers of units of GRU A and GRU B. Pre-activations of both have
    7 + `frac` fractional bits. The gates that the frame-rate network computes include every bias
    except the candidates' recurrent ones, `a_bias` and `b_bias`.
    """

    condition: QuantisedModel  # graph lpcnet_condition
    pitch: npt.NDArray[np.int16]  # [225, width] Q10: the embedding of each period, from 32 samples
    tables: npt.NDArray[np.int8]  # [3, 256, 3 a]: times table_scale, what a code adds to A's gates
    table_scale: npt.NDArray[np.int16]  # [3 a]
    a: BlockMatrix  # [3 a, a]
    a_bias: npt.NDArray[np.int32]  # [a]
    b_input: BlockMatrix  # [3 b, a]
    b: BlockMatrix  # [3 b, b]
    b_bias: npt.NDArray[np.int32]  # [b]
    tree_weights: npt.NDArray[np.int16]  # [256, 2, b]: row n is node n of the tree, 0 unused
    tree_bias: npt.NDArray[np.int32]  # [256, 2]
    tree_scale: npt.NDArray[np.int16]  # [256, 2]
    frac: int  # of the weights of both GRUs
    tree_frac: int  # of tree_weights
    scale_frac: int  # of tree_scale
    tail: int  # Q15: bits rarer than this are never drawn
    source: dict[str, str]

    @property
    def units_a(self) -> int:
        return len(self.a_bias)

    @property
    def units_b(self) -> int:
        return len(self.b_bias)

    @property
    def gates_frac(self) -> int:
        """Fractional bits of the graph's outputs."""
        return self.condition.frac["gates_a"]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample, the tree's path included."""
        tree = BITS * 2 * self.units_b
        return self.a.macs + self.b_input.macs + self.b.macs + tree


def condition_graph(embedding: int, width: int, a: int, b: int, gates_frac: int) -> Graph:
    """Build the frame-rate network: from features and pitch embedding to both GRUs' gates.

    The step on frame t + 1 gives the gates of frame t. Each convolution takes three frames.
    """
    heard = Slice("features", 0, FEATURES + embedding)
    hidden = [Slice(name, 0, width) for name in ("conv1", "conv2", "dense1", "dense2")]
    gates_a, gates_b = Slice("gates_a", 0, 3 * a), Slice("gates_b", 0, 3 * b)
    return Graph(
        name=GRAPH,
        inputs=("features",),
        outputs=("gates_a", "gates_b"),
        buffers={part.buffer: part.size for part in (heard, *hidden, gates_a, gates_b)},
        nodes=(
            Conv1d("feature_conv1", heard, hidden[0], 1, Activation.TANH, taps=3),
            Conv1d("feature_conv2", hidden[0], hidden[1], 1, Activation.TANH, taps=3),
            Dense("feature_dense1", hidden[1], hidden[2], Activation.TANH),
            Dense("feature_dense2", hidden[2], hidden[3], Activation.TANH),
            Dense("gru_a_input", hidden[3], gates_a, Activation.LINEAR),
            Dense("gru_b_condition", hidden[3], gates_b, Activation.LINEAR),
        ),
        fracs={"features": FEATURE_FRAC, "gates_a": gates_frac, "gates_b": gates_frac},
    )

# SPDX-License-Identifier: BSD-3-Clause
"""The kinds of node in a graph (quantize/nn/graph.py). All sizes are in elements."""

from dataclasses import dataclass
from enum import Enum


class Activation(str, Enum):
    """What a layer applies after its affine part."""

    LINEAR = "linear"
    TANH = "tanh"


class Format(str, Enum):
    """How a buffer's values are held."""

    FIXED = "fixed"  # int16 with fractional bits that the graph or calibration chose
    Q15 = "q15"  # int16, bounded by one
    X8 = "x8"  # int8, round(127 x), bounded by one: the input of int8 matrices


@dataclass(frozen=True)
class Slice:
    """`size` elements of `buffer`, from `start` on."""

    buffer: str
    start: int
    size: int

    @property
    def span(self) -> slice:
        """The same as a Python slice."""
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class MatrixShape:
    """One weight matrix of a node: [rows, cols], with inputs from the buffer `fed_from`.

    `narrowed` says that the node narrows Q15 values to x8 first, whatever the buffer holds.
    """

    name: str
    rows: int
    cols: int
    fed_from: str
    narrowed: bool = False


@dataclass(frozen=True)
class Dense:
    """out = activation(W x + b)."""

    name: str
    input: Slice
    output: Slice
    activation: Activation

    @property
    def matrices(self) -> tuple[MatrixShape, ...]:
        return (MatrixShape(self.name, self.output.size, self.input.size, self.input.buffer),)


@dataclass(frozen=True)
class Conv1d:
    """out = activation(W [.., x(t - 2 dilation), x(t - dilation), x(t)] + b): causal, over time.

    The node remembers (taps - 1) * dilation past inputs; this memory starts at zero.
    """

    name: str
    input: Slice
    output: Slice
    dilation: int
    activation: Activation
    taps: int = 2

    @property
    def depth(self) -> int:
        """How many past inputs the node remembers."""
        return (self.taps - 1) * self.dilation

    @property
    def matrices(self) -> tuple[MatrixShape, ...]:
        cols = self.taps * self.input.size
        return (MatrixShape(self.name, self.output.size, cols, self.input.buffer),)


@dataclass(frozen=True)
class Gru:
    """Gated recurrent unit, gates in the order z, r, h; the state is the output.

    z = sigmoid(Wz x + Uz s), r = sigmoid(Wr x + Ur s), h = tanh(Wh x + r * (Uh s)),
    s' = z * s + (1 - z) * h. Every product has its own bias (docs/FORMAT.md, section 6). The state
    starts at zero unless the caller gives another one.
    """

    name: str
    input: Slice
    output: Slice

    @property
    def matrices(self) -> tuple[MatrixShape, ...]:
        rows, size = 3 * self.output.size, self.output.size
        return (
            MatrixShape(f"{self.name}_input", rows, self.input.size, self.input.buffer),
            MatrixShape(f"{self.name}_recurrent", rows, size, self.output.buffer, narrowed=True),
        )


@dataclass(frozen=True)
class Glu:
    """Gated linear unit: out = x * sigmoid(W x + b), W square.

    x is Q15. The matrix takes x narrowed to x8; the product takes x itself.
    """

    name: str
    input: Slice
    output: Slice

    @property
    def matrices(self) -> tuple[MatrixShape, ...]:
        size = self.output.size
        return (MatrixShape(self.name, size, self.input.size, self.input.buffer, narrowed=True),)


@dataclass(frozen=True)
class Conv2d:
    """out = activation(W patch + b) at every position of a line.

    A patch has 3 positions of 3 lines, t - 2, t - 1 and t, so the convolution is causal in time.
    Beyond both ends of a line there are zeros. Input (int16) and output are [channels, width]. W is
    [out channels, in channels * 3 times * 3 positions], oldest line first (docs/FORMAT.md, section
    6, the pitch network). The memory of two lines starts at zero.
    """

    name: str
    input: Slice
    output: Slice
    width: int
    activation: Activation

    @property
    def matrices(self) -> tuple[MatrixShape, ...]:
        cols = self.input.size // self.width * CONV2D_TAPS**2
        return (MatrixShape(self.name, self.output.size // self.width, cols, self.input.buffer),)


Node = Dense | Conv1d | Conv2d | Gru | Glu

CONV2D_TAPS = 3


def repeats(node: Node) -> int:
    """Return how many times a step applies the node's matrices."""
    return node.width if isinstance(node, Conv2d) else 1


def is_linear(node: Node) -> bool:
    """Return whether only the format bounds a node's results."""
    return not isinstance(node, Gru | Glu) and node.activation is Activation.LINEAR

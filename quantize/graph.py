# SPDX-License-Identifier: BSD-3-Clause
"""The streaming network as data: what one step computes, layer by layer, in order.

A graph is a straight list of nodes over named values. A value is a slice of a buffer; networks that
concatenate everything they ever computed (libopus' DenseNet-like "trunk") put their values side by
side in one buffer, so that a concatenation is a longer slice and costs nothing.

All sizes are in elements. Each buffer has a format: the caller's inputs and outputs are int16 with
calibrated fractional bits; everything inside that has passed tanh or a GRU is bounded by one.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from quantize.errors import InputError


class Activation(str, Enum):
    """What follows a layer's affine part."""

    LINEAR = "linear"
    TANH = "tanh"


class Format(str, Enum):
    """How a buffer's values are held."""

    FIXED = "fixed"  # int16 with fractional bits that calibration chose
    Q15 = "q15"  # int16, bounded by one
    X8 = "x8"  # int8, round(127 x), bounded by one: what int8 matrices take


@dataclass(frozen=True)
class Slice:
    """`size` elements of `buffer`, from `start`."""

    buffer: str
    start: int
    size: int

    @property
    def span(self) -> slice:
        """The same as a Python slice."""
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class Dense:
    """out = activation(W x + b)."""

    name: str
    input: Slice
    output: Slice
    activation: Activation

    @property
    def matrices(self) -> tuple["MatrixShape", ...]:
        return (MatrixShape(self.name, self.output.size, self.input.size, self.input.buffer),)


@dataclass(frozen=True)
class Conv1d:
    """out = activation(W [x(t - dilation), x(t)] + b): a causal convolution of two taps over time.

    The memory of `dilation` past inputs belongs to the node and starts at zero.
    """

    name: str
    input: Slice
    output: Slice
    dilation: int
    activation: Activation

    @property
    def matrices(self) -> tuple["MatrixShape", ...]:
        return (MatrixShape(self.name, self.output.size, 2 * self.input.size, self.input.buffer),)


@dataclass(frozen=True)
class Gru:
    """Gated recurrent unit, gates in the order z, r, h; the state starts at zero and is the output.

    z = sigmoid(Wz x + Uz s), r = sigmoid(Wr x + Ur s), h = tanh(Wh x + r * (Uh s)),
    s' = z * s + (1 - z) * h; every product has its own bias (DRED-SPEC section 6).
    """

    name: str
    input: Slice
    output: Slice

    @property
    def matrices(self) -> tuple["MatrixShape", ...]:
        rows = 3 * self.output.size
        return (
            MatrixShape(f"{self.name}_input", rows, self.input.size, self.input.buffer),
            MatrixShape(f"{self.name}_recurrent", rows, self.output.size, self.output.buffer),
        )


@dataclass(frozen=True)
class Conv2d:
    """out = activation(W patch + b) at every position of a line: 3 lines of time by 3 positions.

    Causal in time (lines t - 2, t - 1, t), zeros beyond both ends of a line. Input (int16) and
    output are [channels, width]; W is [out channels, in channels * 3 times * 3 positions], oldest
    line first (DRED-SPEC section 6, the pitch network). The memory of two lines starts at zero.
    """

    name: str
    input: Slice
    output: Slice
    width: int
    activation: Activation

    @property
    def matrices(self) -> tuple["MatrixShape", ...]:
        cols = self.input.size // self.width * CONV2D_TAPS**2
        return (MatrixShape(self.name, self.output.size // self.width, cols, self.input.buffer),)


Node = Dense | Conv1d | Conv2d | Gru

CONV2D_TAPS = 3


def repeats(node: Node) -> int:
    """How often a step applies the node's matrices."""
    return node.width if isinstance(node, Conv2d) else 1


@dataclass(frozen=True)
class MatrixShape:
    """One weight matrix that a node needs: [rows, cols], fed from a buffer."""

    name: str
    rows: int
    cols: int
    fed_from: str


@dataclass(frozen=True)
class Graph:
    """One network step.

    `inputs` and `outputs` name the buffers that the caller fills and reads; `buffers` gives the
    size of every buffer, the inner ones included. `formats` names the buffers that are not held in
    the usual way: inputs and outputs FIXED, inner ones X8.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    buffers: dict[str, int]
    nodes: tuple[Node, ...]
    formats: dict[str, Format] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clash = {shape.name for shape in self.matrices()} & {*self.inputs, *self.outputs}
        if clash:
            # A step's arguments would hide its tables in the generated C.
            raise InputError(f"graph {self.name}: {clash.pop()} names a layer and an in- or output")
        if any(self.format(name) is not Format.FIXED for name in self.outputs):
            raise InputError(f"graph {self.name}: outputs have calibrated formats and no other")
        for name in (*self.inputs, *self.outputs):
            if self.buffers.get(name, 0) < 1:
                raise InputError(f"graph {self.name}: in- or output {name} is no buffer of it")
        names = [node.name for node in self.nodes]
        if len(set(names)) != len(names):
            raise InputError(f"graph {self.name}: two nodes share a name")
        written = {name: [False] * size for name, size in self.buffers.items()}
        for name in self.inputs:
            written[name] = [True] * self.buffers[name]
        for node in self.nodes:
            self._check_node(node)
            if not all(written[node.input.buffer][node.input.span]):
                raise InputError(f"graph {self.name}: {node.name} reads before anything is written")
            written[node.output.buffer][node.output.span] = [True] * node.output.size
        for name in self.outputs:
            if not all(written[name]):
                raise InputError(f"graph {self.name}: output {name} is not written whole")

    def _check_node(self, node: Node) -> None:
        where = f"graph {self.name}: {node.name}"
        for part in (node.input, node.output):
            if part.buffer not in self.buffers:
                raise InputError(f"{where} uses no buffer {part.buffer}")
            if part.start < 0 or part.size < 1 or part.span.stop > self.buffers[part.buffer]:
                raise InputError(f"{where} runs out of {part.buffer}")
        if isinstance(node, Conv1d) and node.dilation < 1:
            raise InputError(f"{where} has a dilation of {node.dilation}; it takes 1 or more")
        if node.output.buffer in self.inputs or node.input.buffer in self.outputs:
            raise InputError(f"{where} writes an input or reads an output of the graph")
        # Inner values are Q15 and bounded by one, outputs have a format of their own.
        linear = not isinstance(node, Gru) and node.activation is Activation.LINEAR
        if linear != (node.output.buffer in self.outputs):
            raise InputError(f"{where}: linear nodes, and only those, write the graph's outputs")
        if isinstance(node, Conv2d):
            if node.width < 1 or node.input.size % node.width or node.output.size % node.width:
                raise InputError(f"{where} has lines of {node.width}, which its buffers do not")
            if not self.is_wide(node.input.buffer):
                raise InputError(f"{where} works on int16, its input is int8")
        elif self.is_wide(node.input.buffer) and not isinstance(node, Dense):
            raise InputError(f"{where} works on int8, its input is int16")
        if isinstance(node, Gru) and self.is_wide(node.output.buffer):
            raise InputError(f"{where} works on int8, its output is int16")

    def matrices(self) -> Iterator[MatrixShape]:
        """Yield every weight matrix of the step, in the order of use."""
        for node in self.nodes:
            yield from node.matrices

    def format(self, buffer: str) -> Format:
        """How the values of a buffer are held."""
        outer = buffer in self.inputs or buffer in self.outputs
        return self.formats.get(buffer, Format.FIXED if outer else Format.X8)

    def is_wide(self, buffer: str) -> bool:
        """Whether a buffer holds int16, which takes int16 weights."""
        return self.format(buffer) is not Format.X8

    def held_bytes(self, buffer: str) -> int:
        """Bytes that a buffer takes."""
        return self.buffers[buffer] * (2 if self.is_wide(buffer) else 1)

    @property
    def calibrated(self) -> tuple[str, ...]:
        """The in- and outputs whose format calibration chooses."""
        outer = (*self.inputs, *self.outputs)
        return tuple(name for name in outer if self.format(name) is Format.FIXED)

    def to_json(self) -> dict[str, Any]:
        """Return the graph as plain JSON data."""
        nodes = [{"op": type(node).__name__, **asdict(node)} for node in self.nodes]
        return {
            "name": self.name,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "buffers": dict(self.buffers),
            "formats": {name: held.value for name, held in self.formats.items()},
            "nodes": nodes,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Graph":
        """Rebuild a graph from `to_json` data; raises InputError if it is no such graph."""
        try:
            return Graph(
                data["name"],
                tuple(data["inputs"]),
                tuple(data["outputs"]),
                {str(k): int(v) for k, v in data["buffers"].items()},
                tuple(_node_from_json(item) for item in data["nodes"]),
                {str(k): Format(v) for k, v in data["formats"].items()},
            )
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a dredkit graph: {error!r}") from error


def _node_from_json(item: dict[str, Any]) -> Node:
    kinds: dict[str, type[Dense] | type[Conv1d] | type[Conv2d] | type[Gru]] = {
        "Dense": Dense,
        "Conv1d": Conv1d,
        "Conv2d": Conv2d,
        "Gru": Gru,
    }
    fields = {k: v for k, v in item.items() if k != "op"}
    fields["input"] = _slice_from_json(fields["input"])
    fields["output"] = _slice_from_json(fields["output"])
    fields["name"] = str(fields["name"])
    if "dilation" in fields:
        fields["dilation"] = int(fields["dilation"])
    if "activation" in fields:
        fields["activation"] = Activation(fields["activation"])
    return kinds[item["op"]](**fields)


def _slice_from_json(item: dict[str, Any]) -> Slice:
    return Slice(str(item["buffer"]), int(item["start"]), int(item["size"]))

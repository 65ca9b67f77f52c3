# SPDX-License-Identifier: BSD-3-Clause
"""The streaming network as data: what one step computes, layer by layer, in order.

A graph is a straight list of nodes over named values. A value is a slice of a buffer; networks that
concatenate everything they ever computed (libopus' DenseNet-like "trunk") put their values side by
side in one buffer, so that a concatenation is a longer slice and costs nothing.

All sizes are in elements. Inputs carry a format calibrated by the quantiser; everything inside the
network that has passed tanh, sigmoid or a GRU is bounded by one and is held in Q15.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from quantize.errors import InputError


class Activation(str, Enum):
    """What follows a layer's affine part."""

    LINEAR = "linear"
    TANH = "tanh"


@dataclass(frozen=True)
class Slice:
    """`size` elements of `buffer`, from `start`."""

    buffer: str
    start: int
    size: int


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


Node = Dense | Conv1d | Gru


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

    `inputs` and `outputs` name the buffers that the caller fills and reads (int16, calibrated
    format); `buffers` gives the size of every buffer, the inner ones included.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    buffers: dict[str, int]
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        written = dict.fromkeys(self.buffers, 0)
        for name in self.inputs:
            written[name] = self.buffers[name]
        for node in self.nodes:
            for part in (node.input, node.output):
                if part.buffer not in self.buffers:
                    raise InputError(f"graph {self.name}: {node.name} uses no buffer {part.buffer}")
                if part.start < 0 or part.start + part.size > self.buffers[part.buffer]:
                    raise InputError(f"graph {self.name}: {node.name} runs out of {part.buffer}")
            if node.input.start + node.input.size > written[node.input.buffer]:
                raise InputError(f"graph {self.name}: {node.name} reads before anything is written")
            end = node.output.start + node.output.size
            written[node.output.buffer] = max(written[node.output.buffer], end)

    def matrices(self) -> Iterator[MatrixShape]:
        """Yield every weight matrix of the step, in the order of use."""
        for node in self.nodes:
            yield from node.matrices

    def is_unbounded(self, buffer: str) -> bool:
        """Whether values of this buffer are not bounded by one (the caller's inputs)."""
        return buffer in self.inputs

    def to_json(self) -> dict[str, Any]:
        """Return the graph as plain JSON data."""
        nodes = [{"op": type(node).__name__, **asdict(node)} for node in self.nodes]
        return {
            "name": self.name,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "buffers": dict(self.buffers),
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
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a dredkit graph: {error!r}") from error


def _node_from_json(item: dict[str, Any]) -> Node:
    kinds: dict[str, type[Dense] | type[Conv1d] | type[Gru]] = {
        "Dense": Dense,
        "Conv1d": Conv1d,
        "Gru": Gru,
    }
    fields = {k: v for k, v in item.items() if k != "op"}
    fields["input"] = Slice(**fields["input"])
    fields["output"] = Slice(**fields["output"])
    if "activation" in fields:
        fields["activation"] = Activation(fields["activation"])
    return kinds[item["op"]](**fields)

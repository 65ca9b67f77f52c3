# SPDX-License-Identifier: BSD-3-Clause
"""The streaming network as data: what one step computes, layer by layer, in order.

A graph is a list of nodes, run in order. Nodes read and write slices of named buffers. Networks
that concatenate everything they computed before (libopus' DenseNet-like "trunk") put these values
side by side in one buffer, so that a concatenation is a longer slice and costs nothing.

All sizes are in elements. Each buffer has a format. The caller's inputs and outputs are int16, each
with its own number of fractional bits. The output of a tanh, a GRU or a GLU is bounded by one.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any, Final, TypeVar

from quantize.errors import InputError
from quantize.files import json_table as jsontable
from quantize.files.reading import shown
from quantize.nn.nodes import (
    CONV2D_TAPS,
    Activation,
    Conv1d,
    Conv2d,
    Dense,
    Format,
    Glu,
    Gru,
    MatrixShape,
    Node,
    Slice,
    is_linear,
    repeats,
)

__all__ = [
    "CONV2D_TAPS",
    "Activation",
    "Conv1d",
    "Conv2d",
    "Dense",
    "Format",
    "Glu",
    "Graph",
    "Gru",
    "MatrixShape",
    "Node",
    "Slice",
    "is_linear",
    "repeats",
]

_MAX_FRAC = 15
# The most elements that a graph's buffers and the memories of its convolutions may have. This is a
# hundred times what the largest network has, and small enough for any machine that reads a model.
MAX_ELEMENTS: Final = 1 << 20
_MAX_NODES: Final = 1000


@dataclass(frozen=True)
class Graph:
    """One network step.

    `inputs` and `outputs` name the buffers that the caller fills and reads. `buffers` gives the
    size of every buffer, the inner ones included. Inputs and outputs are FIXED and inner buffers
    are X8 unless `formats` says otherwise. An output may be Q15 if its nodes are bounded by one.
    `fracs` gives the fractional bits (0..15) of the FIXED buffers whose format the outside world
    prescribes; calibration chooses the others.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    buffers: dict[str, int]
    nodes: tuple[Node, ...]
    formats: dict[str, Format] = field(default_factory=dict)
    fracs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clash = {shape.name for shape in self.matrices()} & {*self.inputs, *self.outputs}
        if clash:
            # In the generated C, an argument of this name would hide the layer's tables.
            both = f"{clash.pop()} names a layer and an input or output"
            raise InputError(f"graph {self.name}: {both}")
        if len({*self.inputs, *self.outputs}) != len(self.inputs) + len(self.outputs):
            raise InputError(f"graph {self.name}: an input or output is named twice")
        for name in (*self.inputs, *self.outputs):
            if self.buffers.get(name, 0) < 1:
                raise InputError(f"graph {self.name}: input or output {name} is not a buffer of it")
        self._check_formats()
        names = [node.name for node in self.nodes]
        if len(set(names)) != len(names):
            raise InputError(f"graph {self.name}: two nodes share a name")
        for node in self.nodes:
            self._check_node(node)
        self._check_sizes()
        written = {name: [False] * size for name, size in self.buffers.items()}
        for name in self.inputs:
            written[name] = [True] * self.buffers[name]
        for node in self.nodes:
            if not all(written[node.input.buffer][node.input.span]):
                raise InputError(f"graph {self.name}: {node.name} reads before anything is written")
            written[node.output.buffer][node.output.span] = [True] * node.output.size
        for name in self.outputs:
            if not all(written[name]):
                raise InputError(f"graph {self.name}: output {name} is not written whole")

    def _check_sizes(self) -> None:
        """Refuse buffers that no node fills or reads to their end, before they are allocated."""
        used = dict.fromkeys(self.buffers, 0)
        held = sum(self.buffers.values())
        for node in self.nodes:
            for part in (node.input, node.output):
                used[part.buffer] = max(used[part.buffer], part.span.stop)
            held += node.depth * node.input.size if isinstance(node, Conv1d) else 0
        for name, size in self.buffers.items():
            if size > used[name] and name in self.outputs:
                raise InputError(f"graph {self.name}: output {name} is not written whole")
            if size != used[name]:
                raise InputError(
                    f"graph {self.name}: buffer {name} has {size} elements, its nodes use "
                    f"{used[name]}"
                )
        if held > MAX_ELEMENTS:
            raise InputError(
                f"graph {self.name}: buffers and memories of {held} elements, at most "
                f"{MAX_ELEMENTS} are held"
            )

    def _check_formats(self) -> None:
        outer = {*self.inputs, *self.outputs}
        for name, held in self.formats.items():
            if name not in self.buffers or (held is Format.FIXED and name not in outer):
                raise InputError(
                    f"graph {self.name}: {name} is not an input or output to be {held.name}"
                )
            if held is Format.X8 and name in self.outputs:
                raise InputError(f"graph {self.name}: output {name} is int16, not X8")
        for name, bits in self.fracs.items():
            if name not in self.calibrated or not 0 <= bits <= _MAX_FRAC:
                raise InputError(
                    f"graph {self.name}: {name} with {bits} fractional bits is not a FIXED input "
                    f"or output of 0..{_MAX_FRAC} bits"
                )

    def _check_node(self, node: Node) -> None:
        where = f"graph {self.name}: {node.name}"
        for part in (node.input, node.output):
            if part.buffer not in self.buffers:
                raise InputError(f"{where} uses no buffer {part.buffer}")
            if part.start < 0 or part.size < 1 or part.span.stop > self.buffers[part.buffer]:
                raise InputError(f"{where} runs out of {part.buffer}")
        if isinstance(node, Conv1d) and (node.dilation < 1 or node.taps < 2):
            raise InputError(
                f"{where} has a dilation of {node.dilation} and {node.taps} taps; it takes 1 or "
                "more, and 2 or more"
            )
        if node.output.buffer in self.inputs or node.input.buffer in self.outputs:
            raise InputError(f"{where} writes an input or reads an output of the graph")
        same = node.input.buffer == node.output.buffer and self.is_wide(node.input.buffer)
        reach = max(node.input.span.stop, node.output.span.stop) - min(
            node.input.start, node.output.start
        )
        if same and reach < node.input.size + node.output.size:
            # A kernel reads int16 in place; int8 results are narrowed after it has read all.
            raise InputError(f"{where} writes over its own input")
        if is_linear(node) != (self.format(node.output.buffer) is Format.FIXED):
            raise InputError(
                f"{where}: linear nodes, and only those, write outputs of a format of their own"
            )
        if isinstance(node, Conv2d):
            if node.width < 1 or node.input.size % node.width or node.output.size % node.width:
                raise InputError(f"{where} has lines of {node.width}, which its buffers do not fit")
            if not self.is_wide(node.input.buffer):
                raise InputError(f"{where} works on int16, but its input is int8")
        if isinstance(node, Gru) and self.is_wide(node.input.buffer):
            raise InputError(f"{where} works on int8, but its input is int16")
        if isinstance(node, Glu):
            if self.format(node.input.buffer) is not Format.Q15:
                raise InputError(f"{where} gates Q15 values, but its input is not Q15")
            if node.input.size != node.output.size:
                raise InputError(f"{where} gates {node.input.size} values, not {node.output.size}")

    def matrices(self) -> Iterator[MatrixShape]:
        """Yield every weight matrix of the step, in the order of its use."""
        for node in self.nodes:
            yield from node.matrices

    def format(self, buffer: str) -> Format:
        """Return how a buffer holds its values."""
        outer = buffer in self.inputs or buffer in self.outputs
        return self.formats.get(buffer, Format.FIXED if outer else Format.X8)

    def is_wide(self, buffer: str) -> bool:
        """Return whether a buffer holds int16."""
        return self.format(buffer) is not Format.X8

    def takes_wide(self, shape: MatrixShape) -> bool:
        """Return whether a matrix takes int16 inputs, and therefore has int16 weights."""
        return self.is_wide(shape.fed_from) and not shape.narrowed

    def held_bytes(self, buffer: str) -> int:
        """Return how many bytes a buffer takes."""
        return self.buffers[buffer] * (2 if self.is_wide(buffer) else 1)

    @property
    def calibrated(self) -> tuple[str, ...]:
        """The inputs and outputs whose fractional bits calibration or `fracs` gives."""
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
            "fracs": dict(self.fracs),
            "nodes": nodes,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Graph":
        """Rebuild a graph from `to_json` data; raises InputError for anything else."""
        try:
            return _graph_from_json(jsontable.table(data, "the graph"))
        except jsontable.HeaderError as error:
            raise InputError(f"not a dredkit graph: {error}") from error


_LISTS: Final = ("inputs", "outputs", "nodes")
_TABLES: Final = ("buffers", "formats", "fracs")
_KINDS: dict[str, type[Dense] | type[Conv1d] | type[Conv2d] | type[Gru] | type[Glu]] = {
    kind.__name__: kind for kind in (Dense, Conv1d, Conv2d, Gru, Glu)
}


_Enum = TypeVar("_Enum", bound=Enum)


def _graph_from_json(data: dict[str, Any]) -> Graph:
    told = {key: jsontable.entry(data, key, "the graph") for key in (*_LISTS, *_TABLES)}
    lists = {key: jsontable.items(told[key], key) for key in _LISTS}
    tables = {key: jsontable.table(told[key], key) for key in _TABLES}
    for what, values in tables.items():
        for name in values:
            jsontable.name(name, f"a name of {what}")
    if len(lists["nodes"]) > _MAX_NODES:
        raise InputError(f"{len(lists['nodes'])} nodes are too many, at most {_MAX_NODES}")
    return Graph(
        jsontable.name(jsontable.entry(data, "name", "the graph"), "its name"),
        tuple(jsontable.name(name, "an input") for name in lists["inputs"]),
        tuple(jsontable.name(name, "an output") for name in lists["outputs"]),
        {
            k: jsontable.whole(v, f"buffer {k}", 1, MAX_ELEMENTS)
            for k, v in tables["buffers"].items()
        },
        tuple(_node_from_json(item) for item in lists["nodes"]),
        {k: _one_of(Format, v, f"format of {k}") for k, v in tables["formats"].items()},
        {k: jsontable.whole(v, f"fracs of {k}", 0, _MAX_FRAC) for k, v in tables["fracs"].items()},
    )


def _node_from_json(item: Any) -> Node:
    told = jsontable.table(item, "a node")
    name = jsontable.name(jsontable.entry(told, "name", "a node"), "a node's name")
    kind = _KINDS.get(jsontable.text(jsontable.entry(told, "op", name), f"op of {name}"))
    if kind is None:
        raise InputError(f"{name} has an unknown op, not one of {', '.join(_KINDS)}")
    values: dict[str, Any] = {"name": name}
    for key in (part.name for part in fields(kind) if part.name != "name"):
        value, what = jsontable.entry(told, key, name), f"{key} of {name}"
        if key in ("input", "output"):
            values[key] = _slice_from_json(value, what)
        elif key == "activation":
            values[key] = _one_of(Activation, value, what)
        else:
            values[key] = jsontable.whole(value, what, 1, MAX_ELEMENTS)
    return kind(**values)


def _slice_from_json(item: Any, what: str) -> Slice:
    told = jsontable.table(item, what)
    return Slice(
        jsontable.name(jsontable.entry(told, "buffer", what), f"buffer of {what}"),
        jsontable.whole(jsontable.entry(told, "start", what), f"start of {what}", 0, MAX_ELEMENTS),
        jsontable.whole(jsontable.entry(told, "size", what), f"size of {what}", 1, MAX_ELEMENTS),
    )


def _one_of(kind: type[_Enum], value: Any, what: str) -> _Enum:
    known = {member.value: member for member in kind}
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{what} is {shown(value)}, not one of {', '.join(known)}")
    return known[value]

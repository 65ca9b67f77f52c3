# SPDX-License-Identifier: BSD-3-Clause
"""The arena map: every byte of RAM that a network step needs, laid out at generation time.

The map becomes one C struct, members in the order given; `keeps` members live between steps, the
others are scratch within one.
"""

from dataclasses import dataclass

from quantize.graph import CONV2D_TAPS, Conv1d, Conv2d, Graph, Gru
from quantize.model import QuantisedModel

_ALIGN = 4  # each member starts on a word, so that kernels may load words


@dataclass(frozen=True)
class Member:
    """One member of the struct: `count` elements of `c_type` at byte `offset`."""

    name: str
    c_type: str
    count: int
    keeps: bool
    offset: int

    @property
    def bytes(self) -> int:
        return self.count * {"int8_t": 1, "int16_t": 2}[self.c_type]


@dataclass(frozen=True)
class Arena:
    """The whole map."""

    members: tuple[Member, ...]

    @property
    def bytes(self) -> int:
        return _aligned(max((m.offset + m.bytes for m in self.members), default=0))

    @property
    def kept_bytes(self) -> int:
        """Bytes that must survive from one step to the next."""
        return sum(m.bytes for m in self.members if m.keeps)


def plan(model: QuantisedModel) -> Arena:
    """Lay out states, memories, activation buffers and scratch for one network."""
    graph = model.graph
    wanted: list[tuple[str, str, int, bool]] = []
    for node in graph.nodes:
        if isinstance(node, Gru):
            wanted.append((state_name(node), "int16_t", node.output.size, True))
        elif isinstance(node, Conv1d):
            wanted.append((memory_name(node), "int8_t", node.dilation * node.input.size, True))
        elif isinstance(node, Conv2d):
            lines = CONV2D_TAPS * (node.input.size // node.width)
            wanted.append((memory_name(node), "int16_t", lines * (node.width + 2), True))
    wanted += [
        (name, c_type(graph, name), size, False)
        for name, size in graph.buffers.items()
        if name not in graph.inputs and name not in graph.outputs
    ]
    narrowed = [
        n for n in graph.nodes if not isinstance(n, Gru) and not graph.is_wide(n.output.buffer)
    ]
    row = max((n.output.size for n in narrowed), default=0)
    gru = max((n.output.size for n in graph.nodes if isinstance(n, Gru)), default=0)
    conv = max((n.input.size for n in graph.nodes if isinstance(n, Conv1d)), default=0)
    wanted += [
        ("row", "int16_t", row, False),
        ("gates", "int16_t", 6 * gru, False),
        ("state8", "int8_t", gru, False),
        ("window", "int8_t", 2 * conv, False),
    ]
    members = []
    offset = 0
    for name, element, count, keeps in wanted:
        if count:
            member = Member(name, element, count, keeps, offset)
            members.append(member)
            offset = _aligned(offset + member.bytes)
    return Arena(tuple(members))


def c_type(graph: Graph, buffer: str) -> str:
    """The C type of a buffer's elements."""
    return "int16_t" if graph.is_wide(buffer) else "int8_t"


def state_name(node: Gru) -> str:
    """The struct member that holds a GRU's state."""
    return f"{node.name}_state"


def memory_name(node: Conv1d | Conv2d) -> str:
    """The struct member that holds a convolution's past inputs."""
    return f"{node.name}_memory"


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN

# SPDX-License-Identifier: BSD-3-Clause
"""Lay out the arena: every byte of RAM that a network step needs, fixed at generation time.

The map becomes two C structs. One has the members that live from one step to the next. The other
is scratch within a step; its memory may serve something else between steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from quantize.nn.graph import CONV2D_TAPS, Conv1d, Conv2d, Glu, Graph, Gru
from quantize.nn.model import QuantisedModel

_ALIGN = 4  # each member starts on a word, so that kernels may load words


@dataclass(frozen=True)
class Member:
    """One member: `count` elements of `c_type` at byte `offset` of its struct."""

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
    """The whole map, with room for `batch` steps at once."""

    members: tuple[Member, ...]
    batch: int = 1

    @property
    def kept(self) -> tuple[Member, ...]:
        """Members of the struct that lives between steps."""
        return tuple(m for m in self.members if m.keeps)

    @property
    def scratch(self) -> tuple[Member, ...]:
        """Members of the scratch struct."""
        return tuple(m for m in self.members if not m.keeps)

    @property
    def kept_bytes(self) -> int:
        return _end(self.kept)

    @property
    def scratch_bytes(self) -> int:
        return _end(self.scratch)

    @property
    def bytes(self) -> int:
        return self.kept_bytes + self.scratch_bytes


def plan(model: QuantisedModel, batch: int = 1) -> Arena:
    """Lay out states, memories, activation buffers and scratch for one network.

    States and memories are the same for any `batch`; scratch has a row for each of its steps.
    """
    graph = model.graph
    wanted: list[tuple[str, str, int, bool]] = []
    for node in graph.nodes:
        if isinstance(node, Gru):
            wanted.append((state_name(node), "int16_t", node.output.size, True))
        elif isinstance(node, Conv1d):
            past = node.depth * node.input.size
            wanted.append((memory_name(node), c_type(graph, node.input.buffer), past, True))
        elif isinstance(node, Conv2d):
            past = (CONV2D_TAPS - 1) * node.input.size
            wanted.append((memory_name(node), "int16_t", past, True))
    wanted += [
        (name, c_type(graph, name), batch * size, False) for name, size in _inner_buffers(graph)
    ]
    # One step leaves a GRU's state where it is; several steps need the state after each.
    narrowed = [
        n
        for n in graph.nodes
        if not graph.is_wide(n.output.buffer) and not (batch == 1 and isinstance(n, Gru))
    ]
    row = max((n.output.size for n in narrowed), default=0)
    gru = max((n.output.size for n in graph.nodes if isinstance(n, Gru)), default=0)
    glu = max((n.output.size for n in graph.nodes if isinstance(n, Glu)), default=0)
    wanted += [
        ("row", "int16_t", batch * row, False),
        ("gates", "int16_t", 3 * (batch + 1) * gru, False),
        ("state8", "int8_t", max(gru, batch * glu), False),
    ]
    for wide in (False, True):
        windows = [
            n.taps * n.input.size
            for n in graph.nodes
            if isinstance(n, Conv1d) and graph.is_wide(n.input.buffer) == wide
        ]
        held = "int16_t" if wide else "int8_t"
        wanted.append((window_name(wide), held, batch * max(windows, default=0), False))
    members: list[Member] = []
    for name, element, count, keeps in wanted:
        if count:
            offset = _end([m for m in members if m.keeps == keeps])
            members.append(Member(name, element, count, keeps, offset))
    return Arena(tuple(members), batch)


def _inner_buffers(graph: Graph) -> list[tuple[str, int]]:
    """Return names and sizes of the buffers between layers, in the order of writing.

    A saved model has its buffers in alphabetical order, and a model in memory has them in any
    order. The generated C must be the same for both.
    """
    outer = {*graph.inputs, *graph.outputs}
    written = dict.fromkeys(node.output.buffer for node in graph.nodes)
    return [(name, graph.buffers[name]) for name in written if name not in outer]


def c_type(graph: Graph, buffer: str) -> str:
    """Return the C type of a buffer's elements."""
    return "int16_t" if graph.is_wide(buffer) else "int8_t"


def state_name(node: Gru) -> str:
    """Return the struct member that holds a GRU's state."""
    return f"{node.name}_state"


def window_name(wide: bool) -> str:
    """Return the scratch member that holds the inputs of a convolution over time."""
    return "window16" if wide else "window"


def memory_name(node: Conv1d | Conv2d) -> str:
    """Return the struct member that holds a convolution's past inputs."""
    return f"{node.name}_memory"


def _end(members: Sequence[Member]) -> int:
    end = members[-1].offset + members[-1].bytes if members else 0
    return -(-end // _ALIGN) * _ALIGN

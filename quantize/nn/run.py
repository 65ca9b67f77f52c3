# SPDX-License-Identifier: BSD-3-Clause
"""Run a graph step by step: in integers (normative) and in float (for comparison).

Both keep state between steps and return every node's output, so that a mismatch can be reported
with its layer, step and element.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.integer import Ints
from quantize.nn.graph import CONV2D_TAPS, Activation, Conv1d, Conv2d, Format, Glu, Graph, Gru, Node
from quantize.nn.model import QuantisedModel
from quantize.nn.weights import Weights

Floats = npt.NDArray[np.float64]


def to_held(graph: Graph, frac: dict[str, int], name: str, x: Floats) -> Ints:
    """Convert real values of an input buffer to the integers that the buffer holds."""
    if graph.format(name) is Format.X8:
        return np.clip(np.floor(x * integer.X8_ONE + 0.5), -127, 127).astype(np.int64)
    return integer.to_fixed(x, frac.get(name, integer.Q15_FRAC))


@dataclass
class IntegerRunner:
    """The normative run of a quantised model; starts in the zero state."""

    model: QuantisedModel
    _buffers: dict[str, Ints] = field(init=False)
    _states: dict[str, Ints] = field(init=False)
    _memories: dict[str, list[Ints]] = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self, states: dict[str, Ints] | None = None) -> None:
        """Return to the state before the first step: zeros, or the given Q15 states of GRUs."""
        graph = self.model.graph
        self._buffers = {name: np.zeros(size, np.int64) for name, size in graph.buffers.items()}
        self._states = {
            n.name: np.zeros(n.output.size, np.int64) for n in graph.nodes if isinstance(n, Gru)
        }
        for name, state in (states or {}).items():
            self._states[name][:] = state
        self._memories = {
            node.name: [np.zeros(node.input.size, np.int64)] * depth
            for node in graph.nodes
            if (depth := memory_depth(node))
        }

    def step(self, inputs: dict[str, Ints]) -> dict[str, Ints]:
        """Run one step on integer inputs and return every node's int16 output.

        Outputs are taken after the activation. They are Q15 inside the network; nodes that write
        the graph's outputs have the calibrated format.
        """
        graph = self.model.graph
        for name in graph.inputs:
            self._buffers[name][:] = inputs[name]
        trace = {}
        for node in graph.nodes:
            result = self._node(node)
            trace[node.name] = result
            out = node.output
            kept = result if graph.is_wide(out.buffer) else integer.narrow(result)
            self._buffers[out.buffer][out.span] = kept
        return trace

    def _node(self, node: Node) -> Ints:
        x = self._buffers[node.input.buffer][node.input.span].copy()
        matrices = self.model.matrices
        if isinstance(node, Gru):
            state = self._states[node.name]
            from_input = matrices[f"{node.name}_input"].apply(x)
            from_state = matrices[f"{node.name}_recurrent"].apply(integer.narrow(state))
            self._states[node.name] = integer.gru_update(from_input, from_state, state)
            return self._states[node.name]
        if isinstance(node, Glu):
            gate = integer.sigmoid(matrices[node.name].apply(integer.narrow(x)))
            return integer.mul_q15(gate, x)
        if memory_depth(node):
            memory = self._memories[node.name]
            self._memories[node.name] = [*memory[1:], x]
            x = gather(node, memory, x)
        pre = matrices[node.name].apply(x).reshape(-1)
        return integer.tanh(pre) if node.activation is Activation.TANH else pre


def memory_depth(node: Node) -> int:
    """Return how many past inputs a node remembers; a GRU's state does not count."""
    if isinstance(node, Conv1d):
        return node.depth
    return CONV2D_TAPS - 1 if isinstance(node, Conv2d) else 0


def gather(node: Node, memory: list[npt.NDArray[Any]], x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the input of a convolution's matrix: Conv1d [cols], Conv2d [cols, width]."""
    if isinstance(node, Conv1d):
        return np.concatenate([*memory[:: node.dilation], x])
    assert isinstance(node, Conv2d)
    lines = np.array([*memory, x]).reshape(CONV2D_TAPS, -1, node.width)  # [time, channel, position]
    padded = np.pad(lines, ((0, 0), (0, 0), (1, 1)))
    taps = [padded[:, :, k : k + node.width] for k in range(CONV2D_TAPS)]
    # [channel, time, tap, position]: the order of the weights' columns.
    return np.stack(taps, axis=2).transpose(1, 0, 2, 3).reshape(-1, node.width)


def run_integer(
    model: QuantisedModel,
    inputs: Ints | dict[str, Ints],
    states: dict[str, Ints] | None = None,
) -> dict[str, Ints]:
    """Run over input rows [steps, n]: one array, or one per name for several inputs.

    `states` gives the initial states of GRUs by name. Returns every node's output [steps, size] by
    the node's name.
    """
    runner = IntegerRunner(model)
    runner.reset(states)
    rows = [runner.step(row) for row in _rows(model.graph, inputs)]
    return {node.name: np.array([row[node.name] for row in rows]) for node in model.graph.nodes}


def _rows(graph: Graph, inputs: Any) -> list[dict[str, npt.NDArray[Any]]]:
    named = inputs if isinstance(inputs, dict) else {graph.inputs[0]: inputs}
    count = len(next(iter(named.values())))
    return [{name: named[name][step] for name in graph.inputs} for step in range(count)]


@dataclass(frozen=True)
class FloatRun:
    """A float run: `outputs` [steps, size] by node; `pre` [steps, rows], by matrix, before tanh."""

    outputs: dict[str, Floats]
    pre: dict[str, Floats]


def run_float(
    graph: Graph,
    weights: dict[str, Weights],
    inputs: Floats | dict[str, Floats],
    states: dict[str, Floats] | None = None,
) -> FloatRun:
    """Run the float network over input rows, like `run_integer` but with true tanh and sigmoid."""
    buffers = {name: np.zeros(size) for name, size in graph.buffers.items()}
    zeros = {n.name: np.zeros(n.output.size) for n in graph.nodes if isinstance(n, Gru)}
    states = zeros | (states or {})
    memories = {n.name: [np.zeros(n.input.size)] * memory_depth(n) for n in graph.nodes}
    outputs: dict[str, list[Floats]] = {node.name: [] for node in graph.nodes}
    pre: dict[str, list[Floats]] = {shape.name: [] for shape in graph.matrices()}

    def affine(name: str, x: Floats) -> Floats:
        layer = weights[name]
        result: Floats = layer.matrix @ x + layer.bias.reshape((-1,) + (1,) * (x.ndim - 1))
        result = result.reshape(-1)
        pre[name].append(result)
        return result

    def node_step(node: Node, x: Floats) -> Floats:
        if isinstance(node, Gru):
            s = states[node.name]
            n = len(s)
            a, u = affine(f"{node.name}_input", x), affine(f"{node.name}_recurrent", s)
            z, r = _sigmoid(a[:n] + u[:n]), _sigmoid(a[n : 2 * n] + u[n : 2 * n])
            states[node.name] = z * s + (1 - z) * np.tanh(a[2 * n :] + r * u[2 * n :])
            return states[node.name]
        if isinstance(node, Glu):
            return np.asarray(x * _sigmoid(affine(node.name, x)))
        if memory_depth(node):
            memory = memories[node.name]
            memories[node.name] = [*memory[1:], x]
            x = gather(node, memory, x)
        y = affine(node.name, x)
        return np.tanh(y) if node.activation is Activation.TANH else y

    for row in _rows(graph, inputs):
        for name in graph.inputs:
            buffers[name][:] = row[name]
        for node in graph.nodes:
            y = node_step(node, buffers[node.input.buffer][node.input.span].copy())
            buffers[node.output.buffer][node.output.span] = y
            outputs[node.name].append(y)
    return FloatRun(
        {name: np.array(rows) for name, rows in outputs.items()},
        {name: np.array(rows) for name, rows in pre.items()},
    )


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def output_frac(model: QuantisedModel, node: Node) -> int:
    """Return the fractional bits of a node's int16 output."""
    return model.frac.get(node.output.buffer, integer.Q15_FRAC)

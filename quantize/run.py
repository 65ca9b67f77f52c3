# SPDX-License-Identifier: BSD-3-Clause
"""Run a graph step by step: in integers (normative) and in float (what the model meant).

Both keep state between steps and return every node's output, so that a mismatch anywhere can be
named by layer, step and element.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.graph import Activation, Conv1d, Dense, Graph, Gru, Node
from quantize.integer import Ints
from quantize.model import QuantisedModel
from quantize.weights import Weights

Floats = npt.NDArray[np.float64]


@dataclass
class IntegerRunner:
    """The normative run of a quantised model; starts in the zero state."""

    model: QuantisedModel
    _buffers: dict[str, Ints] = field(init=False)
    _states: dict[str, Ints] = field(init=False)
    _memories: dict[str, list[Ints]] = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first step."""
        graph = self.model.graph
        self._buffers = {name: np.zeros(size, np.int64) for name, size in graph.buffers.items()}
        self._states = {}
        self._memories = {}
        for node in graph.nodes:
            if isinstance(node, Gru):
                self._states[node.name] = np.zeros(node.output.size, np.int64)
            elif isinstance(node, Conv1d):
                zero = np.zeros(node.input.size, np.int64)
                self._memories[node.name] = [zero] * node.dilation

    def step(self, inputs: dict[str, Ints]) -> dict[str, Ints]:
        """Run one step on int16 inputs; returns every node's int16 output by the node's name.

        A node's output is after its activation: Q15 inside the network, the calibrated format for
        the nodes that write the graph's outputs.
        """
        graph = self.model.graph
        for name in graph.inputs:
            self._buffers[name][:] = inputs[name]
        trace = {}
        for node in graph.nodes:
            result = self._node(node)
            trace[node.name] = result
            out = node.output
            kept = result if out.buffer in graph.outputs else integer.narrow(result)
            self._buffers[out.buffer][out.start : out.start + out.size] = kept
        return trace

    def _node(self, node: Node) -> Ints:
        source = node.input
        x = self._buffers[source.buffer][source.start : source.start + source.size].copy()
        matrices = self.model.matrices
        if isinstance(node, Gru):
            state = self._states[node.name]
            from_input = matrices[f"{node.name}_input"].apply(x)
            from_state = matrices[f"{node.name}_recurrent"].apply(integer.narrow(state))
            self._states[node.name] = integer.gru_update(from_input, from_state, state)
            return self._states[node.name]
        if isinstance(node, Conv1d):
            memory = self._memories[node.name]
            window = np.concatenate([memory[0], x])
            self._memories[node.name] = [*memory[1:], x]
            x = window
        pre = matrices[node.name].apply(x)
        return integer.tanh(pre) if node.activation is Activation.TANH else pre


def run_integer(model: QuantisedModel, features: Ints) -> dict[str, Ints]:
    """Run over int16 rows [steps, n] of the graph's one input; returns [steps, size] a node."""
    runner = IntegerRunner(model)
    (name,) = model.graph.inputs
    rows = [runner.step({name: row}) for row in features]
    return {node.name: np.array([row[node.name] for row in rows]) for node in model.graph.nodes}


@dataclass(frozen=True)
class FloatRun:
    """A float run: `outputs` [steps, size] by node, `pre` [steps, rows] by matrix (affine part)."""

    outputs: dict[str, Floats]
    pre: dict[str, Floats]


def run_float(graph: Graph, weights: dict[str, Weights], features: Floats) -> FloatRun:
    """Run the float network over input rows [steps, n], with true tanh and sigmoid."""
    trunk = {name: np.zeros(size) for name, size in graph.buffers.items()}
    states = {n.name: np.zeros(n.output.size) for n in graph.nodes if isinstance(n, Gru)}
    memories = {
        n.name: [np.zeros(n.input.size)] * n.dilation for n in graph.nodes if isinstance(n, Conv1d)
    }
    outputs: dict[str, list[Floats]] = {node.name: [] for node in graph.nodes}
    pre: dict[str, list[Floats]] = {shape.name: [] for shape in graph.matrices()}

    def affine(name: str, x: Floats) -> Floats:
        layer = weights[name]
        result: Floats = layer.matrix @ x + layer.bias
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
        if isinstance(node, Conv1d):
            memory = memories[node.name]
            memories[node.name] = [*memory[1:], x]
            x = np.concatenate([memory[0], x])
        y = affine(node.name, x)
        return np.tanh(y) if node.activation is Activation.TANH else y

    (input_name,) = graph.inputs
    for row in features:
        trunk[input_name][:] = row
        for node in graph.nodes:
            i, o = node.input, node.output
            y = node_step(node, trunk[i.buffer][i.start : i.start + i.size].copy())
            trunk[o.buffer][o.start : o.start + o.size] = y
            outputs[node.name].append(y)
    return FloatRun(
        {name: np.array(rows) for name, rows in outputs.items()},
        {name: np.array(rows) for name, rows in pre.items()},
    )


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def output_frac(model: QuantisedModel, node: Dense | Conv1d | Gru) -> int:
    """Fractional bits of a node's int16 output."""
    return model.frac.get(node.output.buffer, integer.Q15_FRAC)

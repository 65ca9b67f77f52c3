# SPDX-License-Identifier: BSD-3-Clause
"""Export quantised step graphs as .tflite, and check dredkit's arithmetic against LiteRT.

The file computes one step. It takes the network's inputs and every recurrent state and convolution
memory; it returns the outputs and the new states. A loop outside drives the recurrence. Signature
'step' names them: a GRU's state is `<node>.state`, a convolution's memory `<node>.memory`.

An interpreter must agree to the last bit, for this reason. dredkit's requantise multipliers have 15
bits. The scales of filters are such a multiplier times a power of two; all other scales are powers
of two. Interpreters with 16-bit multipliers (TFLite Micro, tflite-runtime) and with 32-bit ones
(LiteRT 2) then derive the same numbers; all three agreed when tried (October 2026). This needs
reference kernels: the optimised ones compute another tanh and sigmoid at this scale.

Two things have no operator and are built from others:

- x8 = round(127 x) is a depthwise convolution by 127; such a tensor's declared scale is 2^-7.
- int16 weights are a sum of int8 filters over as many copies of the input (exact in int64).

Sparse layers are written dense, with their zeros.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from quantize import integer
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.litert.graph import export
from quantize.nn.model import QuantisedModel
from quantize.nn.run import IntegerRunner

__all__ = ["LiteRtRunner", "Mismatch", "cross_check", "export", "open_interpreter"]


@dataclass(frozen=True)
class Mismatch:
    """The first element in which the interpreter differs from the integer reference."""

    node: str
    step: int
    element: int
    got: int  # from the interpreter
    want: int  # from quantize.nn.run.IntegerRunner

    def __str__(self) -> str:
        return (
            f"layer {self.node}, step {self.step}, element {self.element}: "
            f"LiteRT has {self.got}, the reference {self.want}"
        )


def open_interpreter(content: bytes) -> Interpreter:
    """Load a .tflite for LiteRT's reference kernels: one thread, no delegates, all tensors kept."""
    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    return interpreter


class LiteRtRunner:
    """Runs an exported model in LiteRT step by step; starts in the zero state."""

    def __init__(self, model: QuantisedModel) -> None:
        self._graph = model.graph
        self._interpreter = open_interpreter(export(model))
        details = self._interpreter.get_tensor_details()
        self._index = {item["name"]: item["index"] for item in details}
        signature = self._interpreter.get_signature_list()["step"]
        runner = self._interpreter.get_signature_runner("step")
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        self._inputs = {name: inputs[name] for name in signature["inputs"]}
        self._outputs = {name: outputs[name]["index"] for name in signature["outputs"]}
        self.reset()

    def reset(self) -> None:
        """Return to the state before the first step."""
        self._states = {
            name: np.zeros(item["shape"], np.int16)
            for name, item in self._inputs.items()
            if name not in self._graph.inputs
        }

    def step(self, inputs: dict[str, Ints]) -> dict[str, Ints]:
        """Run one step on int16 inputs; return every node's int16 output by the node's name."""
        for name, values in inputs.items():
            item = self._inputs[name]
            self._interpreter.set_tensor(
                item["index"], values.astype(np.int16).reshape(item["shape"])
            )
        for name, values in self._states.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], values)
        self._interpreter.invoke()
        for name in self._states:
            self._states[name] = self._interpreter.get_tensor(self._outputs[name])
        return {node.name: self._read(self._index[node.name]) for node in self._graph.nodes}

    def _read(self, index: int) -> Ints:
        values: npt.NDArray[np.int16] = self._interpreter.get_tensor(index)
        return values.ravel().astype(np.int64)


def cross_check(model: QuantisedModel, features: npt.NDArray[np.integer]) -> Mismatch | None:
    """Run int16 input rows [steps, n] through LiteRT and the reference; return where they differ.

    Compare every node's output at every step; each side keeps its own states. The result is the
    first difference, or None. Raises InputError for a model with several inputs, or rows of another
    size or range.
    """
    if len(model.graph.inputs) != 1:
        raise InputError(f"graph {model.graph.name}: the cross-check drives one input only")
    (name,) = model.graph.inputs
    size = model.graph.buffers[name]
    if features.ndim != 2 or features.shape[1] != size:
        raise InputError(f"{name}: rows of {size} values expected, got shape {features.shape}")
    if features.size and not (-32768 <= features.min() and features.max() <= integer.INT16_MAX):
        raise InputError(f"{name}: values beyond int16")
    ours, theirs = IntegerRunner(model), LiteRtRunner(model)
    for step, row in enumerate(features.astype(np.int64)):
        want, got = ours.step({name: row}), theirs.step({name: row})
        for node in model.graph.nodes:
            different = np.flatnonzero(got[node.name] != want[node.name])
            if len(different):
                at = int(different[0])
                pair = int(got[node.name][at]), int(want[node.name][at])
                return Mismatch(node.name, step, at, *pair)
    return None

# SPDX-License-Identifier: BSD-3-Clause
"""Translate a quantised step graph into TFLite operators; quantize/litert/export.py says why so."""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from quantize import integer
from quantize.errors import InputError
from quantize.litert.file import FileWriter
from quantize.nn.graph import Activation, Conv1d, Conv2d, Format, Glu, Gru, Node, Slice
from quantize.nn.model import QuantisedMatrix, QuantisedModel

X8_FRAC = 7  # declared scale of an x8 tensor: 1/127 has no exact float32
_INT8_MAX = 127
_CHANNELS = 3  # the axis that holds the vector in [1, 1, 1, n]

_Op = schema.BuiltinOperator


def export(model: QuantisedModel) -> bytes:
    """Return the .tflite file of one step of `model`; its description carries the model's hash.

    Raises InputError for a graph that has no exact translation.
    """
    return StepExporter(model).run()


@dataclass(frozen=True)
class Value:
    """A tensor of int16 values with `frac` fractional bits."""

    tensor: int
    size: int
    frac: int


@dataclass
class StepExporter:
    """One translation. A method that appends operators returns the value that they compute."""

    model: QuantisedModel
    file: FileWriter = field(init=False)
    pieces: dict[str, list[tuple[Slice, Value]]] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    shared: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model = self.model
        self.file = FileWriter(f"dredkit {model.graph.name} {model.scheme} {model.hash}")

    def run(self) -> bytes:
        graph = self.model.graph
        for name in graph.inputs:
            usual = X8_FRAC if graph.format(name) is Format.X8 else integer.Q15_FRAC
            frac = self.model.frac.get(name, usual)
            value = self.activation(name, graph.buffers[name], frac)
            self.inputs[name] = value.tensor
            self.pieces[name] = [(Slice(name, 0, value.size), value)]
        for node in graph.nodes:
            result = self.node(node)
            wide = graph.is_wide(node.output.buffer)
            kept = result if wide else self.narrow(f"{node.name}.x8", result)
            self.write(node.output, kept)
        for name in graph.outputs:
            whole = Slice(name, 0, graph.buffers[name])
            self.outputs[name] = self.read(whole, f"{name}.joined").tensor
        return self.file.finish(self.inputs, self.outputs)

    def node(self, node: Node) -> Value:
        """Append one node; the tensor of its result has the node's name."""
        if isinstance(node, Conv2d):
            raise InputError(
                f"graph {self.model.graph.name}: {node.name} is a convolution over a line, which "
                ".tflite export does not know"
            )
        x = self.read(node.input, f"{node.name}.input")
        if isinstance(node, Gru):
            return self.gru(node, x)
        if isinstance(node, Glu):
            narrow = self.narrow(f"{node.name}.input.x8", x)
            pre = self.affine(node.name, f"{node.name}.pre", narrow, integer.PRE_FRAC)
            return self.mul(node.name, self.curve(_Op.LOGISTIC, f"{node.name}.gate", pre), x)
        if isinstance(node, Conv1d):
            x = self.window(node, x)
        frac = self.model.frac.get(node.output.buffer, integer.PRE_FRAC)
        if node.activation is Activation.LINEAR:
            return self.affine(node.name, node.name, x, frac)
        return self.curve(_Op.TANH, node.name, self.affine(node.name, f"{node.name}.pre", x, frac))

    def gru(self, node: Gru, x: Value) -> Value:
        """Append s' = z s + (1 - z) tanh(Wx + r Us), as quantize.integer.gru_update computes it."""
        name, n = node.name, node.output.size
        state = self.activation(f"{name}.state", n, integer.Q15_FRAC)
        a = self.affine(f"{name}_input", f"{name}_input", x, integer.PRE_FRAC)
        x8 = self.narrow(f"{name}.state.x8", state)
        u = self.affine(f"{name}_recurrent", f"{name}_recurrent", x8, integer.PRE_FRAC)
        az, ar, ah = self.split(f"{name}_input", a, 3)
        uz, ur, uh = self.split(f"{name}_recurrent", u, 3)
        z = self.curve(_Op.LOGISTIC, f"{name}.z", self.add(f"{name}.z.pre", az, uz))
        r = self.curve(_Op.LOGISTIC, f"{name}.r", self.add(f"{name}.r.pre", ar, ur))
        h_pre = self.add(f"{name}.h.pre", ah, self.mul(f"{name}.reset", r, uh))
        h = self.curve(_Op.TANH, f"{name}.h", h_pre)
        rest = self.one_minus(f"{name}.rest", z)
        kept, fresh = self.mul(f"{name}.kept", z, state), self.mul(f"{name}.fresh", rest, h)
        new = self.add(name, kept, fresh)
        self.inputs[f"{name}.state"], self.outputs[f"{name}.state"] = state.tensor, new.tensor
        return new

    def window(self, node: Conv1d, x: Value) -> Value:
        """Append [.., x(t - dilation), x(t)], from a memory of `depth` inputs, oldest first."""
        name = f"{node.name}.memory"
        memory = self.activation(name, node.depth * x.size, x.frac)
        past = [memory] if node.depth == 1 else self.split(name, memory, node.depth)
        new = self.concat(f"{name}.new", [*past[1:], x])
        self.inputs[name], self.outputs[name] = memory.tensor, new.tensor
        return self.concat(f"{node.name}.window", [*past[:: node.dilation], x])

    def activation(self, name: str, size: int, frac: int) -> Value:
        return Value(self.file.activation(name, size, frac), size, frac)

    def write(self, part: Slice, value: Value) -> None:
        """Put a value into a buffer in place of the values that it overlaps."""
        end = part.start + part.size
        others = [
            (at, old)
            for at, old in self.pieces.get(part.buffer, [])
            if at.start + at.size <= part.start or end <= at.start
        ]
        self.pieces[part.buffer] = [*others, (part, value)]

    def read(self, part: Slice, name: str) -> Value:
        """Return a slice of a buffer, joined from the longest values that make it up."""
        start, end = part.start, part.start + part.size
        parts: list[Value] = []
        while start < end:
            fitting = [
                value
                for at, value in self.pieces.get(part.buffer, [])
                if at.start == start and start + at.size <= end
            ]
            if not fitting:
                raise InputError(
                    f"graph {self.model.graph.name}: {part.buffer}[{part.start}:{end}] is not made "
                    "of whole node outputs, which .tflite export needs"
                )
            parts.append(max(fitting, key=lambda value: value.size))
            start += parts[-1].size
        if len(parts) > 1:
            self.pieces[part.buffer].append((part, self.concat(name, parts)))
            return self.pieces[part.buffer][-1][1]
        return parts[0]

    def affine(self, matrix_name: str, name: str, x: Value, out_frac: int) -> Value:
        """Append requantise(W x + bias) as a convolution over one pixel, or copies of the input."""
        matrix = self.model.matrices[matrix_name]
        _check_int32(matrix)
        filters = int8_filters(matrix.weights)
        copies = filters.shape[1]
        source = self.copies(f"{name}.copies", x, copies) if copies > 1 else x.tensor
        real = matrix.multiplier * 2.0 ** -matrix.shift.astype(np.float64)
        scales = real * 2.0 ** (x.frac - out_frac)
        out = self.activation(name, matrix.rows, out_frac)
        weights = self.file.constant(f"{matrix_name}.weights", filters, scales.tolist())
        bias_scales = (scales * 2.0**-x.frac).tolist()
        bias = self.file.constant(f"{matrix_name}.bias", matrix.bias.astype(np.int64), bias_scales)
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideW = options.strideH = options.dilationWFactor = options.dilationHFactor = 1
        self.file.operator(_Op.CONV_2D, 4, [source, weights, bias], [out.tensor], options)
        return out

    def copies(self, name: str, x: Value, count: int) -> int:
        """Repeat [1, 1, 1, n] to [1, count, 1, n]."""
        shape = (1, count, 1, x.size)
        out = self.file.tensor(name, shape, x.frac)
        wanted = self.file.constant(f"{name}.shape", np.array(shape, np.int32), [])
        self.file.operator(_Op.BROADCAST_TO, 3, [x.tensor, wanted], [out])
        return out

    def narrow(self, name: str, x: Value) -> Value:
        """Append x8 = (127 x + 2^14) >> 15, a depthwise convolution by 127 with one rounding."""
        out = self.activation(name, x.size, X8_FRAC)
        scales = [2.0 ** (integer.Q15_FRAC - x.frac - X8_FRAC)] * x.size
        if ("127", x.size) not in self.shared:
            filters = np.full((1, 1, 1, x.size), integer.X8_ONE, np.int8)
            weights = self.file.constant(f"by127.{x.size}", filters, scales, _CHANNELS)
            zeros = np.zeros(x.size, np.int64)
            bias_scales = [scale * 2.0**-x.frac for scale in scales]
            self.shared["127", x.size] = weights
            self.shared["0", x.size] = self.file.constant(f"zero.{x.size}", zeros, bias_scales)
        constants = [self.shared["127", x.size], self.shared["0", x.size]]
        options = schema.DepthwiseConv2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideW = options.strideH = options.dilationWFactor = options.dilationHFactor = 1
        options.depthMultiplier = 1
        self.file.operator(_Op.DEPTHWISE_CONV_2D, 5, [x.tensor, *constants], [out.tensor], options)
        return out

    def curve(self, code: int, name: str, x: Value) -> Value:
        """Append tanh or sigmoid of a Q12 tensor, as Q15."""
        out = self.activation(name, x.size, integer.Q15_FRAC)
        self.file.operator(code, 3, [x.tensor], [out.tensor])
        return out

    def add(self, name: str, a: Value, b: Value) -> Value:
        """Append the saturating sum of two tensors of one format."""
        out = self.activation(name, a.size, a.frac)
        options = schema.AddOptionsT()
        options.potScaleInt16 = False
        self.file.operator(_Op.ADD, 3, [a.tensor, b.tensor], [out.tensor], options)
        return out

    def one_minus(self, name: str, z: Value) -> Value:
        """Append 32767 - z."""
        if ("one", z.size) not in self.shared:
            ones = np.full((1, 1, 1, z.size), integer.INT16_MAX, np.int16)
            self.shared["one", z.size] = self.file.constant(f"one.{z.size}", ones, [2.0**-z.frac])
        out = self.activation(name, z.size, z.frac)
        options = schema.SubOptionsT()
        options.potScaleInt16 = False
        one = self.shared["one", z.size]
        self.file.operator(_Op.SUB, 5, [one, z.tensor], [out.tensor], options)
        return out

    def mul(self, name: str, factor: Value, x: Value) -> Value:
        """Append the product of a Q15 factor and x, in the format of x."""
        out = self.activation(name, x.size, x.frac)
        options = schema.MulOptionsT()
        self.file.operator(_Op.MUL, 4, [factor.tensor, x.tensor], [out.tensor], options)
        return out

    def concat(self, name: str, parts: list[Value]) -> Value:
        if len(parts) == 1:
            return parts[0]
        out = self.activation(name, sum(part.size for part in parts), parts[0].frac)
        options = schema.ConcatenationOptionsT()
        options.axis = _CHANNELS
        tensors = [part.tensor for part in parts]
        self.file.operator(_Op.CONCATENATION, 3, tensors, [out.tensor], options)
        return out

    def split(self, name: str, x: Value, count: int) -> list[Value]:
        parts = [self.activation(f"{name}.part{i}", x.size // count, x.frac) for i in range(count)]
        if ("axis", 0) not in self.shared:
            axis = np.array(_CHANNELS, np.int32)
            self.shared["axis", 0] = self.file.constant("channels", axis, [])
        options = schema.SplitOptionsT()
        options.numSplits = count
        tensors = [part.tensor for part in parts]
        self.file.operator(_Op.SPLIT, 4, [self.shared["axis", 0], x.tensor], tensors, options)
        return parts


def int8_filters(
    weights: npt.NDArray[np.int8] | npt.NDArray[np.int16],
) -> npt.NDArray[np.int8]:
    """Split weights [rows, cols] into int8 filters [rows, copies, 1, cols] that sum to them.

    int16 weights need ceil(peak / 127) copies; each copy takes an even share of the weight.
    """
    wide = weights.astype(np.int64)
    copies = max(1, math.ceil(int(np.abs(wide).max(initial=0)) / _INT8_MAX))
    share, rest = np.divmod(wide, copies)
    extra = np.arange(copies)[None, :, None] < rest[:, None, :]
    return (share[:, None, :] + extra)[:, :, None, :].astype(np.int8)


def _check_int32(matrix: QuantisedMatrix) -> None:
    """Raise InputError if an output can exceed int32.

    Interpreters requantise into an int32 before they saturate to int16.
    """
    peak = (matrix.acc_bound * matrix.multiplier.astype(np.int64)) >> matrix.shift.astype(np.int64)
    if int(peak.max()) > integer.INT32_MAX:
        raise InputError(
            f"layer {matrix.name}: its outputs can exceed int32 before saturation, which .tflite "
            "interpreters do not define; scale its weights down"
        )

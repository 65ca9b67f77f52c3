# SPDX-License-Identifier: BSD-3-Clause
"""Write .tflite files with the schema classes that ai-edge-litert ships.

Everything is int16 of shape [1, 1, 1, n] except filters (int8), biases (int64) and shapes (int32).
A scale is a power of two, or a 15-bit integer times a power of two. float32 therefore holds it
exactly, and the requantise multiplier that an interpreter derives from it has at most 15 bits.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

_SCHEMA_VERSION = 3
_BUFFER_ALIGNMENT = 16  # the schema's force_align, which flatbuffers' Python code ignores
_TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
}


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # the schema module has no types
    """A buffer whose bytes start on a multiple of 16 in the file."""

    def Pack(self, builder: Any) -> int:
        builder.Prep(_BUFFER_ALIGNMENT, len(self.data))
        return int(super().Pack(builder))


@dataclass
class FileWriter:
    """Collects the tensors and operators of one graph; `finish` returns the file's bytes."""

    description: str
    _tensors: list[Any] = field(default_factory=list)
    _buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    _operators: list[Any] = field(default_factory=list)
    _codes: list[tuple[int, int]] = field(default_factory=list)

    def activation(self, name: str, size: int, frac: int) -> int:
        """Add an int16 tensor [1, 1, 1, size] with `frac` fractional bits; return its index."""
        return self._add(name, (1, 1, 1, size), schema.TensorType.INT16, [2.0**-frac], 0, 0)

    def tensor(self, name: str, shape: tuple[int, ...], frac: int) -> int:
        """Add an int16 tensor of another shape; return its index."""
        return self._add(name, shape, schema.TensorType.INT16, [2.0**-frac], 0, 0)

    def constant(
        self, name: str, values: npt.NDArray[Any], scales: list[float], channel_axis: int = 0
    ) -> int:
        """Add a constant with its array's type; return its index. Plain integers have no scales."""
        buffer = _AlignedBuffer()
        little_endian = values.astype(values.dtype.newbyteorder("<"))
        buffer.data = np.frombuffer(little_endian.tobytes(), np.uint8)
        self._buffers.append(buffer)
        kind = _TYPES[values.dtype]
        return self._add(name, values.shape, kind, scales, channel_axis, len(self._buffers) - 1)

    def operator(
        self, code: int, version: int, inputs: list[int], outputs: list[int], options: Any = None
    ) -> None:
        """Append an operator; `options` is the schema's options object for it, if it has any."""
        if (code, version) not in self._codes:
            self._codes.append((code, version))
        op = schema.OperatorT()
        op.opcodeIndex = self._codes.index((code, version))
        op.inputs, op.outputs = inputs, outputs
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            op.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            op.builtinOptions = options
        self._operators.append(op)

    def finish(self, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        """Return the file; `inputs` and `outputs` also become its signature 'step'."""
        graph = schema.SubGraphT()
        graph.name = "step"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        signature = schema.SignatureDefT()
        signature.signatureKey = "step"
        signature.subgraphIndex = 0
        signature.inputs = [_tensor_map(*item) for item in inputs.items()]
        signature.outputs = [_tensor_map(*item) for item in outputs.items()]
        model = schema.ModelT()
        model.version = _SCHEMA_VERSION
        model.description = self.description
        model.operatorCodes = [_operator_code(*pair) for pair in self._codes]
        model.subgraphs, model.buffers, model.signatureDefs = [graph], self._buffers, [signature]
        return bytes(convert_object_to_bytearray(model))

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        kind: int,
        scales: list[float],
        channel_axis: int,
        buffer: int,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = [0] * len(scales)
            tensor.quantization.quantizedDimension = channel_axis if len(scales) > 1 else 0
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def _tensor_map(name: str, index: int) -> Any:
    item = schema.TensorMapT()
    item.name, item.tensorIndex = name, index
    return item


def _operator_code(code: int, version: int) -> Any:
    item = schema.OperatorCodeT()
    item.builtinCode, item.version = code, version
    item.deprecatedBuiltinCode = min(code, 127)  # read by interpreters before schema 3a
    return item

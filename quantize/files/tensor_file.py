# SPDX-License-Identifier: BSD-3-Clause
"""Read safetensors files as untrusted input. Every checkpoint and model file is read here.

A file holds the size of its header (8 bytes, little-endian), the header as JSON, and the tensors'
bytes without a gap. The header gives each tensor's type, shape and span of bytes, and notes.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.files.reading import file_bytes, shown

WHAT: Final = "a safetensors checkpoint"
_LENGTH: Final = 8  # bytes that say how long the header is
_NOTES: Final = "__metadata__"
_BF16: Final = "BF16"  # the upper half of a float32
_DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    _BF16: "<u2",
    "BOOL": "?",
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}
_MAX_AXES: Final = 8
_MAX_ELEMENTS: Final = 1 << 40  # of a shape, where an axis of 0 counts as 1

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TensorFile:
    """The contents of a file: its tensors by name and its notes.

    F16 and BF16 are widened to float32. `kinds` has each tensor's type as the file names it: F32,
    BF16, U8, ...
    """

    tensors: Tensors
    notes: dict[str, str]
    kinds: dict[str, str]


class _Damage(Exception):
    """Says why the data is not a safetensors file; never leaves this module."""


def read_tensor_file(
    path: Path, cure: str = "give a .safetensors file", *, missing: str = "no such file"
) -> TensorFile:
    """Read a file; raises InputError where file_bytes or `parse` does."""
    return parse(file_bytes(path, cure, missing=missing), str(path))


def parse(data: bytes, where: str, what: str = WHAT) -> TensorFile:
    """Read the bytes of a file.

    Arrays are writable copies. They never take more memory than the file has bytes for.

    Raises:
        InputError: the data is not `what` or is damaged, or a tensor has an unsupported type (such
            as F8_E4M3). The message names `where`, and that tensor with its type.
    """
    try:
        header, start = _header(data)
        notes = _notes(header.pop(_NOTES, {}))
        spans = {name: _span(name, entry, where) for name, entry in header.items()}
        _check_cover(spans, len(data) - start)
    except _Damage as error:
        raise InputError(f"{where}: not {what}, or damaged ({error})") from None
    tensors = {name: _tensor(data, start, span) for name, span in spans.items()}
    return TensorFile(tensors, notes, {name: span.kind for name, span in spans.items()})


@dataclass(frozen=True)
class _Span:
    """Where a tensor lies after the header, and what its bytes mean."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """Return the header and where the tensors start."""
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH or start > len(data):
        raise _Damage("it ends within its header")
    try:
        header = json.loads(data[_LENGTH:start].decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise _Damage("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _Damage("its header is not a table")
    return header, start


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Damage(f"{shown(twice)} appears twice")
    return table


def _notes(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise _Damage(f"{_NOTES} is not a table of texts")
    return found


def _span(name: str, entry: Any, where: str) -> _Span:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _Damage(f"tensor {shown(name)} lacks a type, shape or place")
    kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str):
        raise _Damage(f"tensor {shown(name)}: its type is {shown(kind)}")
    if kind not in _DTYPES:
        raise InputError(
            f"{where}: tensor {shown(name)} has type {shown(kind)}, which is not supported; "
            "convert it to F32, F16 or BF16"
        )
    if not _whole(shape) or len(shape) > _MAX_AXES:
        raise _Damage(f"tensor {shown(name)} has no proper shape")
    if not _whole(place) or len(place) != 2:
        raise _Damage(f"tensor {shown(name)} has no proper place")
    if math.prod(max(n, 1) for n in shape) > _MAX_ELEMENTS:
        raise _Damage(f"tensor {shown(name)} is too large")
    size = math.prod(shape) * np.dtype(_DTYPES[kind]).itemsize
    if place[1] - place[0] != size:
        raise _Damage(
            f"tensor {shown(name)}: {kind} {shape} takes {size} bytes, "
            f"but its place has {shown(place[1] - place[0])}"
        )
    return _Span(kind, tuple(shape), place[0], place[1])


def _whole(values: Any) -> bool:
    """Return whether this is a list of non-negative integers."""
    return isinstance(values, list) and all(type(n) is int and n >= 0 for n in values)


def _check_cover(spans: dict[str, _Span], size: int) -> None:
    """Refuse tensors that overlap, leave gaps, or end before or after the end of the file."""
    at = 0
    for name, span in sorted(spans.items(), key=lambda item: (item[1].begin, item[1].end)):
        if span.begin != at:
            raise _Damage(f"tensor {shown(name)} overlaps another, or leaves a gap")
        at = span.end
    if at != size:
        raise _Damage(f"{size} bytes of tensors, but its header names {shown(at)}")


def _tensor(data: bytes, start: int, span: _Span) -> npt.NDArray[Any]:
    stored = np.frombuffer(data[start + span.begin : start + span.end], _DTYPES[span.kind])
    if span.kind == _BF16:
        values = (stored.astype(np.uint32) << 16).view(np.float32)
    elif span.kind == "F16":
        values = stored.astype(np.float32)
    elif span.kind == "BOOL":
        values = stored.view(np.uint8) != 0
    else:
        values = stored.astype(stored.dtype.newbyteorder("="))
    return np.asarray(values.reshape(span.shape))

# SPDX-License-Identifier: BSD-3-Clause
"""The file format of quantised models: arrays and a JSON header, with one hash.

A model that consists of models holds each one's file as an array of bytes, called a part.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from quantize.errors import InputError
from quantize.files.reading import file_bytes
from quantize.files.tensor_file import parse
from quantize.files.write import write_whole

Arrays = dict[str, npt.NDArray[Any]]


class ModelFile(ABC):
    """A model that `to_bytes` turns into one file."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Serialise; equal models give equal bytes."""

    @property
    def hash(self) -> str:
        """SHA-256 of the file, as hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        write_whole(path, self.to_bytes())


def pack(kind: str, header: dict[str, Any], arrays: Arrays) -> bytes:
    """Serialise; equal arrays and headers give equal bytes. `kind` names the format."""
    told = json.dumps({"format": kind, **header}, sort_keys=True)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # One metadata key only: safetensors does not promise an order among several.
    return bytes(save(contiguous, metadata={"dredkit": told}))


def unpack(
    data: bytes,
    where: str,
    kind: str,
    *,
    what: str = "a quantised model",
    again: str = "run `dredkit quantize` again",
) -> tuple[dict[str, Any], Arrays]:
    """Read what `pack` made and return the header and the arrays.

    Raises InputError, naming `where`, if the data is not `what` or has another format; the message
    then advises `again`.
    """
    file = parse(data, where, what)
    try:
        header = json.loads(file.notes.get("dredkit", "null"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not {what}: its note is not JSON; {again}") from error
    if not isinstance(header, dict) or header.get("format") != kind:
        raise InputError(f"{where}: not a {kind} file; {again}")
    return header, file.tensors


def read_file(
    path: Path,
    missing: str = "no such quantised model",
    cure: str = "run `dredkit quantize` first",
) -> bytes:
    """Return the bytes of a model's file; raises InputError if it cannot be read."""
    return file_bytes(path, cure, missing=missing)


def join_parts(kind: str, parts: dict[str, bytes]) -> bytes:
    """Serialise; equal parts give equal bytes. `kind` names the format."""
    return pack(kind, {}, {name: np.frombuffer(data, np.uint8) for name, data in parts.items()})


def read_parts(
    path: Path, kind: str, wanted: tuple[str, ...], other: tuple[str, ...] = ()
) -> dict[str, bytes]:
    """Read a file that `join_parts` made; raises InputError unless it has the `wanted` parts.

    The `other` parts may be there.
    """
    _, arrays = unpack(read_file(path), str(path), kind)
    found = (*wanted, *(name for name in other if name in arrays))
    for name in found:
        if name not in arrays:
            raise InputError(f"{path}: a {kind} file without {name}; run `dredkit quantize` again")
        if arrays[name].dtype != np.uint8:
            raise InputError(f"{path}: {name} is damaged; run `dredkit quantize` again")
    return {name: arrays[name].tobytes() for name in found}

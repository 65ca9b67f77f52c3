# SPDX-License-Identifier: BSD-3-Clause
"""One file of named parts: a model that is made of models, each part its own bytes."""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from quantize.errors import InputError


def join_parts(kind: str, parts: dict[str, bytes]) -> bytes:
    """Serialise; equal parts give equal bytes. `kind` names the format."""
    arrays = {name: np.frombuffer(data, np.uint8) for name, data in parts.items()}
    # One metadata key only: safetensors does not promise an order among several.
    return bytes(save(arrays, metadata={"dredkit": json.dumps({"format": kind})}))


def read_parts(path: Path, kind: str, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Read a file that `join_parts` made; raises InputError unless it has the `wanted` parts."""
    if not path.is_file():
        raise InputError(f"{path}: no such model; run `dredkit quantize` first")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("dredkit", "null"))
            parts = {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a quantised model ({error})") from error
    if not isinstance(header, dict) or header.get("format") != kind:
        raise InputError(f"{path}: not a {kind} file; run `dredkit quantize` again")
    for name in wanted:
        if name not in parts:
            raise InputError(f"{path}: a {kind} file without {name}; run `dredkit quantize` again")
    return parts

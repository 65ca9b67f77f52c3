# SPDX-License-Identifier: BSD-3-Clause
"""A voice's weights on disk, as scoring takes them: a checkpoint, or the state of a training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from quantize.files.reading import file_bytes
from quantize.files.tensor_file import parse


@dataclass(frozen=True)
class Source:
    """A file of weights: what the report says about it, and whether it is a training's state."""

    facts: dict[str, str | int]
    trained: bool


def source(path: Path, kind: str, cure: str) -> Source:
    """Look into a file; a state is one by its name (.pt) or by the `kind` that it notes.

    Raises InputError, with `cure` where the file is absent, if the file is damaged.
    """
    data = file_bytes(path, cure)
    facts: dict[str, str | int] = {
        "name": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if path.suffix == ".pt":
        return Source(facts, True)
    notes = parse(data, str(path)).notes
    steps = notes.get("steps", "")
    if steps.isascii() and steps.isdigit() and len(steps) < 19:
        facts["steps"] = int(steps)
    return Source(facts, notes.get("kind") == kind)

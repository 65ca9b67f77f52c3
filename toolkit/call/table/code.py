# SPDX-License-Identifier: BSD-3-Clause
"""A hash of the code that decides a result, so that results of other code are not taken for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import quantize
import toolkit
from toolkit.targets.sources import LIBRARY

_QUANTIZE: Final = Path(quantize.__file__).parent
_TOOLKIT: Final = Path(toolkit.__file__).parent
_TRAINING: Final = ("train", "networks", "litert", "checkpoints")  # of quantize: no part of a call
_ROOMS: Final = ("call", "codegen", "stages", "verify/scoring", "speech")  # of toolkit
_TABLE: Final = _TOOLKIT / "call" / "table"
# What only collects results.
_AROUND: Final = {_TABLE / name for name in ("cluster.py", "kept.py", "summary.py", "schema.py")}


@cache
def code_hash() -> str:
    """Return a hash over the sources of sender, receiver, voices and scorer.

    It is the same on every machine that has the same dredkit.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_sources()):
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    """Yield each source under a name that does not depend on where dredkit is installed."""
    for path in _QUANTIZE.rglob("*.py"):
        within = path.relative_to(_QUANTIZE)
        if within.parts[0] not in _TRAINING:
            yield f"quantize/{within.as_posix()}", path
    for room in _ROOMS:
        for path in (_TOOLKIT / room).rglob("*.py"):
            if path not in _AROUND:
                yield f"toolkit/{path.relative_to(_TOOLKIT).as_posix()}", path
    for path in LIBRARY.rglob("*.[ch]"):
        yield f"firmware/{path.relative_to(LIBRARY).as_posix()}", path

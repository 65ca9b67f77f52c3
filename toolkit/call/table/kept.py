# SPDX-License-Identifier: BSD-3-Clause
"""Results of earlier runs: one line of JSON a result, found by the hash of what it was made of.

A line is written as soon as its result is there. A run that was interrupted leaves at most one
line cut, which the next run ignores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from toolkit.call.table.row import Result, Row
from toolkit.common.errors import InputError

FIELDS: Final = ("plcmos", "bitrate", "lbrr_bitrate", "redundancy_bitrate", "lost_percent")


class Kept:
    """A file of results."""

    def __init__(self, path: Path) -> None:
        """Read what is there; InputError if the file cannot be read or its folder not be made."""
        self._path = path
        self._found: dict[str, Result] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        self._cut = bool(text) and not text.endswith("\n")
        self._found.update(_results(text))

    def get(self, key: str) -> Result | None:
        """Return the result of that hash, if there is one."""
        return self._found.get(key)

    def add(self, row: Row, result: Result) -> None:
        """Keep a result; InputError if it cannot be written."""
        named = {"recording": row.recording, "loss": row.loss, "condition": row.condition.key}
        line = json.dumps({"key": row.key, **named, **result}) + "\n"
        try:
            with self._path.open("ab") as stream:
                stream.write(("\n" * self._cut + line).encode())
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {error.strerror or error}") from error
        self._cut = False
        self._found[row.key] = result


def _results(text: str) -> Iterator[tuple[str, Result]]:
    """Yield each whole line's hash and result."""
    for line in text.splitlines():
        try:
            told: Any = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and isinstance(told.get("key"), str):
            result = {name: told.get(name) for name in FIELDS}
            if all(isinstance(value, int | float) for value in result.values()):
                yield told["key"], result

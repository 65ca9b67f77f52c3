# SPDX-License-Identifier: BSD-3-Clause
"""Files that appear whole or not at all."""

from pathlib import Path

from quantize.errors import InputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file through a partial one beside it; raises InputError if that fails."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error

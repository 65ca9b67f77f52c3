# SPDX-License-Identifier: BSD-3-Clause
"""Files that appear whole or not at all, and text that may go into any of them."""

import re
from pathlib import Path

from toolkit.errors import InputError

# What XML 1.0 cannot hold, not even escaped; a file name can.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file through a partial one beside it; raises InputError if that fails."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def fit_text(text: str) -> str:
    """Replace what neither XML nor UTF-8 can hold (control characters, lone surrogates)."""
    return _UNFIT.sub("\ufffd", text)

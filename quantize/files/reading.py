# SPDX-License-Identifier: BSD-3-Clause
"""Read untrusted files: only regular files, of a bounded size."""

import stat
from pathlib import Path
from typing import Any, Final

from quantize.errors import InputError

MAX_BYTES: Final = 1 << 30  # a hundred times the largest model
_SHOWN: Final = 60  # characters of an untrusted value that a message repeats


def file_bytes(
    path: Path, cure: str, *, missing: str = "no such file", most: int = MAX_BYTES
) -> bytes:
    """Read a whole file.

    Args:
        path: the file; a pipe or a device is refused, since it may never end.
        cure: what the message tells the user to do instead.
        missing: what the message says if there is no such file.
        most: how many bytes the file may have.

    Raises:
        InputError: the file is absent, a folder, not a regular file, too large or unreadable.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{path}: is a folder, not a file; {cure}")
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path}: is a pipe or a device, not a file; {cure}")
        if found.st_size > most:
            raise InputError(f"{path}: {found.st_size} bytes are too many, at most {most}; {cure}")
        with path.open("rb") as file:
            return file.read(found.st_size)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: {missing}; {cure}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {cure}") from error


def shown(value: Any) -> str:
    """Describe an untrusted value on one short line, whatever its type and depth."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"an integer of {value.bit_length()} bits"
    if value is None or type(value) in (bool, int, float):
        return str(value)
    if isinstance(value, str):
        text = value if value.isprintable() else ascii(value)[1:-1]
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    if type(value) in (list, tuple, dict, set, bytes):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"

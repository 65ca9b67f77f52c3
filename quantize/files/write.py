# SPDX-License-Identifier: BSD-3-Clause
"""Write files so that they appear whole or not at all."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from quantize.errors import InputError

_MOST_LINKS = 40  # as many as Linux follows in one path


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to a file through `open_whole`; raises InputError if that fails."""
    with open_whole(path) as stream:
        stream.write(data)


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file and its permissions through `open_whole`; raises InputError on failure."""
    with source.open("rb") as read, open_whole(path) as stream:
        shutil.copyfileobj(read, stream)
        os.fchmod(stream.fileno(), stat.S_IMODE(os.fstat(read.fileno()).st_mode))


@contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing; the file appears when the block ends.

    If the block fails, an older file stays as it was and nothing is left beside it. Missing folders
    are made. A symbolic link stays; the file that it points to is replaced. If `path` is not a
    regular file (a device, a FIFO, standard output), it is written directly.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        straight = _straight(path)
        if straight is not None:
            with straight as stream:
                yield stream
            return
        final = Path(os.path.realpath(path))
        final.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that write the same file must not write the same partial one.
        partial = final.with_name(f"{final.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as stream:
                yield stream
            partial.replace(final)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def remove_old(path: Path) -> None:
    """Remove a regular file, or the file that a link points to, before a run that will write it.

    A run that fails then leaves no old file that could pass for its result. Anything that is not a
    regular file stays. Make the file's folder, so that a path that cannot be written is refused
    before any work.

    Raises:
        InputError: `path` is a folder, or its folder cannot be made or changed.
    """
    try:
        if is_special(path):
            if path.is_dir():
                raise InputError(f"cannot write {path}: it is a folder")
            return
        final = Path(os.path.realpath(path))
        final.parent.mkdir(parents=True, exist_ok=True)
        final.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def is_special(path: Path) -> bool:
    """Return whether something exists at `path` that a rename must not replace."""
    if _descriptor(path) is not None:
        return True
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _straight(path: Path) -> BinaryIO | None:
    """Open `path` directly if a rename must not replace it; otherwise return None."""
    own = _descriptor(path)
    if own is not None:
        # Opening it by name would truncate a file opened for appending; a socket refuses it.
        return os.fdopen(os.dup(own), "wb")
    return path.open("wb") if is_special(path) else None


def _descriptor(path: Path) -> int | None:
    """Return the file descriptor of this process that `path` names (as /dev/stdout), or None."""
    place = Path.cwd() / path
    for _ in range(_MOST_LINKS):
        if os.path.realpath(place.parent) == f"/proc/{os.getpid()}/fd" and place.name.isdigit():
            return int(place.name)
        if not place.is_symlink():
            return None
        place = place.parent / place.readlink()
    return None

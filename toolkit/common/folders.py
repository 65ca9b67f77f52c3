# SPDX-License-Identifier: BSD-3-Clause
"""Share folders that several processes build in: one process at a time, clear errors."""

import atexit
import fcntl
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from toolkit.common.console import err
from toolkit.common.errors import InputError

LOCK = ".lock"

# A lock also separates two open files of one process: only the outermost use of a folder takes it.
_threads: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)
_depths: defaultdict[Path, int] = defaultdict(int)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make a folder and wait until no other process or thread is in it within `alone`.

    Uses may nest. Raises InputError if the folder, or anything in the body, cannot be written.
    """
    folder = folder.resolve()
    with ExitStack() as stack:
        stack.enter_context(_threads[folder])
        if _depths[folder] == 0:
            stack.enter_context(_locked(folder))
        _depths[folder] += 1
        try:
            yield
        except FileNotFoundError:
            raise  # a program that is missing, not a folder that refuses
        except OSError as error:
            raise _refused(error, folder) from error
        finally:
            _depths[folder] -= 1


def own_copy(file: Path) -> Path:
    """Return a copy of a file that nobody else replaces, kept until this process ends.

    Other processes may build the original again as soon as its folder is free. Raises InputError
    if it cannot be read, or if there is no room for the copy.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="dredkit-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return Path(shutil.copy2(file, folder))
    except OSError as error:
        raise InputError(f"cannot copy {file}: {error.strerror or error}") from error


def _locked(folder: Path) -> TextIO:
    """Return the open lock file of a folder, locked; closing it frees the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            err.print(f"waiting for another process that builds in {folder}", markup=False)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise _refused(error, folder) from error
    return lock


def _refused(error: OSError, otherwise: Path) -> InputError:
    where = error.filename2 or error.filename or otherwise
    return InputError(f"cannot write {where}: {error.strerror or error}")

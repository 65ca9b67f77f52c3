# SPDX-License-Identifier: BSD-3-Clause
"""The exception tree: each class has the exit code of a command that ends with it.

0 ok, 1 a check failed, 2 bad input or missing tool, 3 board or link.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from quantize.errors import InputError

__all__ = [
    "BoardError",
    "BoardsFailed",
    "CheckFailed",
    "DredkitError",
    "InputError",
    "Interrupted",
    "LinkError",
    "ToolError",
    "exit_code",
    "plain_errors",
    "system_line",
]


class DredkitError(Exception):
    """Base of everything that ends a command with one clear line."""

    exit_code = 2


class CheckFailed(DredkitError):
    """A check ran and its verdict is no: a mismatch, or over budget."""

    exit_code = 1


class BoardsFailed(CheckFailed):
    """Of many boards none failed a check, and at least one could not be verified.

    Like a failed check, it comes after the command has written its results.
    """

    exit_code = 3


class ToolError(DredkitError):
    """A compiler, emulator or other program is missing or failed."""

    exit_code = 2


class BoardError(DredkitError):
    """The board could not be started, flashed or reset, or it carries the wrong firmware."""

    exit_code = 3


class LinkError(DredkitError):
    """The serial link to the board failed."""

    exit_code = 3


class Interrupted(DredkitError):
    """The user pressed Ctrl-C."""

    exit_code = 130


def system_line(error: OSError) -> str:
    """Return one line on an error of the system: the paths, as far as known, and the reason."""
    names = [name for name in (error.filename, error.filename2) if name is not None]
    paths = [os.fsdecode(name) if isinstance(name, bytes) else str(name) for name in names]
    why = error.strerror or str(error) or type(error).__name__
    return ": ".join([*(paths or ["input or output failed"]), why])


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of the system into errors of one line, anywhere in a command.

    click would take EOFError for an abort, and end with 1, a failed check, for a broken pipe.
    """
    try:
        yield
    except OSError as error:
        raise InputError(system_line(error)) from error
    except EOFError as error:
        raise InputError(f"a file ends too early: {error}") from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error (2 for bad input, which lives below this package)."""
    return error.exit_code if isinstance(error, DredkitError) else 2

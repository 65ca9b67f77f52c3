# SPDX-License-Identifier: BSD-3-Clause
"""The exception tree: each class carries the exit code that the command line ends with.

0 ok, 1 a check failed, 2 bad input or missing tool, 3 board or link.
"""

from quantize.errors import InputError

__all__ = [
    "BoardError",
    "CheckFailed",
    "DredkitError",
    "InputError",
    "LinkError",
    "ToolError",
    "exit_code",
]


class DredkitError(Exception):
    """Base of everything that ends a command with one clear line."""

    exit_code = 2


class CheckFailed(DredkitError):
    """A check ran and its verdict is no: a mismatch, or over budget."""

    exit_code = 1


class ToolError(DredkitError):
    """A compiler, emulator or other program is missing or failed."""

    exit_code = 2


class BoardError(DredkitError):
    """The board could not be started, flashed or reset, or it carries the wrong firmware."""

    exit_code = 3


class LinkError(DredkitError):
    """The serial link to the board failed."""

    exit_code = 3


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error (2 for bad input, which lives below this package)."""
    return error.exit_code if isinstance(error, DredkitError) else 2

# SPDX-License-Identifier: BSD-3-Clause
"""End on Ctrl-C and on other signals with one line, exit code 128 + signal, and no leftovers.

This module imports little, because it handles signals while everything else is imported.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "the terminal was closed",
}

Handler = Callable[[int, FrameType | None], NoReturn]


class Terminated(SystemExit):
    """SIGTERM or SIGHUP arrived: unwinds like KeyboardInterrupt, so that `with` blocks clean up."""


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End this process on a signal while the block runs, with one line and without cleaning up.

    This is right while modules are imported: there is nothing to undo yet, and any of the modules
    could catch an exception. `unwind` and `ignore` have their effect until the block ends.
    """
    before = _install(_end)
    if before:
        # ./run starts Python with SIGINT blocked: one that arrived meanwhile is delivered here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, before)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def unwind() -> None:
    """Raise KeyboardInterrupt or Terminated on a signal, if within `ending_at_once`."""
    if any(signal.getsignal(number) is _end for number in WORDS):
        _install(_unwind)


def ignore() -> None:
    """Ignore signals from now on, so that they do not disturb the clean-up at the end."""
    for number in _install(_unwind):
        signal.signal(number, signal.SIG_IGN)


def exit_status(error: BaseException) -> int | None:
    """Return the exit code for an exception that a signal raised; None for any other."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return int(str(error.code)) if isinstance(error, Terminated) else None


def word(status: int) -> str:
    """Return the message for an exit code of `exit_status`."""
    return WORDS[signal.Signals(status - 128)]


def _install(handler: Handler) -> dict[signal.Signals, Any]:
    """Install a handler for each signal that is not ignored; return the previous handlers."""
    before = {}
    for number in WORDS:
        found = signal.getsignal(number)
        if found is signal.SIG_IGN or found is None:  # as under nohup
            continue
        try:
            signal.signal(number, handler)
        except ValueError:  # not the main thread, the only one that gets signals
            return {}
        before[number] = found
    return before


def _end(number: int, frame: FrameType | None) -> NoReturn:
    text = f"dredkit: {WORDS[signal.Signals(number)]}\n"
    try:
        os.write(2, text.encode())
    finally:
        os._exit(128 + number)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(128 + number)

# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C and requests to end: one line, exit code 128 + signal, and nothing left behind.

This module imports little, because it is in force while everything else is imported.
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

    That is right while modules are imported: nothing has been begun that must be undone, and an
    exception could be caught by any of them. What `unwind` and `ignore` say holds until the block
    ends.
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
    """Let no signal disturb what is done at the end, such as removing folders."""
    for number in _install(_unwind):
        signal.signal(number, signal.SIG_IGN)


def exit_status(error: BaseException) -> int | None:
    """The exit code for what a signal raised; None for any other exception."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return int(str(error.code)) if isinstance(error, Terminated) else None


def word(status: int) -> str:
    """What to say of an exit code of `exit_status`."""
    return WORDS[signal.Signals(status - 128)]


def _install(handler: Handler) -> dict[signal.Signals, Any]:
    """Install a handler for each signal that is not ignored; returns those before."""
    before = {}
    for number in WORDS:
        found = signal.getsignal(number)
        if found is signal.SIG_IGN or found is None:  # as under nohup
            continue
        try:
            signal.signal(number, handler)
        except ValueError:  # not the main thread, which alone hears signals
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

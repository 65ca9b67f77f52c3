# SPDX-License-Identifier: BSD-3-Clause
"""Where words go: people read stderr (tables, progress), programs read --json."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

from quantize.errors import InputError
from quantize.files.write import write_whole
from toolkit.common.option_types import Destination

_EMITTED = (
    "toolkit.common.console.emitted"  # in a click context: destinations of --json that were begun
)


class PlainConsole(Console):
    """A console that prints text as it is.

    Square brackets and colons in a path are no markup and no emoji, in tables and in the line of a
    `status` neither, and a long path is not wrapped, so that it can be copied. Colours come from
    `style` and from rich.text.Text.
    """

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; text alone is never wrapped."""
        if all(isinstance(one, str) for one in objects):
            options.setdefault("soft_wrap", True)
        super().print(*objects, **options)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """Show a line with a spinner while a block runs."""
        return super().status(Text(status) if isinstance(status, str) else status, **options)

    def on_broken_pipe(self) -> None:
        """Raise InputError: rich would end with exit code 1, which stands for a failed check."""
        self.quiet = True
        raise InputError("cannot write to standard error: Broken pipe")


err = PlainConsole()

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json",
    "json_to",
    type=Destination(),
    metavar="FILE|-",
    default=None,
    help="Also write the result, or the error, as JSON to FILE, or to standard output with '-'.",
)


def emit_json(destination: str | None, value: object) -> None:
    """Write `value` as JSON to a file, to standard output for '-', or nowhere for None.

    Raises InputError if it cannot be written.
    """
    if destination is None:
        return
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta.setdefault(_EMITTED, set()).add(destination)
    text = json.dumps(value, indent=2, sort_keys=False) + "\n"
    if destination == "-":
        _write_out(text)
        return
    write_whole(Path(destination), text.encode("utf-8"))


def emitted(context: click.Context, destination: str) -> bool:
    """Whether `emit_json` has begun to write to a destination in this run."""
    return destination in context.meta.get(_EMITTED, ())


def _write_out(text: str) -> None:
    if sys.stdout is None:
        raise InputError("cannot write to standard output: it is closed")
    try:
        click.echo(text, nl=False)
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"cannot write to standard output: {why}") from error

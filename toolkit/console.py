# SPDX-License-Identifier: BSD-3-Clause
"""Where words go: people read stderr (tables, progress), programs read --json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from quantize.files import write_whole
from toolkit.kinds import Destination

err = Console(stderr=True, highlight=False)

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json",
    "json_to",
    type=Destination(),
    metavar="FILE|-",
    default=None,
    help="Also write the result as JSON to FILE, or to standard output with '-'.",
)


def emit_json(destination: str | None, value: object) -> None:
    """Write `value` as JSON to a file, to standard output for '-', or nowhere for None."""
    if destination is None:
        return
    text = json.dumps(value, indent=2, sort_keys=False) + "\n"
    if destination == "-":
        click.echo(text, nl=False)
        return
    write_whole(Path(destination), text.encode("utf-8"))

# SPDX-License-Identifier: BSD-3-Clause
"""Every page of --help as one file, from which `./run` answers before anything is installed.

`python -m scripts.help_text` writes it; a test compares it with the commands.
"""

from collections.abc import Iterator

import click

from toolkit.cli import group
from toolkit.common.paths import DATA

FILE = DATA / "help.txt"
WIDTH = 80


def pages(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield (the words of a command, its page) for a command and all below it."""
    name = " ".join(("dredkit", *words))
    context = click.Context(command, info_name=name, terminal_width=WIDTH, color=False)
    # Commands take both from the group. click keeps the option that it made for a command before,
    # for instance in a test that called the command without the group.
    vars(command)["_help_option"] = None
    context.help_option_names = ["-h", "--help"]
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            yield from pages(below, (*words, word))


def text() -> str:
    """Return the whole file: each page after a line with `==` and its words."""
    return "".join(f"== {words}\n{page}\n" for words, page in pages(group))


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()

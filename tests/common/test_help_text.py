# SPDX-License-Identifier: BSD-3-Clause
"""`./run WORD --help` prints the same before anything is installed as the command itself."""

import click
import pytest

from scripts import help_text
from toolkit.cli import COMMANDS

pytest.importorskip("torch")  # the pages of train and score need it
pytest.importorskip("ai_edge_litert")


def test_the_pages_are_the_commands_own() -> None:
    written = help_text.FILE.read_text(encoding="utf-8")
    assert written == help_text.text(), "renew it: python -m scripts.help_text"


def test_there_is_a_page_for_every_command() -> None:
    names = [name for name, _ in help_text.pages(help_text.group)]
    assert names[0] == "dredkit"
    assert {f"dredkit {word}" for word in COMMANDS} < set(names)
    assert "dredkit train data" in names


def test_the_pages_do_not_depend_on_what_ran_before() -> None:
    command = help_text.group.get_command(click.Context(help_text.group), "targets")
    assert command is not None
    vars(command)["_help_option"] = None
    assert "-h, --help" not in command.get_help(click.Context(command))
    assert help_text.FILE.read_text(encoding="utf-8") == help_text.text()

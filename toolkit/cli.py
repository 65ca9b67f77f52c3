# SPDX-License-Identifier: BSD-3-Clause
"""The `dredkit` command: a thin group over toolkit/commands/, one module a command.

A command's module is imported only when that command runs: what only a few commands need, such as
torch, need not be there for the others.
"""

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from quantize.errors import InputError
from toolkit.console import err
from toolkit.errors import DredkitError, exit_code
from toolkit.paths import INSTALLED, find_own_tools

# Packages that only some commands import, and the extra of pyproject.toml that brings each.
SETS = {"torch": "train", "ai_edge_litert": "export"}

# In the order of the way through: model -> quantize -> ... -> report.
COMMANDS = {
    "doctor": "Show each tool, its version, and what mends a missing one.",
    "targets": "List the boards that dredkit knows.",
    "import": "Read an Opus release's weights and entropy tables into a checkpoint.",
    "train": "Prepare speech data, train and score the default models.",
    "quantize": "Quantise a float model to integers.",
    "generate": "Generate C weight tables and step functions for a target.",
    "build": "Cross-compile the firmware for a target.",
    "flash": "Start a board and write the firmware to it.",
    "stream": "Stream audio through a board and keep its outputs.",
    "verify": "Prove that a board's outputs equal the reference, within the budget.",
    "bench": "Measure what every part and layer of a step costs on a board.",
    "score": "Have voices speak held-out speech, and judge what is heard.",
    "simulate": "Write or read Opus packets that carry DRED in their padding.",
    "report": "Write the HTML page of a verification.",
    "export": "Write a quantised model as .tflite, checked by LiteRT.",
    "demo": "All of it, on the default board, with the shipped clip.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module_name = cmd_name.replace("-", "_") + ("_" if cmd_name == "import" else "")
        command = importlib.import_module(f"toolkit.commands.{module_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version() -> str:
    try:
        return version("dredkit")
    except PackageNotFoundError:
        return "uninstalled"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="dredkit")
def group() -> None:
    """Opus DRED for small ARM chips: quantise, generate, build, flash, stream, verify."""


def main() -> None:
    """Run the command line; every expected error is one line on stderr and an exit code."""
    find_own_tools()
    try:
        group.main(standalone_mode=False)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in SETS:
            raise
        extra = SETS[package]
        cure = f"pip install 'dredkit[{extra}]'" if INSTALLED else f"./run setup {extra}"
        text = f"dredkit: {package} is missing: `{cure}` installs it"
        err.print(text, style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except (DredkitError, InputError) as error:
        err.print(f"dredkit: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(exit_code(error))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        err.print("dredkit: interrupted", style="red")
        sys.exit(130)


if __name__ == "__main__":
    main()

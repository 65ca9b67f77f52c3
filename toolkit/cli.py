# SPDX-License-Identifier: BSD-3-Clause
"""The `dredkit` command: a thin group over toolkit/commands/, one module a command.

A command's module is imported only when that command runs, so that packages that few commands need,
such as torch, may be missing for the others.
"""

from toolkit.common import interrupts

with interrupts.ending_at_once():
    import atexit
    import contextlib
    import importlib
    import os
    import sys
    from collections.abc import Sequence
    from typing import Any, TextIO

    import click

    from quantize.errors import InputError
    from toolkit.commands.shared.outcome import forget_old
    from toolkit.commands.shared.usage import SuggestingGroup, is_help, usage_line
    from toolkit.common.console import err
    from toolkit.common.errors import DredkitError, exit_code, plain_errors
    from toolkit.common.paths import INSTALLED, find_own_tools

# Packages that only some commands import, and the extra of pyproject.toml that installs each.
SETS = {"torch": "train", "ai_edge_litert": "export", "distributed": "call", "dask": "call"}

# In the order in which a user runs them: model -> quantize -> ... -> report.
COMMANDS = {
    "doctor": "Show each tool, its version, and how to install a missing one.",
    "targets": "List the boards that dredkit knows.",
    "boards": "List what is plugged in; verify all boards of a hardware map at once.",
    "import": "Read an Opus release's weights and entropy tables into a checkpoint.",
    "train": "Prepare speech data, train and score the default models.",
    "quantize": "Quantise a float model to integers.",
    "generate": "Generate C weight tables and step functions for a target.",
    "package": "Write the library for a product: one core, a model, build files.",
    "build": "Cross-compile the firmware for a target.",
    "flash": "Start a board and write the firmware to it.",
    "monitor": "Show what a board says: text, and frames by name.",
    "stream": "Stream audio through a board and keep its outputs.",
    "verify": "Prove that a board's outputs equal the reference, within the budget.",
    "soak": "Run speech through a board in real time; how long a frame takes at worst.",
    "bench": "Measure what every part and layer of a step costs on a board.",
    "conformance": "Judge libopus' DRED vectors, decoded in integers, by xiph's limits.",
    "score": "Have voices speak held-out speech, and judge the result.",
    "call": "Let packets of a call get lost; play and score what our receiver makes of it.",
    "simulate": "Write or read Opus packets that carry DRED in their padding.",
    "explain": "Show what each packet of a file carries, and what its loss would cost.",
    "report": "Write the HTML page of a verification.",
    "export": "Write a quantised model as .tflite, checked by LiteRT.",
    "demo": "Run every step on the default board, with the shipped clip.",
}


class LazyGroup(SuggestingGroup):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module_name = cmd_name.replace("-", "_") + ("_" if cmd_name == "import" else "")
        command = importlib.import_module(f"toolkit.commands.{module_name}").command
        assert isinstance(command, click.Command)
        interrupts.unwind()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args:
            forget_old(args[0], args[1:])
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with plain_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with plain_errors():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("dredkit")
    except PackageNotFoundError:
        found = "uninstalled"
    click.echo(f"dredkit, version {found}")
    context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def group() -> None:
    """Opus DRED for small ARM chips: quantise, generate, build, flash, stream, verify."""


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line, or `words`; an expected error gives one line and an exit code."""
    with interrupts.ending_at_once():
        try:
            status = _run(words)
        except (KeyboardInterrupt, interrupts.Terminated) as error:
            interrupts.ignore()
            status = interrupts.exit_status(error) or 2
            _tell(interrupts.word(status))
        interrupts.ignore()
    atexit.register(interrupts.ignore)
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        if stream is not None and not _flushed(stream):
            # At exit Python would flush again, complain, and change the exit code.
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    sys.exit(status)


def _run(words: Sequence[str] | None) -> int:
    """Run the command and return the exit code."""
    find_own_tools()
    try:
        group.main(words, prog_name="dredkit", standalone_mode=False)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in SETS:
            raise
        extra = SETS[package]
        cure = f"pip install 'dredkit[{extra}]'" if INSTALLED else f"./run setup {extra}"
        _tell(f"{package} is missing: `{cure}` installs it")
        return 2
    except (DredkitError, InputError) as error:
        _tell(str(error))
        return exit_code(error)
    except click.ClickException as error:
        if is_help(error):
            with contextlib.suppress(OSError):
                error.show()
        else:
            _tell(usage_line(error))
        return 2
    except click.Abort:
        _tell("interrupted")
        return 130
    return 0


def _tell(text: str) -> None:
    """Say in one line on stderr why the command ends; ignore a stderr that is closed."""
    with contextlib.suppress(OSError, InputError):
        err.print("dredkit: " + " ".join(text.splitlines()), style="red")


def _flushed(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()

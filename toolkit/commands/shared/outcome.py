# SPDX-License-Identifier: BSD-3-Clause
"""Commands whose result files record every ending: errors, Ctrl-C and wrong options too.

Otherwise the files of an earlier run would stay, and a program that collects them would read its
verdict.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from quantize.errors import InputError
from quantize.files.write import is_special, remove_old, write_whole
from toolkit.commands.shared.usage import usage_line
from toolkit.common import interrupts
from toolkit.common.console import emit_json, emitted
from toolkit.common.errors import CheckFailed, DredkitError, exit_code, system_line
from toolkit.common.places import Params, Places, judges, places_of, read_words

# The options that ask for help. click keeps its first answer for each command, so a command that a
# test runs without the group must say the same as the group does.
HELP_NAMES: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}


class Telling(click.Command):
    """A command whose --json records every ending.

    The result files of a command that judges or measures (toolkit/common/places.py) are removed
    before it begins, and record every ending too.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        options["context_settings"] = HELP_NAMES | (options.get("context_settings") or {})
        super().__init__(*args, **options)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:  # fmt: skip
        """Parse the options; write an error in them to the result files as well."""
        asked = list(args)
        try:
            context = super().make_context(info_name, args, parent, **extra)
        except click.exceptions.Exit:  # --help
            raise
        except click.ClickException as error:
            context, params = self._guessed(info_name, asked, parent)
            with contextlib.suppress(InputError):
                self._outcome(info_name, params).tell(context, error)
            raise
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; record how it ended unless it has done so."""
        outcome = self._outcome(ctx.info_name, ctx.params)
        with outcome.told(ctx):
            outcome.begin()
            return super().invoke(ctx)

    def _outcome(self, name: str | None, params: Params) -> "Outcome":
        command = name or ""
        places = places_of(command, params)
        return Outcome(
            command, params.get("target"), params.get("json_to"), places, judges(command)
        )

    def _guessed(
        self, name: str | None, args: list[str], parent: click.Context | None
    ) -> tuple[click.Context, Params]:
        """Read as much as possible of a wrong command line, if need be without its wrong word."""
        lenient: Any = {"ignore_unknown_options": True, "allow_extra_args": True}
        for words in (args, *(args[:i] + args[i + 1 :] for i in reversed(range(len(args))))):
            with contextlib.suppress(click.ClickException):
                context = super().make_context(
                    name, list(words), parent, resilient_parsing=True, **lenient
                )
                return context, context.params
        return click.Context(self, parent), {}


@dataclass(frozen=True)
class Outcome:
    """The places where one run of a command records its result."""

    command: str
    target: str | None
    json_to: str | None
    places: Places = field(default_factory=Places)
    judges: bool = False

    @property
    def _json_file(self) -> Path | None:
        return None if self.json_to in (None, "-") else Path(str(self.json_to))

    def begin(self) -> None:
        """Remove an earlier run's results. Raises InputError where no result could be written."""
        if self.judges:
            for path in (*self.places.every, *([self._json_file] if self._json_file else [])):
                remove_old(path)

    @contextlib.contextmanager
    def told(self, context: click.Context) -> Iterator[None]:
        """Record how the block ended if it raises."""
        try:
            yield
        except click.exceptions.Exit:
            raise
        except BaseException as error:
            self.tell(context, error)
            raise

    def tell(self, context: click.Context, error: BaseException) -> None:
        """Write the error to each place, in place of any result.

        A failed verdict that the command wrote itself stays. The user must see this error, so a
        place that cannot be written is emptied without another error.
        """
        line, status = line_of(error), status_of(error)
        facts = {
            "ok": False, "status": "error", "command": self.command, "target": self.target,
            "error": line, "exit_code": status,
        }  # fmt: skip
        if self.json_to is not None and self._untold(context, error):
            with contextlib.suppress(InputError):
                emit_json(self.json_to, facts)
        if isinstance(error, CheckFailed) and all(p.exists() for p in self.places.json):
            return
        for path in self.places.others:
            with contextlib.suppress(InputError):
                remove_old(path)
        self._write(self.places.json, json.dumps(facts, indent=2).encode() + b"\n")
        if self.places.junit:
            from toolkit.report.junit import junit_error

            kind = type(error).__name__
            self._write(self.places.junit, junit_error(self.command, self.target, kind, line))

    def _untold(self, context: click.Context, error: BaseException) -> bool:
        """Return whether --json lacks this run's result or has one that the error revokes."""
        assert self.json_to is not None
        if not emitted(context, self.json_to):
            return True
        file = self._json_file
        taken_back = self.places.json and not isinstance(error, CheckFailed)
        return bool(taken_back) and file is not None and not is_special(file)

    def _write(self, paths: tuple[Path, ...], data: bytes) -> None:
        for path in paths:
            with contextlib.suppress(InputError):
                remove_old(path)
                write_whole(path, data)


def forget_old(command: str, words: list[str]) -> None:
    """Remove an earlier run's results, as far as the words are understood before parsing.

    This happens before the command is imported: the import takes a second, in which the process
    may be killed.
    """
    if judges(command) and not {"-h", "--help"} & set(words):
        params = read_words(words)
        outcome = Outcome(
            command, None, params.get("json_to"), places_of(command, params), judges=True
        )
        with contextlib.suppress(InputError):
            outcome.begin()


def line_of(error: BaseException) -> str:
    """Return the line that the user sees about the error or signal that ends a command."""
    status = interrupts.exit_status(error)
    if status is not None:
        return interrupts.word(status)
    if isinstance(error, click.ClickException):
        text = usage_line(error)
    elif isinstance(error, OSError):
        text = system_line(error)
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.splitlines())


def status_of(error: BaseException) -> int:
    """Return the exit code for an error; 1, as Python does, for a fault of this program."""
    status = interrupts.exit_status(error)
    if status is not None:
        return status
    known = (DredkitError, InputError, click.ClickException, OSError, EOFError)
    return exit_code(error) if isinstance(error, known) else 1

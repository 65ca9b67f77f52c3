# SPDX-License-Identifier: BSD-3-Clause
"""Commands whose result files tell of every ending: errors, Ctrl-C and wrong options included.

Otherwise the files of an earlier run stay and a program that collects them sees its verdict.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from quantize.errors import InputError
from quantize.files.write import is_special, remove_old, write_whole
from toolkit.common import interrupts
from toolkit.common.console import emit_json, emitted
from toolkit.common.errors import CheckFailed, DredkitError, exit_code, system_line
from toolkit.common.places import Params, Places, judges, places_of, read_words


class Telling(click.Command):
    """A command whose --json tells of every ending.

    The files of a command that judges or measures (toolkit/common/places.py) are removed before it begins,
    and tell of every ending too.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:  # fmt: skip
        """Parse the options; what is wrong with one is told in the files as well."""
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
        """Run the command; tell how it ended unless it has done so."""
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
        """Read what can be read of a command line that is wrong: without its wrong word, if need
        be."""
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
    """Where one run of a command tells its result."""

    command: str
    target: str | None
    json_to: str | None
    places: Places = field(default_factory=Places)
    judges: bool = False

    @property
    def _json_file(self) -> Path | None:
        return None if self.json_to in (None, "-") else Path(str(self.json_to))

    def begin(self) -> None:
        """Remove what an earlier run told. Raises InputError where nothing could be written."""
        if self.judges:
            for path in (*self.places.every, *([self._json_file] if self._json_file else [])):
                remove_old(path)

    @contextlib.contextmanager
    def told(self, context: click.Context) -> Iterator[None]:
        """Tell how the block ended if it raises."""
        try:
            yield
        except click.exceptions.Exit:
            raise
        except BaseException as error:
            self.tell(context, error)
            raise

    def tell(self, context: click.Context, error: BaseException) -> None:
        """Write the error to each place, in place of any result.

        A verdict of no that the command has written itself stays. The error is what the user must
        hear, so a place that cannot be written is only emptied.
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
        """Whether --json has no result of this run yet, or a verdict that the error takes back."""
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
    """Remove what an earlier run of a command told, as far as its words are understood unparsed.

    This comes before the command is imported, which takes a second in which it may be killed.
    """
    if judges(command) and not {"-h", "--help"} & set(words):
        params = read_words(words)
        outcome = Outcome(
            command, None, params.get("json_to"), places_of(command, params), judges=True
        )
        with contextlib.suppress(InputError):
            outcome.begin()


def line_of(error: BaseException) -> str:
    """Return what to say of anything that ends a command, in one line."""
    status = interrupts.exit_status(error)
    if status is not None:
        return interrupts.word(status)
    if isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, OSError):
        text = system_line(error)
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.splitlines())


def status_of(error: BaseException) -> int:
    """Return the exit code for an error; Python's own for a fault of this program."""
    status = interrupts.exit_status(error)
    if status is not None:
        return status
    known = (DredkitError, InputError, click.ClickException, OSError, EOFError)
    return exit_code(error) if isinstance(error, known) else 1

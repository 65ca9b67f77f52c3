# SPDX-License-Identifier: BSD-3-Clause
"""Types of option values: numbers within bounds, names with suggestions, files and folders.

Each refuses a wrong value before the command does any work.
"""

import math
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantize.near import near

if TYPE_CHECKING:
    _Choice = click.Choice[str]
    Kind = click.ParamType[Any]
else:  # older versions of click have no generic types
    _Choice = click.Choice
    Kind = click.ParamType

# Bounds for numbers that have no natural limit.
STEPS_MAX = 1_000_000_000
SEED_MAX = 2**32 - 1


def check_name(
    kind: Kind,
    word: str,
    known: Collection[str],
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> None:
    """Fail with the known names, and the nearest, unless `word` is one of them."""
    if word not in known:
        kind.fail(f"'{word}' is not one of {', '.join(known)}{near(word, known)}", param, ctx)


class Real(click.FloatRange):
    """A finite number within bounds: click's own range lets NaN pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number as a float; fails for NaN, infinity and a number out of bounds."""
        try:
            finite = math.isfinite(float(value))
        except (TypeError, ValueError, OverflowError):
            finite = True  # not a number at all: click says so below
        if not finite:
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return super().convert(value, param, ctx)


class Name(_Choice):
    """One of several names; for a mistyped one the error suggests the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name; fails for any other."""
        check_name(self, str(value), self.choices, param, ctx)
        return super().convert(value, param, ctx)


class Span(Kind):
    """FROM-TO in seconds, as a pair of floats."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Return the pair; fails unless 0 <= FROM < TO and both are finite."""
        if isinstance(value, tuple):
            return value
        try:
            first, last = (float(part) for part in str(value).split("-"))
        except ValueError:
            first, last = 0.0, 0.0
        if not 0 <= first < last < math.inf:
            self.fail(f"{value}: want two times in seconds, as in 1.5-2.5", param, ctx)
        return first, last


class _Place(click.Path):
    """A path that is not an empty word."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path; fails for a path of the wrong kind."""
        if str(value) == "":
            self.fail("an empty name is no path", param, ctx)
        self.check(Path(value), param, ctx)
        return super().convert(value, param, ctx)

    def check(self, path: Path, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """Fail for a path of the wrong kind."""


class InputFile(_Place):
    """A file to read. An absent file is an error at once, unless `made`."""

    def __init__(self, made: bool = False) -> None:
        """With `made`, another command makes the file; its reader names that command."""
        super().__init__(path_type=Path)
        self.made = made

    def check(self, path: Path, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """Fail for a folder, and for an absent file."""
        if path.is_dir():
            self.fail(f"{path} is a folder; a file is wanted", param, ctx)
        if not self.made and not path.exists():
            self.fail(f"{path}: no such file", param, ctx)


class OutputFile(_Place):
    """A file to write; its folder is made when it is written."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def check(self, path: Path, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """Fail for a folder, and for a path that leads through a file."""
        if path.is_dir():
            self.fail(f"{path} is a folder; a file is wanted", param, ctx)
        _check_parents(self, path, param, ctx)


class Folder(_Place):
    """A folder to read or write; `exists` where it must be there already."""

    def __init__(self, exists: bool = False) -> None:
        super().__init__(path_type=Path)
        self.wanted = exists

    def check(self, path: Path, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """Fail for a file, and where `exists` for an absent folder."""
        if path.exists() and not path.is_dir():
            self.fail(f"{path} is a file; a folder is wanted", param, ctx)
        if self.wanted and not path.exists():
            self.fail(f"{path}: no such folder", param, ctx)
        _check_parents(self, path, param, ctx)


def _check_parents(
    kind: Kind, path: Path, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    for parent in path.parents:
        if parent.is_dir():
            return
        if parent.exists():
            kind.fail(f"{path}: {parent} is a file, not a folder", param, ctx)


class Destination(OutputFile):
    """A file to write, or `-` for standard output; stays a word."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word; fails as OutputFile does."""
        return "-" if value == "-" else str(super().convert(value, param, ctx))

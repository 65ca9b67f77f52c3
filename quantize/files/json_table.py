# SPDX-License-Identifier: BSD-3-Clause
"""Read the values of an untrusted JSON table: check that each has its type and range."""

import re
from typing import Any, Final

from quantize.errors import InputError
from quantize.files.reading import shown

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


class HeaderError(InputError):
    """A table that is damaged, or that another program wrote."""


def table(value: Any, what: str) -> dict[str, Any]:
    """Return a JSON object; `what` names it in the HeaderError for anything else."""
    if not isinstance(value, dict):
        raise HeaderError(f"{what} is {shown(value)}, not a table")
    return value


def items(value: Any, what: str) -> list[Any]:
    """Return a JSON array; `what` names it in the HeaderError for anything else."""
    if not isinstance(value, list):
        raise HeaderError(f"{what} is {shown(value)}, not a list")
    return value


def entry(values: dict[str, Any], key: str, what: str) -> Any:
    """Return the value of a key; raises HeaderError if the key is missing."""
    if key not in values:
        raise HeaderError(f"{what} has no {key}")
    return values[key]


def whole(value: Any, what: str, low: int, high: int) -> int:
    """Return an integer within [low, high]; refuse floats, texts and truth values."""
    if type(value) is not int:
        raise HeaderError(f"{what} is {shown(value)}, not an integer")
    if not low <= value <= high:
        raise HeaderError(f"{what} is {shown(value)}, outside {low} to {high}")
    return value


def text(value: Any, what: str) -> str:
    """Return a text; raises HeaderError for anything else."""
    if not isinstance(value, str):
        raise HeaderError(f"{what} is {shown(value)}, not a text")
    return value


def name(value: Any, what: str) -> str:
    """Return a name that C and file systems accept: letters, digits and _, at most 64."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise HeaderError(f"{what} is {shown(value)}, not a name of letters, digits and _")
    return value

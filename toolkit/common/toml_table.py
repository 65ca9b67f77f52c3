# SPDX-License-Identifier: BSD-3-Clause
"""Read a TOML table strictly: a wrong type, a missing or an unknown key gives one clear line."""

import re
import sys
from typing import Any, Final, NoReturn

from quantize.files.reading import shown
from quantize.near import near
from toolkit.common.errors import InputError

WORD: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
VERSION: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}", re.ASCII)


def told(value: Any) -> str:
    """Return a value for a message: a text in quotes, anything else on one short line."""
    return f"'{shown(value)}'" if isinstance(value, str) else shown(value)


class Table:
    """A TOML table that remembers which keys were taken, so that `done` can name the rest."""

    def __init__(self, file: str, where: str, values: dict[str, Any]) -> None:
        self._file = file
        self._where = where
        self._values = values
        self._taken: set[str] = set()
        self._known: set[str] = set()  # keys that were asked for, there or not

    def __contains__(self, key: str) -> bool:
        self._known.add(key)
        return key in self._values

    def refuse(self, key: str, why: str) -> NoReturn:
        """Raise InputError with one line that names file, key and reason."""
        raise InputError(f"{self._file}: {shown(self._where + key)}: {why}")

    def _take(self, key: str, kinds: tuple[type, ...], called: str) -> Any:
        self._known.add(key)
        if key not in self._values:
            self.refuse(key, f"missing; {called} is needed")
        self._taken.add(key)
        value = self._values[key]
        if not isinstance(value, kinds) or isinstance(value, bool):
            self.refuse(key, f"must be {called}, not {told(value)}")
        return value

    def text(self, key: str, empty: bool = False) -> str:
        """Return a string of one line, not empty unless allowed."""
        value: str = self._take(key, (str,), "a string")
        if not value.isprintable():
            self.refuse(key, f"must be one line of text, not {told(value)}")
        if not value and not empty:
            self.refuse(key, "must not be empty")
        return value

    def word(self, key: str) -> str:
        """Return a word of letters, digits and underscores."""
        value = self.text(key)
        if not WORD.fullmatch(value):
            self.refuse(key, f"must be letters, digits and '_', not {told(value)}")
        return value

    def version(self, key: str) -> str:
        """Return a version of two numbers, such as "9.1"."""
        value = self.text(key)
        if not VERSION.fullmatch(value):
            self.refuse(key, f"must be a version such as 9.1, not {told(value)}")
        return value

    def named(self, key: str, names: tuple[str, ...]) -> str:
        """Return one of the `names` that the same file gives to other things."""
        return self.choice(key, names)

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """Return one of the strings in `allowed`."""
        value = self.text(key)
        if value not in allowed:
            self.refuse(
                key, f"must be one of {', '.join(allowed)}, not '{value}'{near(value, allowed)}"
            )
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._take(key, (list,), "a list of strings")
        if not all(isinstance(item, str) and item.isprintable() for item in value):
            self.refuse(key, "must be a list of strings")
        return tuple(value)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        self._known.add(key)
        self._taken.add(key)
        value = self._values.get(key)
        if not isinstance(value, bool):
            self.refuse(key, f"must be true or false, not {told(value)}")
        return value

    def integer(self, key: str, low: int = 0, high: int = 2**63 - 1) -> int:
        """Return an integer within [low, high]."""
        value: int = self._take(key, (int,), "an integer")
        if not low <= value <= high:
            self.refuse(key, f"{told(value)} is outside {low} to {high}")
        return value

    def number(self, key: str) -> float:
        """Return a positive number."""
        value = self._take(key, (int, float), "a number")
        if not 0.0 < value <= sys.float_info.max:
            self.refuse(key, f"must be positive, not {told(value)}")
        return float(value)

    def table(self, key: str) -> "Table":
        """Return a sub-table."""
        return Table(self._file, f"{self._where}{key}.", self._take(key, (dict,), "a table"))

    def tables(self, key: str) -> list["Table"]:
        """Return an array of at least one table."""
        value = self._take(key, (list,), "an array of tables")
        if not value or not all(isinstance(item, dict) for item in value):
            self.refuse(key, "must be an array of tables")
        return [
            Table(self._file, f"{self._where}{key}[{index}].", item)
            for index, item in enumerate(value)
        ]

    def done(self) -> None:
        """Refuse the first key that nobody asked for."""
        for key in self._values:
            if key not in self._taken:
                self.refuse(key, f"unknown key{near(key, self._known - self._values.keys())}")

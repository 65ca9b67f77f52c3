# SPDX-License-Identifier: BSD-3-Clause
"""The JSON schema of a board's TOML file, for editors: targets/board.schema.json.

`python -m toolkit.targets.schema` writes it. It follows from the reader itself: `Recorder` is a
table that notes what the reader asks for and answers with a value that the reader takes. What the
reader checks across keys, such as memories that overlap, is not in the schema.
"""

import json
from pathlib import Path
from typing import Any, Final

from quantize.files.write import write_whole
from toolkit.common.toml_table import VERSION, WORD, Table
from toolkit.targets.about import ABOUT
from toolkit.targets.target import SYSTEMS, TARGETS, target_in

FILE: Final = TARGETS / "board.schema.json"
_SYSTEM: Final = "system"
_LINE: Final = {"type": "string", "minLength": 1}
_HIGHEST: Final = 2**63 - 1

Schema = dict[str, Any]


class Recorder(Table):
    """A table that records the schema of every key that is read from it.

    `where` is the path of this table, with a dot at its end. A key is required unless the reader
    asks whether it is there.
    """

    def __init__(self, where: str, system: str) -> None:
        super().__init__("board.toml", where, {})
        self._system = system
        self._optional: set[str] = set()
        self._found: dict[str, Schema] = {}
        self._inner: dict[str, tuple[Recorder, bool]] = {}

    def __contains__(self, key: str) -> bool:
        self._optional.add(key)
        return True

    def text(self, key: str, empty: bool = False) -> str:
        self._found[key] = {"type": "string"} if empty else dict(_LINE)
        return "x"

    def word(self, key: str) -> str:
        self._found[key] = {"type": "string", "pattern": f"^{WORD.pattern}$"}
        return "x"

    def version(self, key: str) -> str:
        self._found[key] = {"type": "string", "pattern": f"^{VERSION.pattern}$"}
        return "1.0"

    def named(self, key: str, names: tuple[str, ...]) -> str:
        return self.text(key)

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        self._found[key] = {"type": "string", "enum": list(allowed)}
        return self._system if key == _SYSTEM else allowed[0]

    def texts(self, key: str) -> tuple[str, ...]:
        self._found[key] = {"type": "array", "items": {"type": "string"}}
        return ()

    def integer(self, key: str, low: int = 0, high: int = _HIGHEST) -> int:
        bounds = {"minimum": low} | ({} if high == _HIGHEST else {"maximum": high})
        self._found[key] = {"type": "integer", **bounds}
        return low

    def number(self, key: str) -> float:
        self._found[key] = {"type": "number", "exclusiveMinimum": 0}
        return 1.0

    def table(self, key: str) -> Table:
        return self._nested(key, array=False)

    def tables(self, key: str) -> list[Table]:
        return [self._nested(key, array=True)]

    def _nested(self, key: str, array: bool) -> "Recorder":
        inner = Recorder(f"{self._where}{key}.", self._system)
        self._inner[key] = inner, array
        return inner

    def done(self) -> None:
        """Do nothing: there is no key that nobody asked for."""

    def schema(self) -> Schema:
        """Return the schema of the table as far as it was read."""
        properties = dict(self._found)
        for key, (inner, array) in self._inner.items():
            own = inner.schema()
            properties[key] = {"type": "array", "minItems": 1, "items": own} if array else own
        for key in properties:
            about = {"description": ABOUT[self._where + key]}
            properties[key] = about | properties[key]
        return {
            "type": "object",
            "properties": properties,
            "required": [key for key in properties if key not in self._optional],
            "additionalProperties": False,
        }


def board_schema() -> Schema:
    """Return the schema of a board's file, whatever its system.

    What is the same for every system that has it is at the top, where editors look for completions.
    """
    systems = {system: _schema_of(system) for system in SYSTEMS}
    every = dict.fromkeys(key for own in systems.values() for key in own["properties"])
    common: dict[str, Schema] = {}
    for key in every:
        having = [own["properties"][key] for own in systems.values() if key in own["properties"]]
        if having == having[:1] * len(having):
            common[key] = having[0]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A board of dredkit",
        "type": "object",
        "properties": {key: common.get(key, {"description": ABOUT[key]}) for key in every},
        "required": [_SYSTEM],
        "additionalProperties": False,
        "allOf": [_where(system, own, every, common) for system, own in systems.items()],
    }


def _schema_of(system: str) -> Schema:
    recorder = Recorder("", system)
    target_in(Path("board.toml"), recorder)
    return recorder.schema()


def _where(system: str, own: Schema, every: dict[str, None], common: dict[str, Schema]) -> Schema:
    """Return what one system asks for beyond what all have in common."""
    has = own["properties"]
    special = {key: has.get(key, False) for key in every if key not in common or key not in has}
    return {
        "if": {"properties": {_SYSTEM: {"const": system}}, "required": [_SYSTEM]},
        "then": {"properties": special, "required": own["required"]},
    }


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(board_schema(), indent=1) + "\n"


if __name__ == "__main__":
    write_whole(FILE, schema_text().encode())
    print(FILE)

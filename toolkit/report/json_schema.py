# SPDX-License-Identifier: BSD-3-Clause
"""JSON schemas (draft 7) of boards.json and verify.json, made from the shapes that we check by.

`python -m toolkit.report.json_schema` writes them; a test compares.
"""

import json
from typing import Any, Final

from toolkit.common.paths import ROOT
from toolkit.report.schema import RANGES, SCHEMA
from toolkit.verify.farm import STATUSES

_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", None: "null"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT: Final = {"type": "string"}
_MAYBE: Final = {"anyOf": [{"type": "string"}, {"type": "null"}]}
FOLDER: Final = ROOT / "docs" / "schemas"


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a shape as toolkit/report/schema.py writes it."""
    if isinstance(kind, tuple):
        return {"anyOf": [schema_of(one) for one in kind]}
    if isinstance(kind, list):
        return {"type": "array", "items": schema_of(kind[0])}
    if isinstance(kind, dict) and "*" in kind:
        return {"type": "object", "additionalProperties": schema_of(kind["*"])}
    if isinstance(kind, dict):
        return {
            "type": "object",
            "properties": {key: schema_of(value) for key, value in kind.items()},
            "required": list(kind),
        }
    if isinstance(kind, str):
        low, high = RANGES[kind]
        whole = {"type": "integer", "minimum": low, "maximum": high}
        return whole if high < 2**53 else {key: whole[key] for key in ("type", "minimum")}
    return {"type": _TYPES[kind]}


def verify_schema() -> dict[str, Any]:
    """Return the schema of verify.json."""
    return _whole("verify.json", schema_of({"ok": bool, **SCHEMA}))


def boards_schema() -> dict[str, Any]:
    """Return the schema of boards.json."""
    board = {
        "id": _TEXT, "platform": _TEXT, "serial": _MAYBE, "status": {"enum": list(STATUSES)},
        "text": _TEXT, "attempts": _COUNT, "seconds": {"type": "number", "minimum": 0},
    }  # fmt: skip
    properties = {
        "format": {"const": "dredkit-boards-1"},
        "recorded": {"type": "string", "format": "date-time"},
        "map": _TEXT,
        "ok": {"type": "boolean"},
        "counts": _object(dict.fromkeys(STATUSES, _COUNT)),
        "boards": {"type": "array", "items": _object(board)},
    }
    return _whole("boards.json", _object(properties))


def texts() -> dict[str, str]:
    """Return both schemas by the name of their file in docs/schemas."""
    found = {"verify.schema.json": verify_schema(), "boards.schema.json": boards_schema()}
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in found.items()}


def main() -> None:
    """Write the files."""
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _whole(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **schema}


if __name__ == "__main__":
    main()

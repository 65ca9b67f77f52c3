# SPDX-License-Identifier: BSD-3-Clause
"""Check a value by the part of JSON Schema (draft 7) that our schemas use."""

import re
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,),
    "number": (int, float), "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
KNOWN = {
    *("$schema", "title", "description", "type", "properties", "required", "additionalProperties"),
    *("items", "minItems", "enum", "const", "pattern", "minLength", "minimum", "maximum"),
    *("exclusiveMinimum", "allOf", "anyOf", "if", "then", "format"),
}


def faults(value: Any, schema: Any, where: str = "") -> list[str]:
    """Return what is wrong with a value, by path; empty if it fits. Fails for unknown keywords."""
    if isinstance(schema, bool):
        return [] if schema else [f"{where}: not allowed"]
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    kind = schema.get("type")
    is_bool = isinstance(value, bool) and kind != "boolean"
    if kind and (not isinstance(value, TYPES[kind]) or is_bool):
        return [f"{where}: no {kind}"]
    found = [f"{where}: {word}" for word, wrong in _single(value, schema).items() if wrong]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [
            f"{where}.{key}: missing" for key in schema.get("required", ()) if key not in value
        ]
        for key, inner in value.items():
            own = known.get(key, schema.get("additionalProperties", True))
            found += faults(inner, own, f"{where}.{key}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += faults(item, schema["items"], f"{where}[{index}]")
    for part in schema.get("allOf", ()):
        found += faults(value, part, where)
    if "anyOf" in schema and all(faults(value, part, where) for part in schema["anyOf"]):
        found.append(f"{where}: anyOf")
    if "if" in schema and not faults(value, schema["if"], where):
        found += faults(value, schema["then"], where)
    return found


def _single(value: Any, schema: dict[str, Any]) -> dict[str, bool]:
    """Return, by keyword, whether the value breaks it."""
    number = isinstance(value, int | float)
    return {
        "enum": "enum" in schema and value not in schema["enum"],
        "const": "const" in schema and value != schema["const"],
        "pattern": "pattern" in schema and not re.search(schema["pattern"], value),
        "minLength": "minLength" in schema and len(value) < schema["minLength"],
        "minItems": "minItems" in schema and len(value) < schema["minItems"],
        "minimum": number and value < schema.get("minimum", value),
        "maximum": number and value > schema.get("maximum", value),
        "exclusiveMinimum": number and value <= schema.get("exclusiveMinimum", value - 1),
    }

# SPDX-License-Identifier: BSD-3-Clause
"""The JSON schema of a board's TOML: current, fits what ships, refuses what the reader refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.json_schema import faults
from toolkit.common.errors import InputError
from toolkit.common.toml_table import Table
from toolkit.targets.about import ABOUT
from toolkit.targets.parts import PROBES
from toolkit.targets.schema import FILE, board_schema, schema_text
from toolkit.targets.target import TARGETS, target_in, target_names, tomllib

SCHEMA = board_schema()


def values_of(name: str) -> dict[str, Any]:
    return tomllib.loads((TARGETS / f"{name}.toml").read_text(encoding="utf-8"))


def read(values: dict[str, Any]) -> None:
    target_in(Path("board.toml"), Table("board.toml", "", values))


def tables(values: Any) -> list[dict[str, Any]]:
    """Return a table and all tables in it."""
    found = [values] if isinstance(values, dict) else []
    inner = values.values() if isinstance(values, dict) else values
    return found + [t for value in inner if isinstance(value, dict | list) for t in tables(value)]


def test_the_file_is_what_the_reader_says() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), (
        "run `python -m toolkit.targets.schema`"
    )


def test_every_key_is_explained() -> None:
    def keys(schema: Any, where: str) -> set[str]:
        found = set()
        for key, inner in (schema.get("properties") or {}).items():
            if isinstance(inner, dict):
                found |= {where + key} | keys(inner.get("items", inner), f"{where}{key}.")
        return found.union(*(keys(part["then"], where) for part in schema.get("allOf", ())))

    assert keys(SCHEMA, "") == ABOUT.keys()


@pytest.mark.parametrize("name", target_names())
def test_what_ships_fits(name: str) -> None:
    values = values_of(name)
    read(values)
    assert faults(values, SCHEMA) == []


@pytest.mark.parametrize("name", target_names())
def test_an_unknown_key_fails_in_both(name: str) -> None:
    values = values_of(name)
    for table in tables(values):
        table["colour"] = "blue"
        with pytest.raises(InputError, match=r"colour: unknown key"):
            read(values)
        assert [fault for fault in faults(values, SCHEMA) if "colour: not allowed" in fault]
        del table["colour"]
    assert faults(values, SCHEMA) == []


@pytest.mark.parametrize("name", ["netduinoplus2", "virt-a53", "linux-a53"])
def test_a_missing_key_fails_in_both(name: str) -> None:
    optional = {"emulator", "product", "runner", "placement", "wait", "probes"}
    optional |= {"release_voice", *PROBES}
    values = values_of(name)
    for table in tables(values):
        for key in table.keys() - optional:
            kept = table.pop(key)
            with pytest.raises(InputError):
                read(values)
            assert faults(values, SCHEMA), key
            table[key] = kept


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("", "system", "linux"),
        ("", "clock_hz", 168),
        ("", "core", ""),
        ("", "setup", "../x"),
        ("", "gic", {"distributor": 0, "cpu": 0}),
        ("", "runner", {"program": "a", "package": "b", "args": []}),
        ("uart", "irq", 496),
        ("uart", "driver", "a b"),
        ("timer", "hardware_ticks_per_unit", 0),
        ("flash", "method", "jtag"),
        ("emulator", "args", [1]),
    ],
)
def test_a_wrong_value_fails_in_both(where: str, key: str, value: object) -> None:
    values = values_of("netduinoplus2")
    (values[where] if where else values)[key] = value
    with pytest.raises(InputError, match=f"{key}: "):
        read(values)
    assert faults(values, SCHEMA)


def test_the_schema_is_json() -> None:
    assert json.loads(schema_text())["$schema"].startswith("http://json-schema.org/draft-07")

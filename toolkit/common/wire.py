# SPDX-License-Identifier: BSD-3-Clause
"""The wire for Python: wire.toml, read into messages that pack and unpack themselves."""

import re
import struct
import sys
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WIRE_TOML = Path(__file__).with_name("wire.toml")

_INTEGERS = {"u8": (1, "B"), "u16": (2, "H"), "i16": (2, "h"), "u32": (4, "I"), "i32": (4, "i")}
_ARRAY = re.compile(r"(bytes|text)\[(\d+)\]")


@dataclass(frozen=True)
class Field:
    """One field: `kind` is u8, u16, i16, u32, i32, bytes, text or rest; `size` is in bytes."""

    name: str
    kind: str
    size: int
    code: str  # the struct module's; empty for rest

    @staticmethod
    def parse(text: str) -> "Field":
        """Read "name type"; raises ValueError for an unknown type."""
        name, kind = text.split()
        if kind in _INTEGERS:
            size, code = _INTEGERS[kind]
            return Field(name, kind, size, code)
        if array := _ARRAY.fullmatch(kind):
            return Field(name, array[1], int(array[2]), f"{array[2]}s")
        if kind == "rest":
            return Field(name, kind, 0, "")
        raise ValueError(f"wire.toml: field '{text}' has the unknown type '{kind}'")


def _layout(fields: tuple[Field, ...]) -> struct.Struct:
    return struct.Struct("<" + "".join(field.code for field in fields))


@dataclass(frozen=True)
class Record:
    """Fields in a row, the last of which may take all bytes that remain."""

    name: str
    fields: tuple[Field, ...]

    @cached_property
    def layout(self) -> struct.Struct:
        """The fixed part, in front of the rest."""
        return _layout(self.fields)

    @property
    def rest(self) -> str | None:
        """Name of the field that takes all remaining bytes, if there is one."""
        return self.fields[-1].name if self.fields and self.fields[-1].kind == "rest" else None

    def pack(self, **values: Any) -> bytes:
        """Return the bytes. Integers out of range raise struct.error; text is cut to its room."""
        packed = []
        for field in self.fields:
            value = values.pop(field.name)
            packed.append(value.encode("ascii") if field.kind == "text" else value)
        if values:
            raise TypeError(f"{self.name} has no field {', '.join(values)}")
        rest = packed.pop() if self.rest else b""
        return self.layout.pack(*packed) + rest

    def unpack(self, payload: bytes) -> dict[str, Any] | None:
        """Return the fields by name, or None if the payload does not have this record's size."""
        size = self.layout.size
        if len(payload) < size or (len(payload) > size and self.rest is None):
            return None
        values: list[Any] = list(self.layout.unpack_from(payload))
        if self.rest:
            values.append(payload[size:])
        return {
            field.name: value.rstrip(b"\0").decode("ascii", "replace")
            if field.kind == "text"
            else value
            for field, value in zip(self.fields, values, strict=True)
        }


@dataclass(frozen=True)
class Message(Record):
    """One message type; `answer` is the name of a request's answer, None for an answer."""

    type: int
    answer: str | None


@dataclass(frozen=True)
class Timeouts:
    """All times of the host in seconds; wire.toml says what each is for."""

    write_s: float
    open_s: float
    hello_s: float
    hello_retry_s: float
    resend_first_s: float
    resend_min_s: float
    resend_max_s: float
    silent_s: float


@dataclass(frozen=True)
class Wire:
    """The whole description: what wire.toml says, by its names."""

    protocol: int
    header: tuple[Field, ...]
    trailer: tuple[Field, ...]
    maximum_payload: int
    limits: dict[str, int]
    errors: dict[str, int]
    error_meanings: dict[str, str]
    regions: dict[str, int]
    open_flags: dict[str, int]
    timeouts: Timeouts
    ops: dict[str, int]
    records: dict[str, Record]
    messages: dict[str, Message]

    @cached_property
    def header_layout(self) -> struct.Struct:
        return _layout(self.header)

    @cached_property
    def trailer_layout(self) -> struct.Struct:
        return _layout(self.trailer)

    @cached_property
    def by_type(self) -> dict[int, Message]:
        return {message.type: message for message in self.messages.values()}

    def error_name(self, code: int) -> str:
        """Return the name of an error code from the board."""
        names = {number: name for name, number in self.errors.items()}
        return names.get(code, f"error {code}")


def load_wire(path: Path = WIRE_TOML) -> Wire:
    """Read a description; raises ValueError or KeyError where it contradicts itself."""
    with path.open("rb") as file:
        text = tomllib.load(file)
    messages: dict[str, Message] = {}
    for kind in ("requests", "answers"):
        for name, entry in text[kind].items():
            fields = _fields(name, entry["fields"])
            messages[name] = Message(name, fields, entry["type"], entry.get("answer"))
    if len({message.type for message in messages.values()}) != len(messages):
        raise ValueError("wire.toml: two messages share a type")
    for message in messages.values():
        if message.answer is not None and message.answer not in messages:
            raise ValueError(f"wire.toml: {message.name} has the unknown answer {message.answer}")
    frame = text["frame"]
    return Wire(
        protocol=text["protocol"],
        header=_fields("frame.header", frame["header"]),
        trailer=_fields("frame.trailer", frame["trailer"]),
        maximum_payload=frame["maximum_payload"],
        limits=text["limits"],
        errors={name: code for name, (code, _) in text["errors"].items()},
        error_meanings={name: meaning for name, (_, meaning) in text["errors"].items()},
        regions=text["regions"],
        open_flags=text["open_flags"],
        timeouts=Timeouts(**text["timeouts"]),
        ops=text["ops"],
        records={name: Record(name, _fields(name, own)) for name, own in text["records"].items()},
        messages=messages,
    )


def _fields(name: str, entries: list[str]) -> tuple[Field, ...]:
    fields = tuple(Field.parse(entry) for entry in entries)
    if any(field.kind == "rest" for field in fields[:-1]):
        raise ValueError(f"wire.toml: in {name}, only the last field can be the rest")
    return fields


WIRE = load_wire()


class Status(IntEnum):
    """What a function of the firmware returns besides a count: its dk_status."""

    OK = 0
    ARGUMENT = -WIRE.errors["argument"]
    FRAME = -WIRE.errors["frame"]
    TYPE = -WIRE.errors["type"]
    SESSION = -WIRE.errors["session"]
    ORDER = -WIRE.errors["order"]
    RANGE = -WIRE.errors["range"]
    OVERRUN = -WIRE.errors["overrun"]
    RATE = -WIRE.errors["rate"]
    LENGTH = -WIRE.errors["length"]
    SHORT = -WIRE.errors["short"]
    SYMBOL = -WIRE.errors["symbol"]
    PACKET = -WIRE.errors["packet"]
    EXTENSION = -WIRE.errors["extension"]
    PRESENT = -WIRE.errors["present"]
    BLOB_FORMAT = -WIRE.errors["blob_format"]
    BLOB_SIZE = -WIRE.errors["blob_size"]
    BLOB_ALIGNMENT = -WIRE.errors["blob_alignment"]
    BLOB_TARGET = -WIRE.errors["blob_target"]
    BLOB_TOPOLOGY = -WIRE.errors["blob_topology"]
    BLOB_SUM = -WIRE.errors["blob_sum"]
    BLOB_SECTION = -WIRE.errors["blob_section"]
    BLOB_VALUE = -WIRE.errors["blob_value"]

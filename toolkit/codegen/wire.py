# SPDX-License-Identifier: BSD-3-Clause
"""Write dredkit_wire.h from toolkit/common/wire.toml: numbers, structs, and byte-wise packing.

Use: python -m toolkit.codegen.wire OUTPUT.h
"""

import sys
from pathlib import Path

from quantize.files.write import write_whole
from toolkit.codegen.network.tables import END_EXTERN_C, EXTERN_C
from toolkit.common.wire import WIRE, Field, Message, Record, Wire

_HEAD = (
    """\
// SPDX-License-Identifier: BSD-3-Clause
// Generated from toolkit/common/wire.toml by toolkit/codegen/wire.py: change it there.
#ifndef DREDKIT_WIRE_H
#define DREDKIT_WIRE_H

#include <stdint.h>
#include <string.h>

"""
    + EXTERN_C
)

_HELPERS = """\
static inline void dk_wire_put_u8(uint8_t *to, uint8_t value) { to[0] = value; }

static inline void dk_wire_put_u16(uint8_t *to, uint16_t value) {
    to[0] = (uint8_t)(value & 0xFFu);
    to[1] = (uint8_t)(value >> 8);
}

static inline void dk_wire_put_u32(uint8_t *to, uint32_t value) {
    dk_wire_put_u16(to, (uint16_t)(value & 0xFFFFu));
    dk_wire_put_u16(to + 2, (uint16_t)(value >> 16));
}

static inline uint8_t dk_wire_get_u8(const uint8_t *from) { return from[0]; }

static inline uint16_t dk_wire_get_u16(const uint8_t *from) {
    return (uint16_t)((uint32_t)from[0] | ((uint32_t)from[1] << 8));
}

static inline uint32_t dk_wire_get_u32(const uint8_t *from) {
    return (uint32_t)dk_wire_get_u16(from) | ((uint32_t)dk_wire_get_u16(from + 2) << 16);
}
"""


def _define(name: str, value: int) -> str:
    return f"#define DK_WIRE_{name.upper()} {value}u"


def _fixed(fields: tuple[Field, ...]) -> list[tuple[Field, int]]:
    """Return the fields in front of the rest, each with its offset."""
    return [(field, offset) for field, offset in _placed(fields) if field.kind != "rest"]


def _placed(fields: tuple[Field, ...]) -> list[tuple[Field, int]]:
    """Return the fields, each with its offset."""
    placed, offset = [], 0
    for field in fields:
        placed.append((field, offset))
        offset += field.size
    return placed


def _offsets(record: Record) -> list[str]:
    """Return the offset of each field, the rest included, and the size of the fixed part."""
    fields = [(field.name, offset) for field, offset in _placed(record.fields)]
    return [
        *(_define(f"{record.name}_at_{name}", offset) for name, offset in fields),
        _define(f"{record.name}_bytes", record.layout.size),
    ]


def _member(field: Field) -> str:
    if field.kind == "bytes":
        return f"    uint8_t {field.name}[{field.size}];"
    if field.kind == "text":
        return f"    char {field.name}[{field.size}];"
    return f"    uint{8 * field.size}_t {field.name};"


def _struct(message: Message) -> str:
    members = "\n".join(_member(field) for field, _ in _fixed(message.fields))
    return f"typedef struct {{\n{members}\n}} dk_wire_{message.name};\n"


def _put(message: Message) -> str:
    lines = []
    for field, offset in _fixed(message.fields):
        if field.kind in ("bytes", "text"):
            lines.append(f"    memcpy(to + {offset}, from->{field.name}, {field.size});")
        else:
            lines.append(f"    dk_wire_put_{field.kind}(to + {offset}, from->{field.name});")
    body = "\n".join(lines)
    return (
        f"static inline void dk_wire_put_{message.name}"
        f"(uint8_t *to, const dk_wire_{message.name} *from) {{\n{body}\n}}\n"
    )


def _get(message: Message) -> str:
    lines = []
    for field, offset in _fixed(message.fields):
        if field.kind in ("bytes", "text"):
            lines.append(f"    memcpy(to->{field.name}, from + {offset}, {field.size});")
        else:
            lines.append(f"    to->{field.name} = dk_wire_get_{field.kind}(from + {offset});")
    body = "\n".join(lines)
    return (
        f"static inline void dk_wire_get_{message.name}"
        f"(dk_wire_{message.name} *to, const uint8_t *from) {{\n{body}\n}}\n"
    )


def wire_header(wire: Wire = WIRE) -> str:
    """Return the text of dredkit_wire.h.

    For each message it has the type, the size of the fixed part (DK_WIRE_<NAME>_BYTES), and a
    struct with a byte-wise reader (requests) or writer (answers), without packed structs or
    unaligned access. For each record it has the size of the fixed part and the offset of each
    field (DK_WIRE_<NAME>_AT_<FIELD>).
    """
    header, trailer = wire.header_layout.size, wire.trailer_layout.size
    parts = [
        _HEAD,
        _define("protocol", wire.protocol),
        _define("maximum_payload", wire.maximum_payload),
        _define("header_bytes", header),
        *(_define(f"at_{field.name}", offset) for field, offset in _fixed(wire.header)),
        _define("trailer_bytes", trailer),
        *(_define(name, value) for name, value in wire.limits.items()),
        *(_define(f"region_{name}", value) for name, value in wire.regions.items()),
        *(_define(f"open_{name}", value) for name, value in wire.open_flags.items()),
        "",
        "// Bytes that a frame with this payload takes on the wire at most, delimiters included.",
        "#define DK_WIRE_FRAME_BYTES(payload) \\",
        "    (DK_WIRE_HEADER_BYTES + (payload) + DK_WIRE_TRAILER_BYTES + \\",
        "     (DK_WIRE_HEADER_BYTES + (payload) + DK_WIRE_TRAILER_BYTES) / 254u + 3u)",
        "",
        *(_define(f"error_{name}", value) for name, value in wire.errors.items()),
        "",
        *(_define(f"type_{name}", message.type) for name, message in wire.messages.items()),
        "",
        *(_define(f"{name}_bytes", m.layout.size) for name, m in wire.messages.items()),
        "",
        *(_define(f"op_{name}", value) for name, value in wire.ops.items()),
        "",
        *(line for record in wire.records.values() for line in _offsets(record)),
        "",
        _HELPERS,
    ]
    for message in wire.messages.values():
        if _fixed(message.fields):
            pack = _put(message) if message.answer is None else _get(message)
            parts += [_struct(message), pack]
    parts.append(f"{END_EXTERN_C}\n#endif\n")
    return "\n".join(parts)


def write_wire_header(path: Path, wire: Wire = WIRE) -> None:
    """Write the header unless it is there with the same text, so that nothing is compiled again."""
    text = wire_header(wire)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text.encode())


if __name__ == "__main__":
    write_wire_header(Path(sys.argv[1]))

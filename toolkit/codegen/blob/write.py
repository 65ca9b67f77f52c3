# SPDX-License-Identifier: BSD-3-Clause
"""Write a weights blob."""

import struct
import zlib
from typing import Final

from toolkit.codegen.blob.parts import ISAS, Parts, Section

FILE: Final = "weights.dkw"
MAGIC: Final = b"DKWB"
VERSION: Final = 1
ALIGNMENT: Final = 16  # of every section, and of the blob in a product's memory
# Magic, version, ISA, size, number of sections, topology, hash of the model, reserved.
HEADER: Final = struct.Struct("<4sHHII32s32s16x")
ENTRY: Final = struct.Struct("<HHII")  # owner, kind, offset, size
SUM: Final = struct.Struct("<I")


def write_blob(parts: Parts) -> bytes:
    """Return the blob of a model: header, list of sections, sections, CRC-32 of all before."""
    model = bytes.fromhex(parts.hash)
    return blob_of(ISAS.index(parts.isa), parts.topology(), model, parts.sections())


def blob_of(isa: int, topology: bytes, model: bytes, sections: list[Section]) -> bytes:
    """Return a blob with these sections."""
    at = HEADER.size + ENTRY.size * len(sections)
    entries, body = b"", b""
    for section in sections:
        padding = -at % ALIGNMENT
        entries += ENTRY.pack(section.owner, section.kind, at + padding, len(section.data))
        body += bytes(padding) + section.data
        at += padding + len(section.data)
    size = at + SUM.size
    header = HEADER.pack(MAGIC, VERSION, isa, size, len(sections), topology, model)
    return summed(header + entries + body)


def summed(data: bytes) -> bytes:
    """Append the checksum."""
    return data + SUM.pack(zlib.crc32(data))

# SPDX-License-Identifier: BSD-3-Clause
"""Read a weights blob: its header and its sections, not what they mean."""

import zlib
from dataclasses import dataclass

from quantize.errors import InputError
from toolkit.codegen.blob.parts import ISAS, Kind, Section
from toolkit.codegen.blob.write import ENTRY, HEADER, MAGIC, SUM, VERSION


@dataclass(frozen=True)
class Blob:
    """The contents of a blob. `topology` and `model` are hashes of 32 bytes."""

    isa: str
    topology: bytes
    model: bytes
    sections: list[Section]


def read_blob(data: bytes, where: str = "the blob") -> Blob:
    """Return a blob's contents; raises InputError, which names `where`, for anything else."""
    if len(data) < HEADER.size + SUM.size or not data.startswith(MAGIC):
        raise InputError(f"{where}: not a weights blob")
    _, version, isa, size, count, topology, model = HEADER.unpack_from(data)
    if version != VERSION:
        raise InputError(f"{where}: a weights blob of format {version}, not {VERSION}")
    if size > len(data) or size < HEADER.size + SUM.size:
        raise InputError(f"{where}: {len(data)} bytes of a weights blob of {size}: it is cut")
    end = size - SUM.size
    if (zlib.crc32(data[:end]),) != SUM.unpack_from(data, end):
        raise InputError(f"{where}: a damaged weights blob: its checksum is wrong")
    if isa >= len(ISAS) or HEADER.size + count * ENTRY.size > end:
        raise InputError(f"{where}: a weights blob for an unknown ISA, or without its sections")
    sections = []
    for number in range(count):
        owner, kind, offset, length = ENTRY.unpack_from(data, HEADER.size + number * ENTRY.size)
        if offset + length > end or kind not in set(Kind):
            raise InputError(f"{where}: section {number} is not inside the blob, or unknown")
        sections.append(Section(owner, Kind(kind), data[offset : offset + length]))
    return Blob(ISAS[isa], topology, model, sections)

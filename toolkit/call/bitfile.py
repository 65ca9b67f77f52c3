# SPDX-License-Identifier: BSD-3-Clause
"""opus_demo's packet file (.bit): for each packet its length, the coder's final range, its bytes.

Both numbers have 32 bits, most significant byte first. Length 0 means a lost packet. Final range 0
means that it is not known: opus_demo then does not compare it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quantize.files.reading import file_bytes
from quantize.files.write import write_whole
from toolkit.common.errors import InputError

# 120 ms of frames at their largest, each with its length, and as much again for padding.
PACKET_MAX: Final = 2 * 48 * 1277
RECORDS_MAX: Final = 2_000_000  # 11 hours of 20 ms: a file of zeros holds 128 million a gigabyte
_HEAD: Final = struct.Struct(">II")


@dataclass(frozen=True)
class Record:
    """One packet; empty if it was lost."""

    packet: bytes
    final_range: int = 0


def write_bitfile(path: Path, records: Iterable[Record]) -> None:
    """Write all packets, whole or not at all; raises InputError if the file cannot be written."""
    data = b"".join(_HEAD.pack(len(r.packet), r.final_range) + r.packet for r in records)
    write_whole(path, data)


def read_bitfile(path: Path, warn: Callable[[str], None] | None = None) -> list[Record]:
    """Read all packets.

    If the file ends inside a packet, return the packets before it and pass a line about the cut to
    `warn`. Without `warn` or without such packets, a cut file raises InputError, as does a file
    that is unreadable, not a regular file, empty, not a .bit file, or longer than RECORDS_MAX
    packets.
    """
    data = file_bytes(path, "give a packet file of opus_demo (.bit)")
    records: list[Record] = []
    at = 0
    while at + _HEAD.size <= len(data):
        size, final_range = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        if size > PACKET_MAX:
            raise InputError(f"{path}: packet {len(records)} of {size} bytes: not a .bit file")
        if start + size > len(data):
            break
        if len(records) == RECORDS_MAX:
            raise InputError(f"{path}: more than {RECORDS_MAX} packets: not a .bit file, or cut it")
        records.append(Record(data[start : start + size], final_range))
        at = start + size
    if at < len(data):
        cut = f"{path}: ends inside packet {len(records)}"
        if not records or warn is None:
            raise InputError(cut)
        warn(f"{cut}; the {len(records)} before it are read")
    if not records:
        raise InputError(f"{path}: no packets")
    return records

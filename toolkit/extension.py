# SPDX-License-Identifier: BSD-3-Clause
"""DRED inside an Opus packet: extensions in the padding (draft-ietf-mlcodec-opus-extension).

An extension is a byte (ID << 1 | L), then data. IDs from 32 on are long: with L = 0 the data runs
to the end of the padding, with L = 1 its length comes first, in bytes of 255 and a smaller last
one. IDs 3 to 31 have L bytes of data. ID 0 is padding (L = 1: this byte alone; L = 0: all that is
left), ID 1 moves on to the next frame (L = 1: by the number in the next byte), ID 2 repeats the
frame's extensions for all later frames, with data only. Receivers without extensions skip it all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from toolkit.errors import InputError
from toolkit.opus_packet import Packet

PADDING, SEPARATOR, REPEAT, FIRST_LONG = 0, 1, 2, 32
UNIT_MS: Final = 2.5


@dataclass(frozen=True)
class Framing:
    """How a payload is marked: extension ID 32..127, and the bytes before the payload.

    libopus 1.6 uses ID 126 with 'D' and the version, 12, until an ID is assigned; the drafts name
    ID 32 without such bytes. A payload with other bytes there is another version's, and ignored.
    """

    id: int = 126
    prefix: bytes = b"D\x0c"

    def __post_init__(self) -> None:
        if not FIRST_LONG <= self.id <= 127:
            raise InputError(f"extension ID {self.id}: DRED needs a long one, {FIRST_LONG}..127")


LIBOPUS_1_6: Final = Framing()


@dataclass(frozen=True)
class Extension:
    """One extension of a packet: its ID, the frame that it belongs to, and its data."""

    id: int
    frame: int
    data: bytes


@dataclass(frozen=True)
class Found:
    """A DRED payload and how many units of 2.5 ms its frame starts after the packet does."""

    payload: bytes
    frame_offset: int


def insert(packet: bytes, payload: bytes, framing: Framing = LIBOPUS_1_6) -> bytes:
    """Return the packet with a DRED payload in its padding, for its first frame.

    Plain padding is dropped; other extensions stay, behind ours. Raises InputError for a packet
    that breaks a rule, already has this extension, or repeats extensions (ours would be repeated).
    """
    if not payload:
        raise InputError("DRED payload: no bytes; leave the packet as it is")
    parts = Packet.parse(packet)
    found = list(extensions(parts))
    if any(e.id == framing.id for e in found):
        raise InputError(f"Opus packet: already has an extension {framing.id}")
    data = framing.prefix + payload
    if found:
        longs, last = divmod(len(data), 255)
        lacing = b"\xff" * longs + bytes([last])
        padding = bytes([framing.id << 1 | 1]) + lacing + data + parts.padding
    else:
        padding = bytes([framing.id << 1]) + data
    return Packet(parts.toc, parts.frames, padding).build()


def extract(packet: bytes, framing: Framing = LIBOPUS_1_6) -> Found | None:
    """Return the packet's first DRED payload of this ID and version, or None.

    Raises InputError for a packet or padding that breaks a rule.
    """
    parts = Packet.parse(packet)
    for extension in extensions(parts):
        if extension.id == framing.id and extension.data.startswith(framing.prefix):
            payload = extension.data[len(framing.prefix) :]
            return Found(payload, extension.frame * parts.frame_units)
    return None


def strip(packet: bytes) -> bytes:
    """Return the packet without padding and so without extensions."""
    parts = Packet.parse(packet)
    return Packet(parts.toc, parts.frames).build() if parts.padding else packet


def extensions(packet: Packet) -> Iterator[Extension]:
    """Yield what the padding holds; raises InputError where it breaks a rule, or for ID 2."""
    data, at, frame = packet.padding, 0, 0
    while at < len(data):
        number, flag = data[at] >> 1, data[at] & 1
        at += 1
        if number == PADDING:
            if not flag:
                return
        elif number == SEPARATOR:
            frame += _taken(data, at, 1)[0] if flag else 1
            at += flag
            if frame >= len(packet.frames):
                raise InputError(f"Opus extension: for frame {frame} of {len(packet.frames)}")
        elif number == REPEAT:
            raise InputError("Opus extension: repeated extensions are not supported")
        else:
            size = flag
            if number >= FIRST_LONG:
                size, at = _long_size(data, at) if flag else (len(data) - at, at)
            yield Extension(number, frame, _taken(data, at, size))
            at += size


def _taken(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise InputError("Opus extension: ends beyond the padding")
    return data[at : at + size]


def _long_size(data: bytes, at: int) -> tuple[int, int]:
    """Return a laced length, and where the data starts."""
    size, byte = 0, 255
    while byte == 255:
        byte = _taken(data, at, 1)[0]
        size += byte
        at += 1
    return size, at

# SPDX-License-Identifier: BSD-3-Clause
"""DRED inside an Opus packet: extensions in the padding (draft-ietf-mlcodec-opus-extension).

An extension is a byte (ID << 1 | L), then data. IDs from 32 on are long: with L = 0 the data runs
to the end of the padding; with L = 1 its length comes first, in bytes of 255 and a smaller last
one. IDs 3 to 31 have L bytes of data. ID 0 is padding (L = 1: this byte alone; L = 0: all that is
left). ID 1 moves on to the next frame (L = 1: by the number in the next byte). ID 2 repeats the
frame's extensions for all later frames and is followed by their data only. Receivers that do not
know extensions skip the padding. docs/FORMAT.md, section 1, has a table.

One rule is dredkit's own, so that its firmware reads any packet in linear time: ID 2 repeats at
most 64 extensions that have data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from quantize.dred.payload import LENGTH, MAX_BYTES
from quantize.errors import InputError, PacketError, PayloadError
from quantize.packet.opus_packet import Packet

PADDING, SEPARATOR, REPEAT, FIRST_LONG = 0, 1, 2, 32
UNIT_MS: Final = 2.5
PREFIX_MAX: Final = 8  # bytes: two are in use
RUN_MAX: Final = 64  # extensions with data that ID 2 repeats
# DK_ERR_EXTENSION and DK_ERR_PRESENT of firmware/dredkit/include/dredkit/status.h.
EXTENSION, PRESENT = -13, -14


@dataclass(frozen=True)
class Framing:
    """How a payload is marked: extension ID 32..127, and the bytes before the payload.

    libopus 1.6 uses ID 126 with 'D' and the version, 12, until an ID is assigned. The drafts name
    ID 32 without such bytes. A payload with other bytes there has another version and is ignored.
    """

    id: int = 126
    prefix: bytes = b"D\x0c"

    def __post_init__(self) -> None:
        if not FIRST_LONG <= self.id <= 127:
            raise InputError(f"extension ID {self.id}: DRED needs a long one, {FIRST_LONG}..127")
        if len(self.prefix) > PREFIX_MAX:
            raise InputError(f"extension prefix of {len(self.prefix)} bytes: want 0..{PREFIX_MAX}")

    def payload(self, data: bytes) -> bytes:
        """Return the payload in an extension's data; empty if other bytes precede it."""
        return data[len(self.prefix) :] if data.startswith(self.prefix) else b""

    def other_version(self, data: bytes) -> int | None:
        """Return the version of a payload of another version, or None for any other data."""
        marks = len(self.prefix)
        if not marks or len(data) <= marks or not data.startswith(self.prefix[:-1]):
            return None
        version = data[marks - 1]
        return None if version == self.prefix[-1] else version


LIBOPUS_1_6: Final = Framing()
DRAFTS: Final = Framing(32, b"")


@dataclass(frozen=True)
class Extension:
    """One extension of a packet: its ID, the frame that it belongs to, and its data."""

    id: int
    frame: int
    data: bytes


@dataclass(frozen=True)
class Found:
    """A DRED payload, how many units of 2.5 ms its frame starts after the packet, and its marks."""

    payload: bytes
    frame_offset: int
    framing: Framing = LIBOPUS_1_6


@dataclass(frozen=True)
class OtherVersion:
    """A DRED payload of a wire version that is not supported; libopus 1.5 sends version 10."""

    version: int


def insert(packet: bytes, payload: bytes, framing: Framing = LIBOPUS_1_6) -> bytes:
    """Return the packet with a DRED payload in its padding, for its first frame.

    Plain padding is dropped. Other extensions stay and follow this one. Raises PayloadError for a
    payload of 0 or more than 1000 bytes, and PacketError for a packet that breaks a rule, already
    has this extension, or repeats the extensions before it, since it would repeat this one too.
    """
    if not 1 <= len(payload) <= MAX_BYTES:
        raise PayloadError(f"DRED payload: want 1..{MAX_BYTES} bytes, got {len(payload)}", LENGTH)
    parts = Packet.parse(packet)
    found = list(extensions(parts))
    if any(e.id == framing.id for e in found):
        raise PacketError(f"Opus packet: already has an extension {framing.id}", PRESENT)
    data = framing.prefix + payload
    if found:
        longs, last = divmod(len(data), 255)
        lacing = b"\xff" * longs + bytes([last])
        padding = bytes([framing.id << 1 | 1]) + lacing + data + parts.padding
    else:
        padding = bytes([framing.id << 1]) + data
    filled = Packet(parts.toc, parts.frames, padding)
    if not _holds(filled, [Extension(framing.id, 0, data), *found]):
        told = "Opus packet: repeats its extensions for later frames: cannot add one"
        raise PacketError(told, PRESENT)
    return filled.build()


def _holds(packet: Packet, wanted: list[Extension]) -> bool:
    """Return whether the packet's extensions are the wanted ones and well-formed."""
    try:
        return list(extensions(packet)) == wanted
    except PacketError:
        return False


def extract(packet: bytes, framing: Framing = LIBOPUS_1_6) -> Found | None:
    """Return the packet's first DRED payload of this ID and version, or None.

    Raises PacketError for a packet or padding that breaks a rule.
    """
    found = search(Packet.parse(packet), (framing,))
    return found if isinstance(found, Found) else None


def search(parts: Packet, framings: Sequence[Framing]) -> Found | OtherVersion | None:
    """Return the packet's first DRED payload; without one, the first of another version.

    An extension without a payload is skipped, as in libopus. Raises PacketError for padding that
    breaks a rule before a payload is found.
    """
    other: OtherVersion | None = None
    for extension in extensions(parts):
        for framing in framings:
            if framing.id != extension.id:
                continue
            if payload := framing.payload(extension.data):
                return Found(payload, extension.frame * parts.frame_units, framing)
            version = framing.other_version(extension.data)
            if version is not None and other is None:
                other = OtherVersion(version)
    return other


def strip(packet: bytes) -> bytes:
    """Return the packet without padding, and therefore without extensions."""
    parts = Packet.parse(packet)
    return Packet(parts.toc, parts.frames).build() if parts.padding else packet


def extensions(packet: Packet) -> Iterator[Extension]:
    """Yield all extensions, repeated ones too; raises PacketError where they are malformed."""
    data, at, frame = packet.padding, 0, 0
    run: list[tuple[int, int]] = []  # ID and L of the extensions that ID 2 would repeat
    while at < len(data):
        number, flag = data[at] >> 1, data[at] & 1
        at += 1
        if number == PADDING:
            if not flag:
                return
        elif number == SEPARATOR:
            step = _taken(data, at, 1)[0] if flag else 1
            at += flag
            frame += step
            if frame >= len(packet.frames):
                raise _malformed(f"for frame {frame} of {len(packet.frames)}")
            run = [] if step else run
        elif number == REPEAT:
            if frame + 1 < len(packet.frames) and sum(flag for _, flag in run) > RUN_MAX:
                raise _malformed(f"more than {RUN_MAX} of them are repeated")
            for later in range(frame + 1, len(packet.frames)):
                is_last = not flag and later == len(packet.frames) - 1
                for extension, end in _repeated(data, at, later, run, is_last):
                    yield extension
                    at = end
            run = []
            frame += 1 - flag
            if frame >= len(packet.frames):
                return
        else:
            size, at = _size(data, at, number, flag)
            yield Extension(number, frame, _taken(data, at, size))
            at += size
            run.append((number, flag))


def _repeated(
    data: bytes, at: int, frame: int, run: list[tuple[int, int]], is_last: bool
) -> Iterator[tuple[Extension, int]]:
    """Yield a frame's repeated extensions, each with the place where it ends.

    If no more follow (`is_last`), the last long one has no length. It takes all bytes but those
    that the extensions after it need.
    """
    longs = [i for i, (number, _) in enumerate(run) if number >= FIRST_LONG]
    for i, (number, flag) in enumerate(run):
        if is_last and longs and i == longs[-1]:
            size = len(data) - at - sum(flag for _, flag in run[i + 1 :])
        else:
            size, at = _size(data, at, number, flag)
        yield Extension(number, frame, _taken(data, at, size)), at + size
        at += size


def _malformed(what: str) -> PacketError:
    return PacketError(f"Opus extension: {what}", EXTENSION)


def _taken(data: bytes, at: int, size: int) -> bytes:
    if size < 0 or at + size > len(data):
        raise _malformed("ends beyond the padding")
    return data[at : at + size]


def _size(data: bytes, at: int, number: int, flag: int) -> tuple[int, int]:
    """Return the length of an extension's data, and where the data starts."""
    if number < FIRST_LONG:
        return flag, at
    if not flag:
        return len(data) - at, at
    size, byte = 0, 255
    while byte == 255:
        byte = _taken(data, at, 1)[0]
        size += byte
        at += 1
    return size, at

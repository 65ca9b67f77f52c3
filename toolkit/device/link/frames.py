# SPDX-License-Identifier: BSD-3-Clause
"""Frames on a byte stream: COBS between 0x00 delimiters, a header, a payload, a CRC-32."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.common.wire import WIRE, Wire

DELIMITER = b"\0"
_GROUP = 254  # the most bytes behind one COBS code byte


@dataclass(frozen=True)
class Frame:
    """A sound frame: `type` and `sequence` of the header, and the payload."""

    type: int
    sequence: int
    payload: bytes


@dataclass(frozen=True)
class Damaged:
    """Bytes between two delimiters that are no frame, for a message."""

    raw: bytes


def cobs_encode(data: bytes) -> bytes:
    """Return `data` coded without zeros: one byte longer for each 254 bytes, at least one byte."""
    out = bytearray()
    full = False
    for run in data.split(DELIMITER):
        at = 0
        while len(run) - at >= _GROUP:
            out.append(_GROUP + 1)
            out += run[at : at + _GROUP]
            at += _GROUP
        full = at > 0 and at == len(run)
        out.append(len(run) - at + 1)
        out += run[at:]
    if full:  # a full last group stands for itself
        out.pop()
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """Invert cobs_encode; return None for bytes that it never returns."""
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        group = data[at + 1 : at + code]
        if code == 0 or len(group) != code - 1 or 0 in group:
            return None
        out += group
        at += code
        if code <= _GROUP and at < len(data):
            out.append(0)
    return bytes(out)


def encode_frame(frame: Frame, wire: Wire = WIRE) -> bytes:
    """Return the frame's bytes on the wire, delimiters included."""
    if len(frame.payload) > wire.maximum_payload:
        raise ValueError(f"payload of {len(frame.payload)} bytes, at most {wire.maximum_payload}")
    head = wire.header_layout.pack(frame.type, frame.sequence, len(frame.payload))
    body = head + frame.payload
    body += wire.trailer_layout.pack(zlib.crc32(body))
    return DELIMITER + cobs_encode(body) + DELIMITER


def parse_frame(raw: bytes, wire: Wire = WIRE) -> Frame | None:
    """Return the frame whose bytes stood between two delimiters, or None if they are damaged."""
    body = cobs_decode(raw)
    if body is None:
        return None
    header, trailer = wire.header_layout, wire.trailer_layout
    try:
        kind, sequence, length = header.unpack_from(body)
        (crc,) = trailer.unpack(body[-trailer.size :])
    except struct.error:
        return None
    payload = body[header.size : -trailer.size]
    if length != len(payload) or len(body) != header.size + length + trailer.size:
        return None
    if crc != zlib.crc32(body[: -trailer.size]):
        return None
    return Frame(kind, sequence, payload)


class FrameDecoder:
    """Takes bytes as they come, split anywhere, and returns the frames that they complete.

    It holds no more than the longest frame. A longer run without a delimiter is dropped, and counts
    as damaged at the next delimiter.
    """

    def __init__(self, wire: Wire = WIRE) -> None:
        self._wire = wire
        around = wire.header_layout.size + wire.trailer_layout.size
        longest = wire.maximum_payload + around
        self._room = longest + longest // _GROUP + 1
        self._held = bytearray()
        self._overrun = False

    def feed(self, data: bytes) -> Iterator[Frame | Damaged]:
        """Yield the frames and the damaged pieces that `data` completes, in order."""
        *complete, rest = data.split(DELIMITER)
        for piece in complete:
            self._hold(piece)
            raw, overrun = bytes(self._held), self._overrun
            self._held.clear()
            self._overrun = False
            if raw:
                frame = None if overrun else parse_frame(raw, self._wire)
                yield frame if frame is not None else Damaged(raw)
        self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        room = self._room - len(self._held)
        self._overrun = self._overrun or len(piece) > room
        self._held += piece[:room]

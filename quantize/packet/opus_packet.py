# SPDX-License-Identifier: BSD-3-Clause
"""Parse and build Opus packets of every code (RFC 6716, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quantize.errors import PacketError

PACKET: Final = -12  # DK_ERR_PACKET of firmware/dredkit/include/dredkit/status.h
FRAME_MAX: Final = 1275  # bytes
UNITS_MAX: Final = 48  # of 2.5 ms: a packet is at most 120 ms
_VBR, _PADDED, _COUNT = 0x80, 0x40, 0x3F
_TWO_BYTES: Final = 252  # from this value on, a frame's length takes two bytes
_LONG_PADDING: Final = 254  # bytes of padding for each 255 in the padding's length
# Frame lengths in 2.5 ms by TOC configuration: SILK, hybrid, CELT (RFC 6716 table 2).
_UNITS: Final = (4, 8, 16, 24) * 3 + (4, 8) * 2 + (1, 2, 4, 8) * 4


@dataclass(frozen=True)
class Packet:
    """The parts of a packet: the TOC byte, the frames, and the padding, which may be empty."""

    toc: int
    frames: tuple[bytes, ...]
    padding: bytes = b""

    @property
    def frame_units(self) -> int:
        """Length of one frame in units of 2.5 ms."""
        return _UNITS[self.toc >> 3]

    @property
    def units(self) -> int:
        """Length of all frames of the packet in units of 2.5 ms, 1..48."""
        return self.frame_units * len(self.frames)

    @classmethod
    def parse(cls, data: bytes) -> Packet:
        """Parse a packet; raises PacketError if it breaks a rule of the RFC."""
        if not data:
            raise _broken("no bytes")
        code, rest = data[0] & 3, data[1:]
        padding = b""
        if code == 0:
            frames = [rest]
        elif code == 1:
            frames = _equal(rest, 2)
        elif code == 2:
            size, used = _frame_length(rest)
            frames = [_take(rest[used:], size), rest[used + size :]]
        else:
            frames, padding = _parse_code_3(rest)
        if any(len(frame) > FRAME_MAX for frame in frames):
            raise _broken(f"a frame of more than {FRAME_MAX} bytes")
        packet = cls(data[0], tuple(frames), padding)
        if packet.units > UNITS_MAX:
            raise _broken("more than 120 ms")
        return packet

    def build(self) -> bytes:
        """Return the packet as code 3, with its padding if any, and VBR only if lengths differ."""
        is_vbr = len({len(frame) for frame in self.frames}) > 1
        flags = (_VBR if is_vbr else 0) | (_PADDED if self.padding else 0)
        head = bytes([self.toc | 3, flags | len(self.frames)])
        if self.padding:
            # The length counts the bytes of padding data; each 255 adds 254 of them.
            longs, last = divmod(len(self.padding) - 1, _LONG_PADDING)
            head += b"\xff" * longs + bytes([last + 1])
        if is_vbr:
            head += b"".join(_length_bytes(len(frame)) for frame in self.frames[:-1])
        return head + b"".join(self.frames) + self.padding


def _broken(rule: str) -> PacketError:
    return PacketError(f"Opus packet: {rule}", PACKET)


def _parse_code_3(rest: bytes) -> tuple[list[bytes], bytes]:
    if not rest:
        raise _broken("code 3 without its frame count")
    flags, count = rest[0], rest[0] & _COUNT
    if count == 0 or count > UNITS_MAX:
        raise _broken(f"{count} frames")
    at, padded = 1, 0
    if flags & _PADDED:
        byte = 255
        while byte == 255:
            if at >= len(rest):
                raise _broken("ends inside the padding's length")
            byte = rest[at]
            at += 1
            padded += _LONG_PADDING if byte == 255 else byte
    body = rest[at:]
    if padded > len(body):
        raise _broken("more padding than bytes")
    body, padding = body[: len(body) - padded], body[len(body) - padded :]
    if not flags & _VBR:
        return _equal(body, count), padding
    sizes = []
    for _ in range(count - 1):
        size, used = _frame_length(body)
        sizes.append(size)
        body = body[used:]
    frames = []
    for size in sizes:
        frames.append(_take(body, size))
        body = body[size:]
    return [*frames, body], padding


def _equal(data: bytes, count: int) -> list[bytes]:
    size, odd = divmod(len(data), count)
    if odd:
        raise _broken(f"{len(data)} bytes are not {count} equal frames")
    return [data[i * size : (i + 1) * size] for i in range(count)]


def _take(data: bytes, size: int) -> bytes:
    if size > len(data):
        raise _broken("ends inside a frame")
    return data[:size]


def _frame_length(data: bytes) -> tuple[int, int]:
    """Return a frame's length and how many bytes encode it."""
    if not data or (data[0] >= _TWO_BYTES and len(data) < 2):
        raise _broken("ends inside a frame's length")
    if data[0] < _TWO_BYTES:
        return data[0], 1
    return 4 * data[1] + data[0], 2


def _length_bytes(size: int) -> bytes:
    if size < _TWO_BYTES:
        return bytes([size])
    first = _TWO_BYTES + size % 4
    return bytes([first, (size - first) // 4])

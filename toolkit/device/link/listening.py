# SPDX-License-Identifier: BSD-3-Clause
"""What comes over a line, for people: frames by name with their fields, text line by line."""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from toolkit.common.wire import WIRE, Wire
from toolkit.device.link.frames import DELIMITER, Frame, parse_frame

FRAME, TEXT, BYTES = "frame", "text", "bytes"
_PRINTABLE: Final = frozenset(string.printable.encode()) - {0x0B, 0x0C}
_LONGEST_TEXT: Final = 1024  # a longer run without a line end or delimiter is shown as it is
_SHOWN: Final = 16  # bytes of a field that are shown


@dataclass(frozen=True)
class Heard:
    """One thing that came: its kind, and how it reads in one line."""

    kind: str
    line: str


class Listener:
    """Takes bytes as they come, split anywhere; yields what they are, in order.

    What stands between two delimiters is a frame, or text, or other bytes. A board without a
    session, or one that reports a fault, sends text without delimiters.
    """

    def __init__(self, wire: Wire = WIRE) -> None:
        self._wire = wire
        self._held = b""
        longest = wire.maximum_payload + wire.header_layout.size + wire.trailer_layout.size
        self._room = longest + longest // 254 + 2

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Yield what `data` completes."""
        *pieces, rest = (self._held + data).split(DELIMITER)
        self._held = b""
        for piece in pieces:
            if piece:
                yield from self._piece(piece)
        if _is_text(rest):
            *lines, rest = rest.split(b"\n")
            yield from (_text(line) for line in lines if line.strip())
            if len(rest) > _LONGEST_TEXT:
                yield _text(rest)
                rest = b""
        elif len(rest) > self._room:
            yield _raw(rest)
            rest = b""
        self._held = rest

    def rest(self) -> Iterator[Heard]:
        """Yield what is still held: the line has ended."""
        held, self._held = self._held, b""
        if held.strip():
            yield _text(held) if _is_text(held) else _raw(held)

    def _piece(self, piece: bytes) -> Iterator[Heard]:
        frame = parse_frame(piece, self._wire)
        if frame is not None:
            yield Heard(FRAME, named(frame, self._wire))
        elif _is_text(piece):
            yield from (_text(line) for line in piece.split(b"\n") if line.strip())
        else:
            yield _raw(piece)


def named(frame: Frame, wire: Wire = WIRE) -> str:
    """Return a frame in one line: its name, number and fields."""
    message = wire.by_type.get(frame.type)
    if message is None:
        return f"#{frame.sequence} of unknown type 0x{frame.type:02x}, {len(frame.payload)} bytes"
    fields = message.unpack(frame.payload)
    if fields is None:
        return f"{message.name} #{frame.sequence}: {len(frame.payload)} bytes of another layout"
    if message.name == "error":
        fields = {**fields, "code": wire.error_name(fields["code"])}
    shown = " ".join(f"{name}={_shown(value)}" for name, value in fields.items())
    return f"{message.name} #{frame.sequence} {shown}".rstrip()


def _shown(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    more = f"... ({len(value)} bytes)" if len(value) > _SHOWN else ""
    return (value[:_SHOWN].hex() or "nothing") + more


def _is_text(data: bytes) -> bool:
    return all(byte in _PRINTABLE for byte in data)


def _text(line: bytes) -> Heard:
    return Heard(TEXT, line.decode("ascii", errors="replace").strip("\r\n"))


def _raw(data: bytes) -> Heard:
    return Heard(BYTES, f"{_shown(data)}, no frame and no text")

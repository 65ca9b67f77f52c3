# SPDX-License-Identifier: BSD-3-Clause
"""The bytes of an image (ELF) that go into flash, and the file formats that carry them there."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from toolkit.common.errors import InputError

# A UF2 block: microsoft/uf2, README.md ("File format").
_UF2_START: Final = (0x0A324655, 0x9E5D5157)
_UF2_END: Final = 0x0AB16F30
_UF2_HAS_FAMILY: Final = 0x2000
_UF2_BLOCK: Final = struct.Struct("<8I476sI")
UF2_PAYLOAD: Final = 256  # bytes in one block: what every loader takes
_HEX_ROW: Final = 16


@dataclass(frozen=True)
class Piece:
    """Bytes that belong at one address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """The address after the last byte."""
        return self.address + len(self.data)


def pieces(image: Path) -> list[Piece]:
    """Return what an image loads, by load address. Raises InputError for a file that is no ELF."""
    try:
        with image.open("rb") as file:
            found = [
                Piece(part["p_paddr"], part.data())
                for part in ELFFile(file).iter_segments()
                if part["p_type"] == "PT_LOAD" and part["p_filesz"]
            ]
    except OSError as error:
        raise InputError(f"{image}: cannot be read: {error.strerror}") from None
    except ELFError as error:
        raise InputError(f"{image}: not an ELF image: {error}") from None
    if not found:
        raise InputError(f"{image}: loads nothing")
    return sorted(found, key=lambda piece: piece.address)


def uf2(parts: Sequence[Piece], family: int) -> bytes:
    """Return a UF2 file. Each block has 256 bytes at a multiple of 256; gaps are zero.

    `family` is the family id that the chip's loader takes (microsoft/uf2, utils/uf2families.json).
    """
    pages: dict[int, bytearray] = {}
    for part in parts:
        for index, byte in enumerate(part.data, part.address):
            page = pages.setdefault(index // UF2_PAYLOAD, bytearray(UF2_PAYLOAD))
            page[index % UF2_PAYLOAD] = byte
    out = bytearray()
    for number, (page_number, page) in enumerate(sorted(pages.items())):
        out += _UF2_BLOCK.pack(
            *_UF2_START, _UF2_HAS_FAMILY, page_number * UF2_PAYLOAD, UF2_PAYLOAD, number,
            len(pages), family, bytes(page), _UF2_END,
        )  # fmt: skip
    return bytes(out)


def intel_hex(parts: Sequence[Piece]) -> bytes:
    """Return an Intel HEX file of 32-bit addresses."""
    lines: list[str] = []
    upper = -1
    for part in parts:
        for address, row in _rows(part):
            if address >> 16 != upper:
                upper = address >> 16
                lines.append(_record(4, 0, upper.to_bytes(2, "big")))
            lines.append(_record(0, address & 0xFFFF, row))
    lines.append(_record(1, 0, b""))
    return "".join(f"{line}\r\n" for line in lines).encode()


def _rows(part: Piece) -> Iterator[tuple[int, bytes]]:
    """Yield rows that do not cross a multiple of 16: nor do they cross one of 64 KiB."""
    at = part.address
    while at < part.end:
        end = min(part.end, (at // _HEX_ROW + 1) * _HEX_ROW)
        yield at, part.data[at - part.address : end - part.address]
        at = end


def _record(kind: int, address: int, data: bytes) -> str:
    body = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}"

# SPDX-License-Identifier: BSD-3-Clause
"""The RAM of an emulated board as a file that QEMU shares: what a probe sees of a real one."""

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path


class SharedRam:
    """The bytes of one memory, while QEMU runs them; the methods have pyOCD's names.

    `origin` is the address of its first byte. Raises ValueError for an address elsewhere.
    """

    def __init__(self, path: Path, origin: int, length: int) -> None:
        self.path = path
        self._origin = origin
        with path.open("xb+") as file:
            file.truncate(length)
            self._bytes = mmap.mmap(file.fileno(), length)

    def read_memory_block8(self, addr: int, size: int) -> bytes:
        """Return `size` bytes."""
        at = self._place(addr, size)
        return self._bytes[at : at + size]

    def read_memory_block32(self, addr: int, size: int) -> Sequence[int]:
        """Return `size` words of 32 bits."""
        return struct.unpack(f"<{size}I", self.read_memory_block8(addr, 4 * size))

    def write_memory_block8(self, addr: int, data: Sequence[int]) -> None:
        """Write bytes."""
        at = self._place(addr, len(data))
        self._bytes[at : at + len(data)] = bytes(data)

    def read32(self, addr: int) -> int:
        """Return a word of 32 bits."""
        return self.read_memory_block32(addr, 1)[0]

    def write32(self, addr: int, value: int) -> None:
        """Write a word of 32 bits at once."""
        struct.pack_into("<I", self._bytes, self._place(addr, 4), value)

    def close(self) -> None:
        """Give the file back; may be called twice."""
        self._bytes.close()

    def _place(self, addr: int, size: int) -> int:
        at = addr - self._origin
        if not 0 <= at <= len(self._bytes) - size:
            raise ValueError(f"0x{addr:08x} is outside the memory at 0x{self._origin:08x}")
        return at

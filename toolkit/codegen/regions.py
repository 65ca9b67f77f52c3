# SPDX-License-Identifier: BSD-3-Clause
"""The regions of a core's memory protection unit: one or more for each memory of the board.

firmware/port/cortexm/memory.c sets them up and then turns on the caches.
"""

from dataclasses import dataclass
from typing import Final

from toolkit.common.errors import InputError
from toolkit.targets.memory import Memory
from toolkit.targets.target import Target

# Cores with caches and a protection unit, and whether a region must have a power of two bytes, as
# in Armv7-M.
CACHED: Final = {"cortex-m7": True, "cortex-m55": False, "cortex-m85": False}
CODE, DATA, NONE = "DK_REGION_CODE", "DK_REGION_DATA", "DK_REGION_NONE"
SMALLEST: Final = 32
MOST: Final = 8  # every unit has as many
# Where an Armv7-M core expects memory outside the chip. It reads ahead there, which can hang a chip
# that has none, so no access is allowed but to the memories that the board names.
OUTSIDE: Final = ((0x6000_0000, 0x2000_0000), (0x8000_0000, 0x2000_0000))


@dataclass(frozen=True)
class Region:
    """`bytes` bytes from address `start`; `kind` is a macro of firmware/port/cortexm/core.h."""

    start: int
    bytes: int
    kind: str

    @property
    def end(self) -> int:
        """The first address beyond."""
        return self.start + self.bytes


def regions(target: Target) -> list[Region]:
    """Return the regions of a board, of which a later one counts where two overlap.

    There are none for a core without caches. Raises InputError if the memories need too many.
    """
    if target.system != "cortexm" or target.core not in CACHED:
        return []
    found = _merged(target.memories)
    if CACHED[target.core]:
        outside = [Region(start, size, NONE) for start, size in OUTSIDE]
        found = outside + [piece for region in found for piece in _pieces(region)]
    if len(found) > MOST or any(r.start % SMALLEST or r.bytes % SMALLEST for r in found):
        raise InputError(
            f"{target.path}: memory: the protection unit of a {target.core} has {MOST} regions"
            f"{' of a power of two bytes' if CACHED[target.core] else ''}, which these memories do "
            f"not fit; use rounder addresses and lengths"
        )
    return found


def _merged(memories: tuple[Memory, ...]) -> list[Region]:
    """Return one region for each run of adjoining memories of one kind."""
    found: list[Region] = []
    for memory in sorted(memories, key=lambda memory: memory.origin):
        kind = CODE if memory.kind == "flash" else DATA
        if found and found[-1].end == memory.origin and found[-1].kind == kind:
            found[-1] = Region(found[-1].start, memory.end - found[-1].start, kind)
        else:
            found.append(Region(memory.origin, memory.length, kind))
    return found


def _pieces(region: Region) -> list[Region]:
    """Cut a region into powers of two, each at a multiple of its size."""
    found = []
    start, left = region.start, region.bytes
    while left:
        size = 1 << (left.bit_length() - 1)
        while start % size:
            size >>= 1
        found.append(Region(start, size, region.kind))
        start, left = start + size, left - size
    return found

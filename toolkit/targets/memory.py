# SPDX-License-Identifier: BSD-3-Clause
"""The memories of a board, and the placements of tables in them, as a target file has them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from toolkit.common.toml_table import Table

MEMORY_KINDS = ("flash", "ram")
FLASH_SECTIONS = ("vectors", "text", "rodata")
RAM_SECTIONS = ("stack", "data", "bss")
BOOT_SECTION = "boot"  # what the chip's boot ROM reads, where it reads something


@dataclass(frozen=True)
class Wait:
    """A fetch of `bytes` bytes takes `states` cycles more; `source` is the document with both."""

    states: int
    bytes: int
    source: str


@dataclass(frozen=True)
class Memory:
    """A span of addresses and the sections that go there; the debugger writes a `flash`.

    `wait` is what a fetch takes beyond a cycle. It is None where the target file has no figure.
    """

    name: str
    origin: int
    length: int
    kind: str
    sections: tuple[str, ...]
    wait: Wait | None = None

    @property
    def end(self) -> int:
        """The first address beyond."""
        return self.origin + self.length


@dataclass(frozen=True)
class Placement:
    """Tables whose names match one of these patterns lie in the memory of this name."""

    tables: tuple[str, ...]
    memory: str


def read_memory(table: Table) -> Memory:
    """Read one [[memory]]."""
    kind = table.choice("kind", MEMORY_KINDS)
    value = Memory(
        name=table.word("name"),
        origin=table.integer("origin", high=2**32 - 1),
        length=table.integer("length", low=1, high=2**32),
        kind=kind,
        sections=table.texts("sections"),
        wait=_wait(table.table("wait")) if "wait" in table else None,
    )
    table.done()
    for section in value.sections:
        allowed = (*FLASH_SECTIONS, BOOT_SECTION) if kind == "flash" else RAM_SECTIONS
        if section not in allowed:
            table.refuse("sections", f"'{section}' is not one of {', '.join(allowed)} ({kind})")
    return value


def _wait(table: Table) -> Wait:
    value = Wait(
        states=table.integer("states", high=1000),
        bytes=table.integer("bytes", low=1, high=1024),
        source=table.text("source"),
    )
    table.done()
    return value


def read_placement(table: Table, memories: tuple[Memory, ...]) -> Placement:
    """Read one [[placement]]."""
    value = Placement(
        tables=table.texts("tables"),
        memory=table.named("memory", tuple(memory.name for memory in memories)),
    )
    table.done()
    return value


def check_memories(
    table: Table, memories: tuple[Memory, ...], stack_bytes: int, boot: bool = False
) -> None:
    """Refuse memories that overlap, a section without one home, and a stack that does not fit.

    `boot` tells whether there is a section for the chip's boot ROM.
    """
    ordered = sorted(memories, key=lambda memory: memory.origin)
    names = [memory.name for memory in ordered]
    if len(set(names)) != len(names):
        table.refuse("memory", "two memories have the same name")
    for memory in ordered:
        if memory.end > 2**32:
            table.refuse("memory", f"'{memory.name}' ends beyond 4 GB")
    for low, high in pairwise(ordered):
        if high.origin < low.end:
            table.refuse("memory", f"'{low.name}' and '{high.name}' overlap")
    for section in (*FLASH_SECTIONS, *RAM_SECTIONS, BOOT_SECTION):
        homes = sum(section in memory.sections for memory in memories)
        if section == BOOT_SECTION and not boot:
            if homes:
                table.refuse("memory", "section 'boot' is for a board that names a boot driver")
        elif homes != 1:
            table.refuse("memory", f"section '{section}' must be in exactly one, is in {homes}")
    stack_room = next(memory.length for memory in memories if "stack" in memory.sections)
    if stack_bytes > stack_room or stack_bytes % 16:
        table.refuse("stack_bytes", f"must be a multiple of 16 up to {stack_room}")

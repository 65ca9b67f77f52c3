# SPDX-License-Identifier: BSD-3-Clause
"""Which memory of a board holds which tables, and what waiting for a memory may cost.

A placement of a target's file names tables by patterns, NETWORK/MATRIX as in a manifest, such as
"rdovae_enc/*_recurrent"; the first that fits counts. All other tables go where `rodata` goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from toolkit.common.toml_table import Table

if TYPE_CHECKING:
    from toolkit.targets.target import Memory, Target

NOWHERE = "memory"  # of a process, which has one


@dataclass(frozen=True)
class Wait:
    """`states` cycles go by until `bytes` bytes, fetched at once, are there; `source` says so."""

    states: int
    bytes: int
    source: str


@dataclass(frozen=True)
class Placement:
    """Tables of these patterns lie in the memory of this name."""

    tables: tuple[str, ...]
    memory: str


def read_wait(table: Table) -> Wait:
    """Read a memory's `wait`."""
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
        memory=table.choice("memory", tuple(memory.name for memory in memories)),
    )
    table.done()
    return value


def memory_of(target: Target, table: str) -> str:
    """The name of the memory that a table NETWORK/MATRIX lies in."""
    for placement in target.placements:
        if any(fnmatchcase(table, pattern) for pattern in placement.tables):
            return placement.memory
    return target.memory_of("rodata").name if target.memories else NOWHERE


def section_of(target: Target, table: str, member: str) -> str:
    """The attribute, as C, that brings a member of a table to its memory.

    Nothing where that is rodata's.
    """
    memory = memory_of(target, table)
    if not target.memories or memory == target.memory_of("rodata").name:
        return ""
    name = f"{table.rpartition('/')[2]}_{member}"
    return f' __attribute__((section(".{section_name(memory)}.{name}")))'


def section_name(memory: str) -> str:
    """The section of an image, without its dot, in which tables of a memory lie."""
    return f"in_{memory}"


def placed_in(target: Target) -> list[Memory]:
    """The memories with tables of their own, rodata's left out."""
    named = {placement.memory for placement in target.placements}
    home = target.memory_of("rodata") if target.memories else None
    return [memory for memory in target.memories if memory.name in named and memory != home]


WAIT_ESTIMATE = "each fetch waits in full: no cache, no prefetch"


def wait_cycles(target: Target, memory: str, read_bytes: int) -> int | None:
    """An estimate of the cycles that a core waits for bytes of a memory, as WAIT_ESTIMATE says.

    None where the memory does not say how long it takes.
    """
    wait = next((known.wait for known in target.memories if known.name == memory), None)
    return None if wait is None else -(-read_bytes // wait.bytes) * wait.states

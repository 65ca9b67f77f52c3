# SPDX-License-Identifier: BSD-3-Clause
"""Which memory of a board holds which tables, and what waiting for a memory may cost.

A placement in a target file names tables by patterns of NETWORK/MATRIX, as a manifest spells them,
such as "rdovae_enc/*_recurrent". The first pattern that matches counts. All other tables go where
`rodata` goes.
"""

from fnmatch import fnmatchcase

from toolkit.targets.memory import Memory
from toolkit.targets.target import Target

NOWHERE = "memory"  # the one memory of a process on the host
WAIT_ESTIMATE = "each fetch waits in full: no cache, no prefetch"


def memory_of(target: Target, table: str) -> str:
    """Return the name of the memory that a table NETWORK/MATRIX lies in."""
    for placement in target.placements:
        if any(fnmatchcase(table, pattern) for pattern in placement.tables):
            return placement.memory
    return target.memory_of("rodata").name if target.memories else NOWHERE


def section_of(target: Target, table: str, member: str) -> str:
    """Return the C attribute that puts a member of a table into its memory.

    It is empty where that memory is the one of `rodata`.
    """
    memory = memory_of(target, table)
    if not target.memories or memory == target.memory_of("rodata").name:
        return ""
    name = f"{table.rpartition('/')[2]}_{member}"
    return f' __attribute__((section(".{section_name(memory)}.{name}")))'


def section_name(memory: str) -> str:
    """Return the section for the tables of a memory, without its dot."""
    return f"in_{memory}"


def placed_in(target: Target) -> list[Memory]:
    """Return the memories that placements name, without the one of `rodata`."""
    named = {placement.memory for placement in target.placements}
    home = target.memory_of("rodata") if target.memories else None
    return [memory for memory in target.memories if memory.name in named and memory != home]


def wait_cycles(target: Target, memory: str, read_bytes: int) -> int | None:
    """Estimate the cycles that a core waits for bytes of a memory, as WAIT_ESTIMATE says.

    Returns None where the target file has no `wait` for the memory.
    """
    wait = next((known.wait for known in target.memories if known.name == memory), None)
    return None if wait is None else -(-read_bytes // wait.bytes) * wait.states

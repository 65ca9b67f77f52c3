# SPDX-License-Identifier: BSD-3-Clause
"""Describe for a manifest the memories of its tables: bytes stored in each, and bytes read."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from quantize.near import near
from toolkit.common.errors import InputError
from toolkit.targets.placement import memory_of, wait_cycles
from toolkit.targets.target import Target

Layers = list[dict[str, Any]]


def placed(layers: Layers, network: str, target: Target) -> Layers:
    """Return the layers of a network, after adding the memory of each of their tables."""
    for layer in layers:
        for table in layer["tables"]:
            table["memory"] = memory_of(target, f"{network}/{table['name']}")
    return layers


def check_placements(networks: Sequence[tuple[str, Layers]], target: Target) -> None:
    """Raise InputError for a placement that names a network of `networks` but none of its tables.

    Placements of other networks, and of several networks by a wildcard, are not judged.
    """
    tables = [
        f"{name}/{t['name']}" for name, layers in networks for x in layers for t in x["tables"]
    ]
    here = {name for name, _ in networks}
    for pattern in (text for placement in target.placements for text in placement.tables):
        network = pattern.partition("/")[0]
        if network in here and not any(fnmatchcase(table, pattern) for table in tables):
            own = [table for table in tables if table.startswith(f"{network}/")]
            hint = near(pattern, own) or f"; {network} has no such table"
            raise InputError(f"{target.path}: placement: no table is '{pattern}'{hint}")


def memory_reads(networks: Sequence[tuple[str, Layers]], target: Target) -> list[dict[str, Any]]:
    """Return, for each network and memory, the bytes of tables there and the bytes read.

    The network runs as often as it does in a step, for a chunk, or in 20 ms of speech. Each row
    also has an estimate of the time waited.
    """
    rows = []
    for network, layers in networks:
        found: dict[str, tuple[int, int]] = {}
        for layer in layers:
            for table in layer["tables"]:
                stored, read = found.get(table["memory"], (0, 0))
                read += layer["times"] * table["read_bytes"]
                found[table["memory"]] = (stored + table["bytes"], read)
        for memory, (stored, read) in found.items():
            rows.append(
                {
                    "network": network,
                    "memory": memory,
                    "table_bytes": stored,
                    "read_bytes": read,
                    "waited_cycles": wait_cycles(target, memory, read),
                }
            )
    return rows

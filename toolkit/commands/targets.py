# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit targets`: the boards of targets/*.toml."""

from typing import Any

import click
from rich.table import Table

from toolkit.commands.shared.outcome import Telling
from toolkit.common.console import emit_json, err, json_option
from toolkit.targets.target import Target, load_target, target_names


@click.command("targets", cls=Telling)
@json_option
def command(json_to: str | None) -> None:
    """List the boards that dredkit knows, and where each was verified."""
    targets = [load_target(name) for name in target_names()]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("target", "board", "ISA", "clock", "flash", "RAM", "verified on"):
        right = heading in ("clock", "flash", "RAM")
        table.add_column(heading, justify="right" if right else "left")
    for target in targets:
        on_board = target.is_board
        table.add_row(
            target.name,
            target.description,
            target.isa,
            f"{target.clock_hz // 1_000_000} MHz" if on_board else "",
            _kilobytes(target.size_of("flash")) if on_board else "",
            _kilobytes(target.size_of("ram")) if on_board else "",
            ", ".join(target.verified_on) or "unverified",
        )
    err.print(table)
    emit_json(json_to, [_as_json(target) for target in targets])


def _kilobytes(size: int) -> str:
    return f"{size // 1024} KB"


def _as_json(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "description": target.description,
        "system": target.system,
        "core": target.core,
        "isa": target.isa,
        "clock_hz": target.clock_hz,
        "clock_source": target.clock_source,
        "unit": target.unit,
        "flash": target.size_of("flash"),
        "ram": target.size_of("ram"),
        "stack": target.stack_bytes,
        "emulator": target.emulator.machine if target.emulator else None,
        "probes": sorted(target.flash.probes),
        "verified_on": list(target.verified_on),
    }

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit targets`: the boards of targets/*.toml, and the start of a new one."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from quantize.files.write import write_whole
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.usage import SuggestingGroup
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import InputError
from toolkit.common.option_types import InputFile, OutputFile
from toolkit.targets.start import start_from
from toolkit.targets.target import Target, check_name, load_target, target_names
from toolkit.targets.verified import places, read_record, record_path

OWN = (
    "A board of your own is a TOML file anywhere, with its drivers beside it: --target PATH.toml; "
    "`dredkit targets new PATH.toml --like NAME` starts one."
)


class TargetsGroup(Telling, SuggestingGroup):
    """A command that lists, and has a command below it."""


@click.group("targets", cls=TargetsGroup, invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, json_to: str | None) -> None:
    """List the boards that dredkit knows, and where each was verified.

    A board of your own is a TOML file anywhere, with its drivers beside it: --target PATH.toml.
    """
    if context.invoked_subcommand is not None:
        return
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
            ", ".join(places(target)) or "unverified",
        )
    err.print(table)
    err.print(OWN, style="dim", markup=False)
    emit_json(json_to, [_as_json(target) for target in targets])


@command.command("new", cls=Telling)
@click.argument("output", type=OutputFile())
@click.option("--like", required=True, help=options.TARGET_HELP)
@json_option
def new(output: Path, like: str, json_to: str | None) -> None:
    """Write the file of a new board, started from one like it, with its comments."""
    board = load_target(like)
    if output.suffix != ".toml":
        raise InputError(f"{output}: a board's file ends in .toml")
    check_name(output)
    if output.exists():
        raise InputError(f"{output} exists: name another file, or remove it")
    write_whole(output, start_from(board).encode())
    err.print(f"{output}: from {board.name}; next: dredkit verify --target {output}", markup=False)
    emit_json(json_to, {"output": str(output), "like": board.name})


@command.command("record", cls=Telling)
@click.argument("verification", type=InputFile())
@click.option("--target", required=True, help=options.TARGET_HELP)
@json_option
def record(verification: Path, target: str, json_to: str | None) -> None:
    """Keep the verify.json of a run on a board of silicon, which makes that board verified."""
    board = load_target(target)
    facts = read_record(verification, board)
    kept = record_path(board)
    kept.parent.mkdir(exist_ok=True)
    write_whole(kept, verification.read_bytes())
    err.print(f"{kept}: {board.name} verified on {facts['recorded']}", markup=False)
    emit_json(json_to, {"output": str(kept), "target": board.name})


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
        "verified_on": places(target),
    }

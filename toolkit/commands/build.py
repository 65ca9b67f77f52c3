# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit build`: generated C -> firmware image and its sizes."""

import json
from pathlib import Path

import click
from rich.table import Table

from toolkit.codegen.generate import GENERATED, MANIFEST
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import Forms, refuse_ignored
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import InputError
from toolkit.common.paths import BUILD
from toolkit.device.build.build import (
    BuildResult,
    build_firmware,
    build_host_library,
    build_server,
)
from toolkit.targets.target import Target, load_target

_FORMS: Forms = {"a board": (), "--target host": ("sanitize",)}


@click.command("build", cls=Telling)
@options.target_option
@click.option("--sanitize", is_flag=True, help="For host: build with ASan and UBSan.")
@click.option(
    "--input-rate",
    type=options.INPUT_RATE,
    metavar="HZ",
    help="Refuse C that was generated for another rate.",
)
@json_option
def command(target: str, sanitize: bool, input_rate: int | None, json_to: str | None) -> None:
    """Cross-compile the firmware for a target from the C that `generate` wrote.

    Writes build/TARGET/firmware.elf; for Linux a server, and for host a library for cffi as well.
    """
    board = load_target(target)
    refuse_ignored("--target host" if board.is_host else "a board", _FORMS)
    build_dir = BUILD / board.folder
    generated = build_dir / GENERATED
    if input_rate is not None:
        _require_rate(generated, input_rate)
    with err.status(f"building for {board.name}"):
        if board.is_board:
            result = build_firmware(board, generated, build_dir)
        else:
            programs = _programs(board, generated, build_dir, sanitize)
    if board.is_board:
        err.print(str(result.elf))
        err.print(_table(board, result))
        emit_json(json_to, {"target": board.name, **result.as_json()})
    else:
        err.print("\n".join(programs.values()), markup=False)
        emit_json(json_to, {"target": board.name, **programs})


def _programs(target: Target, generated: Path, build_dir: Path, sanitize: bool) -> dict[str, str]:
    """Build for Linux; return the files by kind."""
    built = {}
    if target.is_host:
        built["library"] = build_host_library(generated, build_dir, sanitize)
    built["server"] = build_server(target, generated, build_dir, sanitize)
    return {kind: str(path) for kind, path in built.items()}


def _require_rate(generated: Path, wanted: int) -> None:
    """Raise InputError unless the generated C takes PCM at `wanted` samples a second."""
    try:
        found = json.loads((generated / MANIFEST).read_bytes())["input_rate"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{generated}: no generated C; run `dredkit generate` first") from error
    if found != wanted:
        raise InputError(
            f"{generated} is for PCM at {found} Hz, not {wanted}: run `dredkit generate "
            f"--input-rate {wanted}` first"
        )


def _table(target: Target, result: BuildResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("memory")
    for heading in ("bytes", "of", "used"):
        table.add_column(heading, justify="right")
    for name, used, limit in (
        ("flash", result.flash, result.flash_limit),
        ("RAM, stack included", result.ram, result.ram_limit),
        ("stack, worst case", result.stack_worst, target.stack_bytes),
    ):
        table.add_row(name, str(used), str(limit), f"{100 * used / limit:.1f} %")
    table.caption = f"build id {result.build_id}"
    return table

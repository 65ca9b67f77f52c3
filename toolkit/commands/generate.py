# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit generate`: quantised model + target -> C tables, step function, manifest."""

from pathlib import Path

import click

from toolkit.codegen.generate import generate
from toolkit.commands import options
from toolkit.console import emit_json, err, json_option
from toolkit.paths import BUILD
from toolkit.sending import Sending
from toolkit.stage import load_quantised, stage_of
from toolkit.steps import DEFAULT_MODEL
from toolkit.targets import load_target


@click.command("generate")
@click.option("--target", required=True, help="A board of `dredkit targets`.")
@click.option("--model", type=click.Path(path_type=Path), default=DEFAULT_MODEL)
@options.input_rate_option
@json_option
def command(target: str, model: Path, input_rate: int, json_to: str | None) -> None:
    """Generate C weight tables and step functions for a target."""
    board = load_target(target)
    stage = stage_of(load_quantised(model), Sending(input_rate))
    manifest = generate(stage, board, BUILD / board.name)
    folder = BUILD / board.name / "generated"
    err.print(
        f"{folder}: {manifest['stage']}, {manifest['table_bytes']} bytes of tables, "
        f"{manifest['arena_bytes']} bytes of RAM, {manifest['macs']} MACs a step"
    )
    emit_json(json_to, manifest)

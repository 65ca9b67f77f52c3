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
from toolkit.targets import load_target


@click.command("generate")
@click.option("--target", required=True, help="A board of `dredkit targets`.")
@options.stage_option
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=None,
    help="A quantised model; build/STAGE.dkq if left out.",
)
@options.input_rate_option
@json_option
def command(
    target: str, stage: str, model: Path | None, input_rate: int, json_to: str | None
) -> None:
    """Generate C weight tables and step functions for a target."""
    board = load_target(target)
    quantised = load_quantised(model or BUILD / f"{stage}.dkq")
    manifest = generate(stage_of(quantised, Sending(input_rate)), board, BUILD / board.name)
    folder = BUILD / board.name / "generated"
    err.print(
        f"{folder}: {manifest['stage']}, {manifest['table_bytes']} bytes of tables, "
        f"{manifest['arena_bytes']} bytes of RAM, {manifest['macs']} MACs a step"
    )
    emit_json(json_to, manifest)

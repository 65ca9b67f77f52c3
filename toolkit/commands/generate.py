# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit generate`: quantised model + target -> C tables, step function, manifest."""

from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from quantize.codec.receiver_model import DecoderModel
from toolkit.codegen.generate import generate
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import CALL_STAGES, check_stage
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.option_types import InputFile
from toolkit.common.paths import BUILD
from toolkit.models.saved import load_quantised
from toolkit.stages.calling import CallStage
from toolkit.stages.sending import Sending
from toolkit.stages.stage import Stage, stage_of
from toolkit.targets.placement import WAIT_ESTIMATE
from toolkit.targets.target import load_target


@click.command("generate", cls=Telling)
@options.target_option
@options.board_stage_option
@click.option(
    "--model",
    type=InputFile(made=True),
    default=None,
    help="A quantised model; build/STAGE.dkq if left out.",
)
@options.input_rate_option
@options.batch_option
@click.option(
    "--blob",
    is_flag=True,
    help="Also write weights.dkw, which has the tables, and the C that opens it.",
)
@json_option
def command(
    target: str,
    stage: str,
    model: Path | None,
    input_rate: int,
    batch: int,
    blob: bool,
    json_to: str | None,
) -> None:
    """Generate C weight tables and step functions for a target."""
    board = load_target(target)
    if model is None:
        check_stage(stage, forms=CALL_STAGES)
    kind = "decoder" if stage == options.CALL_STAGE else stage
    quantised = load_quantised(model or BUILD / f"{kind}.dkq", kind)
    if model is not None:
        check_stage(stage, quantised, model)
    if stage == options.CALL_STAGE and isinstance(quantised, DecoderModel):
        made: Stage = CallStage(quantised)
    else:
        made = stage_of(quantised, Sending(input_rate), batch=batch)
    manifest = generate(made, board, BUILD / board.folder, blob)
    folder = BUILD / board.folder / "generated"
    err.print(
        f"{folder}: {manifest['stage']}, {manifest['table_bytes']} bytes of tables, "
        f"{manifest['arena_bytes']} bytes of RAM, {manifest['macs']} MACs a step"
    )
    err.print(_memories(manifest["memories"]))
    if "weight_reads" in manifest:
        err.print(_reads(manifest["weight_reads"]))
    emit_json(json_to, manifest)


def _memories(found: list[dict[str, Any]]) -> Table:
    """Return the bytes of tables in each memory, and the bytes read from it."""
    rows = Table(
        box=box.SIMPLE_HEAD,
        caption="bytes read are for a step, a chunk or 20 ms of speech; cycles waited are an "
        f"estimate: {WAIT_ESTIMATE}",
    )
    for heading in ("network", "memory", "bytes of tables", "bytes read", "cycles waited"):
        left = heading in ("network", "memory")
        rows.add_column(heading, justify="left" if left else "right")
    for row in found:
        wait = "" if row["waited_cycles"] is None else f"{row['waited_cycles']:,}"
        sizes = f"{row['table_bytes']:,}", f"{row['read_bytes']:,}"
        rows.add_row(row["network"], row["memory"], *sizes, wait)
    return rows


def _reads(found: dict[str, Any]) -> Table:
    """Return what decoding several chunks at once saves, and the scratch that it takes."""
    rows = Table(box=box.SIMPLE_HEAD, caption="computed from the tables' sizes, caches left out")
    for heading in ("chunks at once", "weight bytes read a second of audio", "bytes of scratch"):
        rows.add_column(heading, justify="right")
    for choice in found["choices"]:
        style = "bold" if choice["batch"] == found["batch"] else ""
        figures = (choice["batch"], choice["bytes_per_second"], choice["scratch_bytes"])
        rows.add_row(*(f"{figure:,}" for figure in figures), style=style)
    return rows

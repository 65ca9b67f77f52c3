# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit quantize`: float weights -> one quantised model file."""

from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.table import Table

from quantize.nn.calibrate import LayerReport
from toolkit.codegen.generate import describe
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import check_stage
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.option_types import InputFile, OutputFile
from toolkit.common.paths import BUILD
from toolkit.models.quantise import CLIP, Sources, for_target, quantise_stage
from toolkit.stages.stage import stage_of
from toolkit.targets.target import load_target


@click.command("quantize", cls=Telling)
@options.stage_option
@options.source_options
@click.option(
    "--target",
    default=None,
    metavar="NAME",
    help="The board whose default voice a receiver gets if --voice is left out.",
)
@click.option(
    "--calibration",
    type=InputFile(),
    default=CLIP,
    help="Recorded speech (WAV) that sets number formats; the shipped clip if left out.",
)
@click.option(
    "--output",
    type=OutputFile(),
    default=None,
    help="The file to write; build/STAGE.dkq if left out.",
)
@json_option
def command(
    stage: str,
    sources: Sources,
    target: str | None,
    calibration: Path,
    output: Path | None,
    json_to: str | None,
) -> None:
    """Quantise a float model to integers (scheme a8w8)."""
    check_stage(stage)
    sources = for_target(sources, None if target is None else load_target(target))
    with err.status("quantising"):
        model, rows = quantise_stage(stage, replace(sources, calibration=calibration))
    output = output or BUILD / f"{stage}.dkq"
    model.save(output)
    err.print(_table(rows))
    made = stage_of(model)
    # Sizes in portable C, a receiver's voice included; a board's packing may differ a little.
    total = describe(made, load_target("host"))["table_bytes"]
    err.print(f"{output}: {made.name}, {made.scheme}, {total} bytes of tables")
    err.print(f"model hash {made.hash}")
    ends = {
        node.name: node.output.buffer
        for network in made.networks
        for node in network.graph.nodes
        if node.output.buffer in network.graph.outputs
    }
    emit_json(
        json_to,
        {
            "output": str(output),
            "stage": made.name,
            "scheme": made.scheme,
            "model_hash": made.hash,
            "source": made.source,
            "frac": made.frac,
            "table_bytes": total,
            "layers": [asdict(row) for row in rows],
            "end_to_end_snr_db": {ends[r.name]: r.snr_db for r in rows if r.name in ends},
        },
    )


def _table(rows: list[LayerReport]) -> Table:
    table = Table(title="Quantised layers; SNR against the float model, free-running")
    for name in ("layer", "weights", "output"):
        table.add_column(name, no_wrap=True)
    for name in ("range", "scale", "SNR dB", "MACs", "bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        figures = (f"{row.peak:.3g}", f"{row.scale:.1e}", f"{row.snr_db:.1f}")
        table.add_row(row.name, row.weights, row.format, *figures, str(row.macs), str(row.bytes))
    return table

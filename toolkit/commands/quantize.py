# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit quantize`: float weights -> one quantised model file."""

from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from quantize.calibrate import LayerReport
from toolkit.console import emit_json, err, json_option
from toolkit.importers import SHIPPED
from toolkit.steps import CLIP, DEFAULT_MODEL, quantise_file


@click.command("quantize")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    default=SHIPPED,
    help="An Opus 'DNNw' blob or a checkpoint; the shipped checkpoint if left out.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    default=CLIP,
    help="Recorded speech (WAV) that sets the formats; the shipped clip if left out.",
)
@click.option("--output", type=click.Path(path_type=Path), default=DEFAULT_MODEL)
@json_option
def command(weights: Path, calibration: Path, output: Path, json_to: str | None) -> None:
    """Quantise a float model to integers (scheme a8w8)."""
    with err.status("quantising"):
        model, rows = quantise_file(weights, calibration)
    model.save(output)
    err.print(_table(rows))
    total = sum(row.bytes for row in rows)
    err.print(f"{output}: {model.graph.name}, {model.scheme}, {total} bytes of tables")
    err.print(f"model hash {model.hash}")
    emit_json(
        json_to,
        {
            "output": str(output),
            "stage": model.graph.name,
            "scheme": model.scheme,
            "model_hash": model.hash,
            "source": model.source,
            "frac": model.frac,
            "table_bytes": total,
            "macs": sum(row.macs for row in rows),
            "layers": [asdict(row) for row in rows],
            "end_to_end_snr_db": {
                node.output.buffer: next(r.snr_db for r in rows if r.name == node.name)
                for node in model.graph.nodes
                if node.output.buffer in model.graph.outputs
            },
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

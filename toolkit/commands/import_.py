# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit import`: other people's weights -> our checkpoint format."""

from pathlib import Path

import click

from quantize.topologies import rdovae_encoder
from toolkit.console import emit_json, err, json_option
from toolkit.importers import load_model
from toolkit.importers.checkpoint import write_checkpoint


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True)
@json_option
def command(source: Path, output: Path, json_to: str | None) -> None:
    """Read the RDO-VAE encoder from an Opus 'DNNw' blob and write it as a checkpoint."""
    model = load_model(source, rdovae_encoder())
    write_checkpoint(output, model.layers, f"{model.source['name']} {model.source['sha256']}")
    sparse = sum(layer.blocks is not None for layer in model.layers.values())
    err.print(f"{output}: {len(model.layers)} layers ({sparse} sparse) from {source}")
    emit_json(
        json_to,
        {
            "output": str(output),
            "source": model.source,
            "layers": {
                name: {
                    "rows": layer.matrix.shape[0],
                    "cols": layer.matrix.shape[1],
                    "int8": layer.int8 is not None,
                    "blocks": None if layer.blocks is None else int(layer.blocks.sum()),
                }
                for name, layer in model.layers.items()
            },
        },
    )

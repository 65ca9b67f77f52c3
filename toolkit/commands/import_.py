# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit import`: the weights of an Opus release or of xiph's LPCNet -> our checkpoint format."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from toolkit.commands.shared.outcome import Telling
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import InputError
from toolkit.common.option_types import OutputFile
from toolkit.models.importers import TORCH_SUFFIXES
from toolkit.models.importers.checkpoint import write_checkpoint
from toolkit.models.importers.release import NETWORKS, Release, read_release


@click.command("import", cls=Telling)
@click.argument(
    "sources", metavar="SOURCE...", type=click.Path(path_type=Path), nargs=-1, required=True
)
@click.option("--output", type=OutputFile(), required=True, help="The .safetensors file to write.")
@json_option
def command(sources: tuple[Path, ...], output: Path, json_to: str | None) -> None:
    """Read DRED's networks and entropy tables from an Opus release into one checkpoint.

    A SOURCE is a 'DNNw' weight blob, a *_data.c file, or the dnn/ folder of a release tarball.
    Blobs hold no entropy tables: also give dred_rdovae_stats_data.c. A single SOURCE may be a
    checkpoint (.pth) of xiph's torch training of LPCNet, which becomes a voice.
    """
    if any(source.suffix in TORCH_SUFFIXES for source in sources):
        if len(sources) > 1:
            raise InputError("a torch checkpoint of LPCNet is imported alone: give no other SOURCE")
        _import_lpcnet(sources[0], output, json_to)
        return
    release = read_release(sources)
    note = "; ".join(f"{source['name']} {source['sha256']}" for source in release.sources)
    write_checkpoint(output, release.layers, note, release.tables)
    _tell(release, output)
    emit_json(
        json_to,
        {
            "output": str(output),
            "sources": release.sources,
            "unused": release.unused,
            "networks": {name: list(layers) for name, layers in release.networks.items()},
            "entropy_tables": release.tables is not None,
            "layers": {
                name: {
                    "rows": layer.matrix.shape[0],
                    "cols": layer.matrix.shape[1],
                    "int8": layer.int8 is not None,
                    "blocks": None if layer.blocks is None else int(layer.blocks.sum()),
                }
                for name, layer in release.layers.items()
            },
        },
    )


def _import_lpcnet(path: Path, output: Path, json_to: str | None) -> None:
    from quantize.networks.lpcnet_batch import Variant  # these need torch
    from quantize.networks.lpcnet_checkpoint import save_lpcnet
    from toolkit.models.importers import lpcnet_torch

    found = lpcnet_torch.read_lpcnet_torch(path)
    note = json.dumps(found.source)
    save_lpcnet(output, found.model, {"source": note}, found.variant)
    sizes, kept = asdict(found.model.sizes), lpcnet_torch.densities(found.model)
    err.print(
        f"lpcnet: GRU A {sizes['gru_a']}, GRU B {sizes['gru_b']}, "
        f"conditioning {sizes['conditioning']}"
    )
    for name, share in kept.items():
        err.print(f"{name}: {100 * share:.1f} % of the 8x4 blocks are not zero")
    variant = found.variant
    if variant != Variant():
        err.print(
            f"look-ahead {variant.lookahead}, predictor weighted by {variant.gamma:g}, "
            f"{'softmax' if variant.softmax else 'tree'}: `dredkit score` speaks with it in "
            "floats, the integer voice does not",
            soft_wrap=True,
        )
    err.print(f"wrote {output}", soft_wrap=True)
    emit_json(
        json_to,
        {
            "output": str(output),
            "sources": [found.source],
            "networks": {"lpcnet": list(found.model.export())},
            "sizes": sizes,
            "variant": asdict(variant),
            "densities": kept,
        },
    )


def _tell(release: Release, output: Path) -> None:
    """Print what the sources hold and what they lack."""
    for build in NETWORKS:
        name = build().name
        layers = release.networks.get(name)
        if layers is None:
            err.print(f"{name}: not in the sources")
            continue
        sparse = sum(layer.blocks is not None for layer in layers.values())
        err.print(f"{name}: {len(layers)} layers ({sparse} sparse)")
    if release.tables is None:
        err.print("entropy tables: not in the sources; dred_rdovae_stats_data.c has them")
    else:
        err.print("entropy tables: of latents and states, 16 levels")
    for name in release.unused:
        err.print(f"{name}: nothing in it for sender or receiver", soft_wrap=True)
    err.print(f"wrote {output}", soft_wrap=True)

# SPDX-License-Identifier: BSD-3-Clause
"""Turn the generated C of a product into one that opens its tables from a blob."""

from collections.abc import Mapping, Sequence

from quantize.vocoder.voices import networks_of
from toolkit.codegen.blob.parts import parts_of
from toolkit.codegen.blob.source import api_source, blob_files, table_files
from toolkit.codegen.blob.write import write_blob
from toolkit.codegen.packing.pack import PackedNetwork, pack_network
from toolkit.stages.stage import DecoderStage, Stage


def with_blob(
    files: Mapping[str, str], stages: Sequence[Stage], isa: str, model: str, linked: bool
) -> tuple[dict[str, str], bytes]:
    """Return (files, blob) of a product, from the `files` generated for linked-in tables.

    `stages` are the product's directions, `model` is the hash of their model, in hexadecimal. The
    tables stay in the image beside the blob if `linked`; else it has none. The product also needs
    the C files of firmware/dredkit/weights, and WEIGHTS (source.py) among its config.h's sizes.
    """
    parts = parts_of(stages, _packed(stages, isa), model)
    left_out = set() if linked else table_files(parts)
    made = {name: text for name, text in files.items() if name not in left_out}
    made |= blob_files(parts, linked)
    return {**made, "weights_api.c": api_source()}, write_blob(parts)


def _packed(stages: Sequence[Stage], isa: str) -> dict[str, PackedNetwork]:
    """Pack every network of the stages and of their voices, by name."""
    networks = [network for stage in stages for network in stage.networks]
    for stage in stages:
        if isinstance(stage, DecoderStage):
            networks += networks_of(stage.model.voice)
    return {network.graph.name: pack_network(network, isa) for network in networks}

# SPDX-License-Identifier: BSD-3-Clause
"""Generate a directory of C, and a manifest that describes it, from a stage and a target.

The directory appears whole or not at all.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from quantize.codec.sender import FRAMES_PER_STEP
from quantize.files.write import write_whole
from quantize.nn.graph import repeats
from quantize.nn.model import QuantisedModel
from quantize.nn.run import output_frac
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS
from quantize.vocoder.fargan.parts import CONDITION, STEP_NET, STEPS
from quantize.vocoder.voices import networks_of, voice_name
from toolkit.codegen.blob.parts import parts_of
from toolkit.codegen.blob.source import blob_files
from toolkit.codegen.blob.write import FILE as BLOB
from toolkit.codegen.blob.write import write_blob
from toolkit.codegen.constants.stats import entropy_source
from toolkit.codegen.engine import (
    call_config,
    decoder_cmake,
    engine_sizes,
    network_engine,
    plc_config,
    sender_config,
    vocoder_config,
)
from toolkit.codegen.memories import check_placements, memory_reads, placed
from toolkit.codegen.network.arena import plan
from toolkit.codegen.network.reads import reads_of
from toolkit.codegen.network.step import step_header, step_source
from toolkit.codegen.network.tables import Place, nowhere, weight_header, weight_tables
from toolkit.codegen.packing.pack import Packed, PackedNetwork, pack_network
from toolkit.codegen.voice.voice import own_layers, voice_files
from toolkit.codegen.wire import wire_header
from toolkit.common.folders import alone
from toolkit.stages.calling import CallStage
from toolkit.stages.stage import DecoderStage, EncoderStage, NetworkStage, Stage
from toolkit.targets.placement import WAIT_ESTIMATE, section_of
from toolkit.targets.target import Target

MANIFEST = "manifest.json"
GENERATED = "generated"
# Networks that run several times in a step of 20 ms.
_TIMES = {
    **dict.fromkeys(("pitch", "predictor", "lpcnet_condition", CONDITION), FRAMES_PER_STEP),
    STEP_NET: FRAMES_PER_STEP * STEPS,
}


def generate(stage: Stage, target: Target, build_dir: Path, blob: bool = False) -> dict[str, Any]:
    """Write build_dir/generated/ for a target and return (and write) its manifest.

    With `blob`, also write the tables as a blob, and the C that opens it beside linked-in tables.
    Waits for another process that builds there. Raises InputError if it cannot be written.
    """
    with alone(build_dir):
        return _generate(stage, target, build_dir, blob)


def _generate(stage: Stage, target: Target, build_dir: Path, blob: bool) -> dict[str, Any]:
    packed = _pack(stage, target.isa)
    place = partial(section_of, target)
    files = {"engine_sizes.h": engine_sizes(stage, target.name), "dredkit_wire.h": wire_header()}
    files |= _library_files(stage, packed, place)
    if isinstance(stage, NetworkStage):
        files["engine.c"] = network_engine(stage.model)
    elif isinstance(stage, DecoderStage):
        files["decoder.cmake"] = decoder_cmake(voice_name(stage.model.voice))
        if isinstance(stage, CallStage):
            files["dredkit/config.h"] = call_config(stage.output_rate)
    parts = parts_of([stage], packed, stage.hash) if blob else None
    files |= blob_files(parts, linked=True) if parts else {}
    manifest = _describe(stage, target, packed)
    manifest["files"] = {n: hashlib.sha256(t.encode()).hexdigest() for n, t in files.items()}

    final = build_dir / GENERATED
    made = build_dir / f"{GENERATED}.partial"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        for file_name, text in files.items():
            (made / file_name).parent.mkdir(exist_ok=True)
            write_whole(made / file_name, text.encode())
        if parts is not None:
            write_whole(made / BLOB, write_blob(parts))
        write_whole(made / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
        shutil.rmtree(final, ignore_errors=True)
        made.rename(final)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return manifest


def library_files(stage: Stage, isa: str) -> dict[str, str]:
    """Return the C files, by name, that the library is compiled with to run a stage.

    The files of a sender and of a receiver of one model fit into one folder. All tables are for
    kernels of `isa` and lie where the linker puts constants.
    """
    return _library_files(stage, _pack(stage, isa), nowhere, isa)


def _library_files(
    stage: Stage, packed: dict[str, PackedNetwork], place: Place, isa: str = ""
) -> dict[str, str]:
    """Return the networks of a stage, its entropy tables, its settings and its voice.

    The voice's tables are for every ISA, or for `isa` alone.
    """
    files: dict[str, str] = {}
    for network in stage.networks:
        name = network.graph.name
        files |= {
            f"{name}_weights.h": weight_header(network),
            f"{name}_weights.c": weight_tables(packed[name], place),
            f"{name}.h": step_header(network, plan(network, _batch(network, stage))),
            f"{name}.c": step_source(network, _batch(network, stage)),
        }
    if isinstance(stage, EncoderStage):
        files["sender_config.h"] = sender_config(stage)
        files["model_tables.c"] = entropy_source(stage.model.tables)
    elif isinstance(stage, DecoderStage):
        voice = stage.model.voice
        files["vocoder_config.h"] = vocoder_config(voice_name(voice), stage.output_rate)
        files["plc_config.h"] = plc_config(stage.model.predictor)
        files["model_tables.c"] = entropy_source(stage.model.networks.tables)
        files |= voice_files(voice, packed, place, isa)
    return files


def describe(stage: Stage, target: Target) -> dict[str, Any]:
    """Return the manifest of a stage on a target; writes no file."""
    return _describe(stage, target, _pack(stage, target.isa))


def _pack(stage: Stage, isa: str) -> dict[str, PackedNetwork]:
    """Pack every network of a stage, by name: the stage's own and the voice's."""
    networks = list(stage.networks)
    if isinstance(stage, DecoderStage):
        networks += networks_of(stage.model.voice)
    return {network.graph.name: pack_network(network, isa) for network in networks}


def _describe(stage: Stage, target: Target, packed: dict[str, PackedNetwork]) -> dict[str, Any]:
    arenas = {n.graph.name: plan(n, _batch(n, stage)) for n in stage.networks}
    networks = [(n.graph.name, _layers(packed[n.graph.name])) for n in stage.networks]
    reads = {}
    if isinstance(stage, DecoderStage):
        step, voice = stage.model.networks.step, stage.model.voice
        reads = {"weight_reads": reads_of(packed[step.graph.name], stage.batch)}
        for network in networks_of(voice):
            name = network.graph.name
            if name != STEP_NET:  # fargan.c runs it, in memory of its own
                arenas[name] = plan(network)
            networks.append((name, _layers(packed[name])))
        networks.append((voice_name(voice), own_layers(voice, target.isa)))
    check_placements(networks, target)
    layers = [layer for name, own in networks for layer in placed(own, name, target)]
    return {
        "target": target.name,
        "stage": stage.name,
        "scheme": stage.scheme,
        "model_hash": stage.hash,
        "source": dict(sorted(stage.source.items())),
        "frac": dict(sorted(stage.frac.items())),
        "input_rate": stage.input_rate,
        "input_bytes": stage.input_bytes,
        "output_bytes": stage.output_bytes,
        "trace_bytes": stage.trace_bytes,
        "trace": [{"name": name, "values": size} for name, size in stage.layers],
        "macs": sum(layer["macs"] * layer["times"] for layer in layers),
        "table_bytes": sum(layer["flash_bytes"] for layer in layers),
        "arena_bytes": sum(arena.bytes for arena in arenas.values()),
        "state_bytes": sum(arena.kept_bytes for arena in arenas.values()),
        "arena": {
            name: [asdict(member) for member in arena.members] for name, arena in arenas.items()
        },
        "memories": memory_reads(networks, target),
        "wait_estimate": WAIT_ESTIMATE,
        "layers": layers,
        **reads,
    }


def _batch(network: QuantisedModel, stage: Stage) -> int:
    """Return how many steps of a network run at once."""
    if isinstance(stage, DecoderStage) and network is stage.model.networks.step:
        return stage.batch
    return 1


def _table(packed: Packed, repeated: int) -> dict[str, Any]:
    """Return a matrix of a layer: the kind of its weights, MACs of a run, and bytes read in it."""
    return {
        "name": packed.matrix.name,
        "weights": "int16" if packed.matrix.is_wide else "int8",
        "macs": packed.matrix.macs * repeated,
        "bytes": packed.bytes,
        "read_bytes": packed.bytes,
    }


def _layers(network: PackedNetwork) -> list[dict[str, Any]]:
    """Return each layer of a network: its sizes, the kind of its weights, and its cost."""
    model = network.model
    times = _TIMES.get(model.graph.name, 1)
    layers = []
    for node in model.graph.nodes:
        packed = [network.matrices[shape.name] for shape in node.matrices]
        matrices = [one.matrix for one in packed]
        kinds = {
            ("int16" if m.is_wide else "int8")
            + ("" if m.blocks is None else f" {BLOCK_ROWS}x{BLOCK_COLS} sparse")
            for m in matrices
        }
        layers.append(
            {
                "name": node.name,
                "op": type(node).__name__,
                "inputs": node.input.size,
                "outputs": node.output.size,
                "frac": output_frac(model, node),
                "weights": " + ".join(sorted(kinds)),
                "times": times,
                "macs": sum(m.macs for m in matrices) * repeats(node),
                "dense_macs": sum(m.rows * m.cols for m in matrices) * repeats(node),
                "flash_bytes": sum(one.bytes for one in packed),
                "tables": [_table(one, repeats(node)) for one in packed],
            }
        )
    return layers

# SPDX-License-Identifier: BSD-3-Clause
"""Quantised model + target -> a directory of C and a manifest that says what is in it.

The directory appears whole or not at all.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from quantize.graph import repeats
from quantize.model import QuantisedModel
from quantize.run import output_frac
from toolkit.codegen.arena import Arena, plan
from toolkit.codegen.engine import engine_sizes, engine_source, io_bytes, trace_bytes
from toolkit.codegen.step import step_header, step_source
from toolkit.codegen.tables import weight_header, weight_tables
from toolkit.codegen.wire import wire_header
from toolkit.targets import Target

MANIFEST = "manifest.json"
GENERATED = "generated"


def generate(model: QuantisedModel, target: Target, build_dir: Path) -> dict[str, Any]:
    """Write build_dir/generated/ for a target and return (and write) its manifest."""
    arena = plan(model)
    name = model.graph.name
    files = {
        f"{name}_weights.h": weight_header(model),
        f"{name}_weights.c": weight_tables(model),
        f"{name}.h": step_header(model, arena),
        f"{name}.c": step_source(model),
        "engine_sizes.h": engine_sizes(model),
        "engine.c": engine_source(model, target.name),
        "dredkit_wire.h": wire_header(),
    }
    manifest = describe(model, target.name, arena)
    manifest["files"] = {n: hashlib.sha256(t.encode()).hexdigest() for n, t in files.items()}

    final = build_dir / GENERATED
    partial = build_dir / f"{GENERATED}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file_name, text in files.items():
        (partial / file_name).write_text(text, encoding="utf-8")
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    return manifest


def describe(model: QuantisedModel, target: str, arena: Arena) -> dict[str, Any]:
    """Return what a manifest says of a model on a target, before any file is written."""
    layers = []
    offset = 0
    for node in model.graph.nodes:
        matrices = [model.matrices[shape.name] for shape in node.matrices]
        layers.append(
            {
                "name": node.name,
                "op": type(node).__name__,
                "inputs": node.input.size,
                "outputs": node.output.size,
                "frac": output_frac(model, node),
                "trace_offset": offset,
                "macs": sum(m.macs for m in matrices) * repeats(node),
                "flash_bytes": sum(m.stored_bytes for m in matrices),
            }
        )
        offset += 2 * node.output.size
    inputs, outputs = io_bytes(model)
    return {
        "target": target,
        "stage": model.graph.name,
        "scheme": model.scheme,
        "model_hash": model.hash,
        "source": model.source,
        "frac": model.frac,
        "input_bytes": inputs,
        "output_bytes": outputs,
        "trace_bytes": trace_bytes(model),
        "macs": sum(layer["macs"] for layer in layers),
        "table_bytes": sum(layer["flash_bytes"] for layer in layers),
        "arena_bytes": arena.bytes,
        "state_bytes": arena.kept_bytes,
        "arena": [asdict(member) for member in arena.members],
        "layers": layers,
    }

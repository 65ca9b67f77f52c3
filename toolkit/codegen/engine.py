# SPDX-License-Identifier: BSD-3-Clause
"""The one engine instance of an image: joins a generated network to the serial server."""

from quantize.model import QuantisedModel
from toolkit.codegen.arena import c_type
from toolkit.codegen.tables import BANNER

MODEL_HASH_BYTES = 16  # DK_MODEL_HASH_BYTES of firmware/include/dredkit/engine.h


def trace_bytes(model: QuantisedModel) -> int:
    """Bytes of one step's layer trace: every node's int16 output."""
    return sum(2 * node.output.size for node in model.graph.nodes)


def held_bytes(model: QuantisedModel, buffer: str) -> int:
    """Bytes of one of the graph's buffers."""
    return model.graph.buffers[buffer] * (2 if model.graph.is_wide(buffer) else 1)


def io_bytes(model: QuantisedModel) -> tuple[int, int]:
    """Bytes of one step's inputs and outputs on the wire."""
    inputs = sum(held_bytes(model, name) for name in model.graph.inputs)
    return inputs, sum(held_bytes(model, name) for name in model.graph.outputs)


def engine_sizes(model: QuantisedModel) -> str:
    """Return engine_sizes.h: what the server needs to know at compile time."""
    inputs, outputs = io_bytes(model)
    return (
        f"{BANNER}#ifndef DREDKIT_ENGINE_SIZES_H\n#define DREDKIT_ENGINE_SIZES_H\n\n"
        f"#define DK_ENGINE_INPUT_BYTES {inputs}\n"
        f"#define DK_ENGINE_OUTPUT_BYTES {outputs}\n"
        f"#define DK_ENGINE_TRACE_BYTES {trace_bytes(model)}\n\n#endif\n"
    )


def engine_source(model: QuantisedModel, target: str) -> str:
    """Return engine.c: `dk_app_engine` over a static instance of the network."""
    graph = model.graph
    name = graph.name
    inputs, outputs = io_bytes(model)
    digest = ", ".join(f"0x{b:02x}" for b in bytes.fromhex(model.hash)[:MODEL_HASH_BYTES])
    declare, take, give = [], [], []
    offset = 0
    for buffer in graph.inputs:
        declare.append(f"    {c_type(graph, buffer)} {buffer}[{graph.buffers[buffer]}];\n")
        take.append(f"    memcpy({buffer}, input + {offset}, sizeof {buffer});\n")
        offset += held_bytes(model, buffer)
    offset = 0
    for buffer in graph.outputs:
        declare.append(f"    {c_type(graph, buffer)} {buffer}[{graph.buffers[buffer]}];\n")
        give.append(f"    memcpy(output + {offset}, {buffer}, sizeof {buffer});\n")
        offset += held_bytes(model, buffer)
    arguments = ", ".join(("&instance", "&scratch", *graph.inputs, *graph.outputs, "trace"))
    return (
        f'{BANNER}#include "dredkit/engine.h"\n\n#include <string.h>\n\n#include "{name}.h"\n\n'
        f"static dk_{name} instance;\nstatic dk_{name}_scratch scratch;\n\n"
        "static dk_status reset(void)\n{\n"
        f"    dk_{name}_reset(&instance);\n    return DK_OK;\n}}\n\n"
        "static dk_status step(const uint8_t *input, uint8_t *output, uint8_t *trace)\n{\n"
        f"{''.join(declare + take)}    dk_{name}_step({arguments});\n{''.join(give)}"
        "    return DK_OK;\n}\n\n"
        "const dk_engine dk_app_engine = {\n"
        f'    .stage = "{name}",\n    .target = "{target}",\n    .model_hash = {{{digest}}},\n'
        f"    .input_bytes = {inputs},\n    .output_bytes = {outputs},\n"
        f"    .trace_bytes = {trace_bytes(model)},\n    .reset = reset,\n    .step = step,\n}};\n"
    )

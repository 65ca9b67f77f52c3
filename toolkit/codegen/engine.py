# SPDX-License-Identifier: BSD-3-Clause
"""What joins generated networks to the serial server: sizes, names, the model's hash."""

from quantize.model import QuantisedModel
from toolkit.codegen.arena import c_type
from toolkit.codegen.tables import BANNER
from toolkit.stage import HASH_BYTES, Stage, stage_of


def engine_sizes(stage: Stage) -> str:
    """Return engine_sizes.h: what the server needs to know at compile time."""
    return (
        f"{BANNER}#ifndef DREDKIT_ENGINE_SIZES_H\n#define DREDKIT_ENGINE_SIZES_H\n\n"
        f"#define DK_ENGINE_INPUT_BYTES {stage.input_bytes}\n"
        f"#define DK_ENGINE_OUTPUT_BYTES {stage.output_bytes}\n"
        f"#define DK_ENGINE_TRACE_BYTES {stage.trace_bytes}\n\n#endif\n"
    )


def encoder_config(stage: Stage, target: str) -> str:
    """Return encoder_config.h: the input rate, and what `dk_app_engine` says of itself."""
    return (
        f"{BANNER}#ifndef DREDKIT_ENCODER_CONFIG_H\n#define DREDKIT_ENCODER_CONFIG_H\n\n"
        f"#define DK_ENCODER_RATE {stage.input_rate}\n"
        f'#define DK_ENGINE_STAGE "{stage.name}"\n#define DK_ENGINE_TARGET "{target}"\n'
        f"#define DK_ENGINE_MODEL_HASH {{{_digest(stage)}}}\n\n#endif\n"
    )


def network_engine(model: QuantisedModel, target: str) -> str:
    """Return engine.c: `dk_app_engine` over a static instance of one network."""
    stage = stage_of(model)
    graph = model.graph
    name = graph.name
    declare: list[str] = []
    take: list[str] = []
    give: list[str] = []
    for buffers, copy, where in (
        (graph.inputs, take, "memcpy({0}, input + {1}, sizeof {0});"),
        (graph.outputs, give, "memcpy(output + {1}, {0}, sizeof {0});"),
    ):
        offset = 0
        for buffer in buffers:
            declare.append(f"    {c_type(graph, buffer)} {buffer}[{graph.buffers[buffer]}];\n")
            copy.append(f"    {where.format(buffer, offset)}\n")
            offset += graph.held_bytes(buffer)
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
        f'    .stage = "{name}",\n    .target = "{target}",\n'
        f"    .model_hash = {{{_digest(stage)}}},\n    .input_bytes = {stage.input_bytes},\n"
        f"    .output_bytes = {stage.output_bytes},\n    .trace_bytes = {stage.trace_bytes},\n"
        "    .reset = reset,\n    .step = step,\n};\n"
    )


def _digest(stage: Stage) -> str:
    return ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(stage.hash)[:HASH_BYTES])

# SPDX-License-Identifier: BSD-3-Clause
"""Write the C that opens the blob of one model: a straight list of calls, and the shapes."""

from typing import Final

from quantize.nn.graph import Gru, Node
from quantize.nn.model import QuantisedModel
from quantize.vocoder.fargan.model import FarganModel
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.voices import voice_name
from toolkit.codegen.blob.parts import Parts, voice_header
from toolkit.codegen.network.tables import (
    BANNER,
    END_EXTERN_C,
    EXTERN_C,
    node_struct,
    struct_name,
    weight_header,
)
from toolkit.codegen.package.sizes import Measured

# The size of the public dk_weights, for a product's config.h.
WEIGHTS: Final = Measured("DK_WEIGHTS_BYTES", "model_weights.h", "dk_model_weights")

_TYPES = {
    "dk_gru": "DK_BLOB_GRU",
    "dk_matrix8": "DK_BLOB_MATRIX8",
    "dk_matrix16": "DK_BLOB_MATRIX16",
}


def blob_files(parts: Parts, linked: bool) -> dict[str, str]:
    """Return the C files with which an image opens the blob of a model.

    Some replace files of the same name that were made for tables linked into the image. If not
    `linked`, leave out the files of those tables (`table_files`).
    """
    files = {"model_weights.h": weights_header(parts), "model_weights.c": weights_source(parts)}
    for network in parts.networks:
        name = network.model.graph.name
        files[f"{name}_weights.h"] = weight_header(network.model, linked, blob=True)
    if parts.voice is not None:
        name = f"{voice_name(parts.voice)}_model.h"
        files[name] = voice_header(parts.voice, linked, blob=True)
    return files


def table_files(parts: Parts) -> set[str]:
    """Return the names of the C files with the tables that a blob holds instead."""
    names = {f"{network.model.graph.name}_weights.c" for network in parts.networks}
    names |= set() if parts.voice is None else {f"{voice_name(parts.voice)}_model.c"}
    return names | ({"model_tables.c"} if parts.tables is not None else set())


def weights_header(parts: Parts) -> str:
    """Return model_weights.h: the struct with all tables of a model, and how to open it."""
    includes, members = ['#include "weights/blob.h"\n'], []
    if parts.tables is not None:
        includes.append('#include "dred/tables.h"\n')
        members.append("    const dk_dred_tables *tables;\n")
    for network in parts.networks:
        name = network.model.graph.name
        includes.append(f'#include "{name}_weights.h"\n')
        members.append(f"    {struct_name(name)} {name};\n")
    voice = ""
    if parts.voice is not None:
        include, member, initialiser = _voice(parts.voice)
        includes.append(f'#include "{include}"\n')
        members.append(f"    {member};\n")
        voice = (
            "// The initialiser of a voice's weights, DK_VOICE_WEIGHTS.\n"
            f"#define DK_MODEL_VOICE(model) {{{initialiser}}}\n\n"
        )
    guard = "DREDKIT_MODEL_WEIGHTS_H"
    return (
        f"{BANNER}#ifndef {guard}\n#define {guard}\n\n{''.join(sorted(includes))}\n{EXTERN_C}\n"
        "// All tables of a model.\n"
        f"typedef struct {{\n{''.join(members)}}} dk_model_weights;\n\n"
        f"{voice}"
        "// Open a blob of at most `size` bytes, which stays in use as long as `model`. Its start\n"
        "// is aligned to DK_BLOB_ALIGNMENT. Any bytes are harmless. Returns 0, or a negative\n"
        "// dk_status; then `model` is all zeros.\n"
        "int32_t dk_model_open(dk_model_weights *model, const uint8_t *bytes, size_t size);\n\n"
        f"{END_EXTERN_C}\n#endif\n"
    )


def weights_source(parts: Parts) -> str:
    """Return model_weights.c: the structure that a blob must have, and the calls that open it."""
    digest = ", ".join(f"0x{byte:02x}" for byte in parts.topology())
    lines = [f'{BANNER}#include "model_weights.h"\n\n#include <string.h>\n']
    if isinstance(parts.voice, LpcnetModel):
        lines.append('\n#include "vocoder/lpcnet_weights.h"\n')
    lines.append(f"\nstatic const uint8_t topology[DK_BLOB_HASH_BYTES] = {{{digest}}};\n")
    calls = ["dk_blob_begin(&blob, topology, bytes, size);"]
    if parts.tables is not None:
        calls.append("model->tables = dk_blob_entropy(&blob);")
    for network in parts.networks:
        name = network.model.graph.name
        rows = "".join(_layer(node, network.model) for node in network.model.graph.nodes)
        lines.append(f"\nstatic const dk_blob_layer {name}[] = {{\n{rows}}};\n")
        count = f"sizeof {name} / sizeof {name}[0]"
        calls.append(f"dk_blob_network(&blob, {name}, {count}, &model->{name});")
    if isinstance(parts.voice, FarganModel):
        row = "const int16_t(*)[DK_FARGAN_EMBEDDING]"
        size = f"sizeof(int16_t[{len(parts.voice.periods)}][DK_FARGAN_EMBEDDING])"
        calls.append(f"model->fargan_periods = ({row})dk_blob_table(&blob, {size});")
    elif parts.voice is not None:
        calls.append("dk_blob_lpcnet(&blob, &model->lpcnet);")
    body = "".join(f"    {call}\n" for call in calls)
    lines.append(
        "\nint32_t dk_model_open(dk_model_weights *model, const uint8_t *bytes, size_t size)\n{\n"
        "    dk_blob blob;\n    memset(model, 0, sizeof *model);\n"
        f"{body}    const int32_t status = dk_blob_end(&blob);\n"
        "    if (status < 0) {\n        memset(model, 0, sizeof *model);\n    }\n"
        "    return status;\n}\n"
    )
    return "".join(lines)


def api_source() -> str:
    """Return weights_api.c, which opens a blob behind include/dredkit/weights.h of a product."""
    return (
        f'{BANNER}#include <assert.h>\n\n#include "dredkit/weights.h"\n'
        '#include "model_weights.h"\n\n'
        "static_assert(sizeof(dk_model_weights) <= DK_WEIGHTS_BYTES, "
        '"config.h is of another model");\n\n'
        "int32_t dk_weights_open(dk_weights *weights, const uint8_t *bytes, size_t size)\n{\n"
        "    if (weights == NULL) {\n        return DK_ERR_ARGUMENT;\n    }\n"
        "    return dk_model_open((dk_model_weights *)(void *)weights->memory, bytes, size);\n}\n"
    )


def _voice(voice: LpcnetModel | FarganModel) -> tuple[str, str, str]:
    """Return a voice's header, its member of dk_model_weights, and what its weights consist of."""
    if isinstance(voice, FarganModel):
        member = "const int16_t (*fargan_periods)[DK_FARGAN_EMBEDDING]"
        networks = "&(model)->fargan_condition, &(model)->fargan_step"
        return "fargan_model.h", member, f"{networks}, (model)->fargan_periods"
    own = "&(model)->lpcnet_condition, &(model)->lpcnet"
    return "vocoder/lpcnet_cells.h", "dk_lpcnet_cells lpcnet", own


def _layer(node: Node, model: QuantisedModel) -> str:
    kind = node_struct(node, model)
    shape = next(iter(node.matrices))
    rows = 3 * node.output.size if isinstance(node, Gru) else shape.rows
    assert rows == shape.rows
    at = f"offsetof({struct_name(model.graph.name)}, {node.name})"
    return f"    {{{at}, {rows}, {shape.cols}, {_TYPES[kind]}}},\n"

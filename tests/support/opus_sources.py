# SPDX-License-Identifier: BSD-3-Clause
"""Write C tables like an Opus release, of the network in tests/support/blobs.py or another."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from quantize.dred.tables import TABLE_BYTES, EntropyTables
from quantize.nn.weights import Weights
from tests.support.blobs import GRAPH, LAYERS, blob, records_of
from toolkit.models.importers.dnnw import Records, read_records

TYPES = {"float32": "float", "int32": "int", "int8": "opus_int8", "uint8": "opus_uint8"}
BLOB = blob([record for layer in LAYERS.values() for record in records_of(layer)])
RECORDS = read_records(BLOB, "blob")
COLS = {shape.name: shape.cols for shape in GRAPH.matrices()}
A = "static const opus_int8 a[3] = {\n    1, 2,\n    3\n};\n"  # the smallest file


def array(name: str, values: npt.NDArray[np.generic], static: str = "static ") -> str:
    """Return one array in the layout of Opus' exporter: macros, then eight numbers a line."""
    kind = TYPES[values.dtype.name]
    words = [str(value) for value in values]
    rows = [", ".join(words[at : at + 8]) for at in range(0, len(words), 8)]
    macros = f"#define WEIGHTS_{name}_DEFINED\n#define WEIGHTS_{name}_TYPE WEIGHT_TYPE_{kind}\n"
    body = ",\n    ".join(rows)
    return f"\n{macros}{static}const {kind} {name}[{len(words)}] = {{\n    {body}\n}};\n\n"


def network_source(records: Mapping[str, npt.NDArray[np.generic]], name: str = "net") -> str:
    """Return a network's *_data.c; the float copies of its int8 weights have other values."""
    parts = [
        "/* Auto generated from checkpoint some.pth */\n\n\n#ifdef HAVE_CONFIG_H\n"
        f'#include "config.h"\n#endif\n\n#include "{name}_data.h"\n\n'
    ]
    names: list[str] = []
    for key, values in records.items():
        parts.append(f"\n#ifndef USE_WEIGHTS_FILE\n{array(key, values)}\n#endif /* x */\n")
        names.append(key)
        if key.endswith("_weights_int8"):
            copy = key.removesuffix("_int8") + "_float"
            text = array(copy, np.full(len(values), 1e-5, np.float32))
            parts.append(
                "\n#ifndef USE_WEIGHTS_FILE\n#ifndef DISABLE_DEBUG_FLOAT\n"
                f"{text}#endif /*DISABLE_DEBUG_FLOAT*/\n\n#endif /* x */\n"
            )
            names.append(copy)
    rows = "".join(
        f'#ifdef WEIGHTS_{key}_DEFINED\n    {{"{key}",  WEIGHTS_{key}_TYPE, sizeof({key}), {key}}},'
        "\n#endif\n"
        for key in names
    )
    parts.append(
        f"\n#ifndef USE_WEIGHTS_FILE\nconst WeightArray {name}_arrays[] = {{\n{rows}"
        "    {NULL, 0, 0, NULL}\n};\n#endif /* USE_WEIGHTS_FILE */\n\n"
        f"#ifndef DUMP_BINARY_WEIGHTS\nint init_{name}(Net *model, const WeightArray *arrays) {{\n"
        f'    if (linear_init(&model->first, arrays, "first_bias", NULL, 12, 16)) return 1;\n'
        "    return 0;\n}\n#endif /* DUMP_BINARY_WEIGHTS */\n"
    )
    return "".join(parts)


def stats_arrays(tables: EntropyTables) -> dict[str, npt.NDArray[np.uint8]]:
    rows = ("quant_scales", "dead_zone", "r", "p0")
    return {
        f"dred_{part}_{row}_q8": values[at].reshape(-1)
        for part, values in (("latent", tables.latents), ("state", tables.states))
        for at, row in enumerate(rows)
    }


def stats_source(tables: EntropyTables) -> str:
    head = '/* Auto generated */\n\n#include "dred_rdovae_stats_data.h"\n\n'
    tail = (
        "const WeightArray model_arrays[] = {\n    {NULL, 0, 0, NULL}\n};\n"
        "int init_model(Model *model, const WeightArray *arrays) {\n    return 0;\n}\n"
    )
    arrays = stats_arrays(tables).items()
    return head + "".join(array(name, values, "") for name, values in arrays) + tail


def some_tables() -> EntropyTables:
    values = np.random.default_rng(9).integers(1, 256, TABLE_BYTES)
    return EntropyTables.from_bytes(values.astype(np.uint8).tobytes())


def same_records(a: Records, b: Records) -> bool:
    return list(a) == list(b) and all(
        a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]) for key in a
    )


def same_layers(a: dict[str, Weights], b: dict[str, Weights]) -> bool:
    return list(a) == list(b) and all(
        np.array_equal(getattr(a[name], part), getattr(b[name], part))
        for name in a
        for part in ("matrix", "bias", "int8", "scale", "blocks")
    )


TABLES = some_tables()
SOURCE = network_source(RECORDS)

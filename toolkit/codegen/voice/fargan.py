# SPDX-License-Identifier: BSD-3-Clause
"""Write FARGAN as C: its sizes and its tables; firmware/dredkit/vocoder/fargan.h uses them."""

from __future__ import annotations

from collections.abc import Mapping

from quantize.vocoder.fargan.model import FarganModel
from quantize.vocoder.fargan.parts import CONDITION, HEARD, STEP_NET
from toolkit.codegen.network.arena import plan
from toolkit.codegen.network.step import step_header, step_source
from toolkit.codegen.network.tables import BANNER, Place, nowhere, weight_header, weight_tables
from toolkit.codegen.packing.pack import PackedNetwork


def fargan_files(
    model: FarganModel, packed: Mapping[str, PackedNetwork], place: Place = nowhere
) -> dict[str, str]:
    """Return every generated file that firmware/dredkit/vocoder/fargan.c is compiled with.

    `packed` has both networks of the voice. fargan.c itself calls the layers of a step, so that
    network has tables only.
    """
    condition = model.condition
    return {
        f"{CONDITION}_weights.h": weight_header(condition),
        f"{CONDITION}_weights.c": weight_tables(packed[CONDITION], place),
        f"{CONDITION}.h": step_header(condition, plan(condition)),
        f"{CONDITION}.c": step_source(condition),
        f"{STEP_NET}_weights.h": weight_header(model.step),
        f"{STEP_NET}_weights.c": weight_tables(packed[STEP_NET], place),
        "fargan_model.h": model_header(model),
        "fargan_model.c": model_source(model, place),
    }


def model_header(model: FarganModel, linked: bool = True, blob: bool = False) -> str:
    """Return fargan_model.h: the sizes of the layers, and where tables come from.

    Tables are `linked` into the image, or a `blob` has them, or both.
    """
    sizes = model.topology
    numbers = {
        "VECTOR": (sizes.conditioning, "conditioning of a step"),
        "FIRST": (sizes.first, "units of the first layer"),
        **{f"GRU{k}": (units, "") for k, units in enumerate(sizes.gru, 1)},
        "SKIP": (sizes.skip, "units of the layer that sees all layers before it"),
        "NOISE": (sizes.noise, "random inputs of a step"),
        "EMBEDDING": (sizes.embedding, "values of a period"),
        "MOST": (max(sizes.first, *sizes.gru, sizes.skip), "units of the largest layer"),
        "MOST_GRU": (max(sizes.gru), "of the largest GRU"),
        "GATES": (max(6 * max(sizes.gru), sizes.first, sizes.skip), "scratch of GRUs and gates"),
        "MOST_HEARD": (max(sizes.gru_inputs), f"inputs of a GRU, {HEARD} of them samples"),
    }
    lines = [
        f"#define DK_FARGAN_{key} {n}{f'  // {why}' * bool(why)}\n"
        for key, (n, why) in numbers.items()
    ]
    if linked:
        lines.append("#define DK_FARGAN_LINKED 1  // dk_fargan_periods is part of the image\n")
    if blob:
        lines.append("#define DK_FARGAN_BLOB 1  // model_weights.h opens one\n")
    guard = "DREDKIT_FARGAN_MODEL_H"
    return f"{BANNER}#ifndef {guard}\n#define {guard}\n\n{''.join(lines)}\n#endif\n"


def model_source(model: FarganModel, place: Place = nowhere) -> str:
    """Return fargan_model.c: the embedding of the period."""
    rows = "".join(f"    {{{', '.join(map(str, row))}}},\n" for row in model.periods.tolist())
    declared = "const int16_t dk_fargan_periods[DK_FARGAN_PERIODS][DK_FARGAN_EMBEDDING]"
    where = place("fargan/periods", "periods")
    head = f'{BANNER}#include "vocoder/fargan.h"\n\n// clang-format off\n'
    return f"{head}{declared}{where} = {{\n{rows}}};\n"

# SPDX-License-Identifier: BSD-3-Clause
"""Write the step function as C: a straight list of calls, one paragraph a layer, no logic."""

from collections.abc import Sequence

from quantize.nn.graph import Conv1d, Conv2d, Glu, Gru, Node, Slice, is_linear
from quantize.nn.model import QuantisedModel
from toolkit.codegen.network.arena import (
    Arena,
    Member,
    c_type,
    memory_name,
    state_name,
    window_name,
)
from toolkit.codegen.network.batch import batch_comment, batch_paragraph, batch_signature
from toolkit.codegen.network.tables import BANNER, END_EXTERN_C, EXTERN_C, struct_name

_MEMBER_ALIGN = 4  # toolkit/codegen/network/arena.py lays members out on words


def step_header(model: QuantisedModel, arena: Arena) -> str:
    """Return the header of one network: its sizes, its arena struct and its two functions.

    A network whose arena has room for several steps gets dk_<network>_steps; others get
    dk_<network>_step.
    """
    name = model.graph.name
    guard = f"DREDKIT_{name.upper()}_H"
    upper = name.upper()
    lines = [BANNER, f"#ifndef {guard}\n#define {guard}\n\n#include <stdalign.h>\n"]
    lines.append("#include <stddef.h>\n#include <stdint.h>\n\n")
    lines.append(f'#include "{name}_weights.h"\n\n{EXTERN_C}\n')
    for buffer in (*model.graph.inputs, *model.graph.outputs):
        size, frac = model.graph.buffers[buffer], model.frac.get(buffer)
        held = model.graph.format(buffer).value if frac is None else f"int16, Q{frac}"
        lines.append(f"#define DK_{upper}_{buffer.upper()} {size}  // {held}\n")
        if frac is not None:
            lines.append(f"#define DK_{upper}_{buffer.upper()}_FRAC {frac}\n")
    trace = sum(2 * node.output.size for node in model.graph.nodes)
    lines.append(f"#define DK_{upper}_TRACE_BYTES {trace}  // every layer's int16 output\n")
    lines.append(f"#define DK_{upper}_BATCH {arena.batch}  // steps that run at once, at most\n")
    lines.append(f"\n// What lives from one step to the next: {arena.kept_bytes} bytes.\n")
    lines.append(_struct(f"dk_{name}", arena.kept))
    lines.append(f"// Scratch within one call: {arena.scratch_bytes} bytes.\n")
    lines.append(_struct(f"dk_{name}_scratch", arena.scratch))
    lines.append("// Bring an instance to the state before the first step.\n")
    lines.append(f"void dk_{name}_reset(dk_{name} *self);\n\n")
    one = "// Run one step. `trace` is NULL or takes every layer's int16 output, in order.\n"
    lines.append(one if arena.batch == 1 else batch_comment(arena.batch))
    lines.append(f"{_signature(model, arena.batch)};\n\n{END_EXTERN_C}\n#endif\n")
    return "".join(lines)


def _struct(name: str, members: Sequence[Member]) -> str:
    body = "".join(
        f"    alignas({_MEMBER_ALIGN}) {m.c_type} {m.name}[{m.count}];\n" for m in members
    )
    nothing = "    char nothing;  // C has no empty struct\n"
    return f"typedef struct {{\n{body or nothing}}} {name};\n\n"


def step_source(model: QuantisedModel, batch: int = 1) -> str:
    """Return the C source of one network's step, or of up to `batch` steps at once."""
    name = model.graph.name
    paragraph = _paragraph if batch == 1 else batch_paragraph
    body = "".join("\n" + paragraph(node, model) for node in model.graph.nodes)
    layers = "" if batch == 1 else '#include "nn/batch.h"\n\n'
    return (
        f'{BANNER}#include "{name}.h"\n\n#include <string.h>\n\n{layers}'
        f"void dk_{name}_reset(dk_{name} *self)\n{{\n    memset(self, 0, sizeof *self);\n}}\n\n"
        f"{_signature(model, batch)}\n{{\n    dk_trace_start(trace);\n{body}"
        "    (void)trace;\n    (void)self;\n    (void)work;\n}\n"
    )


def _signature(model: QuantisedModel, batch: int) -> str:
    if batch > 1:
        return batch_signature(model)
    graph = model.graph
    upper = graph.name.upper()
    inputs = [f"const {c_type(graph, n)} {n}[DK_{upper}_{n.upper()}]" for n in graph.inputs]
    outputs = [f"int16_t {n}[DK_{upper}_{n.upper()}]" for n in graph.outputs]
    tables = f"const {struct_name(graph.name)} *weights"
    memory = [tables, f"dk_{graph.name} *self", f"dk_{graph.name}_scratch *work"]
    arguments = [*memory, *inputs, *outputs, "uint8_t *trace"]
    return f"void dk_{graph.name}_step(" + ",\n    ".join(arguments) + ")"


def _paragraph(node: Node, model: QuantisedModel) -> str:
    graph = model.graph
    out = node.output
    size = out.size
    kind = type(node).__name__.lower()
    tables = f"&weights->{node.name}"
    lines = [f"// {node.name}: {kind}, {node.input.size} -> {size}"]
    x = _place(node.input, graph.inputs)
    wide = graph.is_wide(out.buffer)
    result = _place(out, graph.outputs) if wide else "work->row"
    if isinstance(node, Gru):
        kept = result
        result = f"self->{state_name(node)}"
        lines.append(f"dk_gru_step({tables}, {x}, {result}, work->gates, work->state8);")
        if wide:
            lines.append(f"memcpy({kept}, {result}, {size} * sizeof(int16_t));")
    elif isinstance(node, Glu):
        lines.append(f"dk_narrow({x}, {size}, work->state8);")
        lines.append(f"dk_matvec8({tables}, work->state8, {result});")
        lines.append(f"dk_sigmoid({result}, {size});")
        lines.append(f"dk_gate({result}, {x}, {size});")
    elif isinstance(node, Conv2d):
        memory = f"self->{memory_name(node)}"
        channels = node.input.size // node.width
        sizes = f"{channels}, {node.width}"
        lines.append(f"dk_conv2d({tables}, {memory}, {x}, {sizes}, {result});")
        lines.append(f"dk_conv2d_keep({memory}, {x}, {node.input.size});")
    else:
        if isinstance(node, Conv1d):
            memory = f"self->{memory_name(node)}"
            window = f"work->{window_name(graph.is_wide(node.input.buffer))}"
            size_of_one = 2 if graph.is_wide(node.input.buffer) else 1
            sizes = f"{node.taps}, {node.dilation}, {x}, {node.input.size * size_of_one}"
            lines.append(f"dk_conv1d_window({memory}, {sizes}, {window});")
            x = window
        width = 16 if model.matrices[node.name].is_wide else 8
        lines.append(f"dk_matvec{width}({tables}, {x}, {result});")
    if not isinstance(node, Gru | Glu) and not is_linear(node):
        lines.append(f"dk_tanh({result}, {size});")
    lines.append(f"trace = dk_trace(trace, {result}, {size});")
    if not wide:
        lines.append(f"dk_narrow({result}, {size}, {_place(out, ())});")
    return "".join(f"    {line}\n" for line in lines)


def _place(part: Slice, arguments: tuple[str, ...]) -> str:
    base = part.buffer if part.buffer in arguments else f"work->{part.buffer}"
    return base if part.start == 0 else f"{base} + {part.start}"

# SPDX-License-Identifier: BSD-3-Clause
"""Write several steps of a network as C: the calls of step.py, each for all steps at once.

Every layer is causal, so the order of layers and steps is free, and each step gives the same bits
as dk_<network>_step. Only the states of a GRU wait for each other (firmware/dredkit/nn/batch.h).
"""

from quantize.nn.graph import Conv1d, Glu, Gru, Node, Slice, is_linear
from quantize.nn.model import QuantisedModel
from toolkit.codegen.network.arena import c_type, memory_name, state_name, window_name
from toolkit.codegen.network.tables import struct_name


def batch_comment(batch: int) -> str:
    """Return the header's comment on `batch_signature`."""
    return (
        f"// Run 1 to {batch} steps, whose inputs, outputs and traces follow each other. `trace`\n"
        "// is NULL or takes every layer's int16 output of a step, in order, then of the next.\n"
    )


def batch_signature(model: QuantisedModel) -> str:
    """Return the declaration of dk_<network>_steps, without a semicolon."""
    graph = model.graph
    inputs = [f"const {c_type(graph, name)} *{name}" for name in graph.inputs]
    outputs = [f"int16_t *{name}" for name in graph.outputs]
    tables = f"const {struct_name(graph.name)} *weights"
    memory = [tables, f"dk_{graph.name} *self", f"dk_{graph.name}_scratch *work", "size_t steps"]
    arguments = [*memory, *inputs, *outputs, "uint8_t *trace"]
    return f"void dk_{graph.name}_steps(" + ",\n    ".join(arguments) + ")"


def batch_paragraph(node: Node, model: QuantisedModel) -> str:
    """Return the calls of one layer."""
    graph = model.graph
    upper = graph.name.upper()
    size = node.output.size
    tables = f"&weights->{node.name}"
    lines = [f"// {node.name}: {type(node).__name__.lower()}, {node.input.size} -> {size}"]
    x, apart = _place(node.input, graph.inputs), graph.buffers[node.input.buffer]
    wide = graph.is_wide(node.output.buffer)
    result = _place(node.output, graph.outputs) if wide else "work->row"
    if isinstance(node, Gru):
        scratch = f"self->{state_name(node)}, work->gates, work->state8"
        lines.append(f"dk_gru_batch({tables}, steps, {x}, {apart}, {scratch}, {result});")
    elif isinstance(node, Glu):
        lines.append(f"dk_narrow({x}, steps * {size}, work->state8);")
        product = f"{tables}, steps, work->state8, {size}, {result}, {size}"
        lines.append(f"dk_matvec8_batch({product});")
        lines.append(f"dk_sigmoid({result}, steps * {size});")
        lines.append(f"dk_gate({result}, {x}, steps * {size});")
    else:
        if isinstance(node, Conv1d):
            each = 2 if graph.is_wide(node.input.buffer) else 1
            window = f"work->{window_name(graph.is_wide(node.input.buffer))}"
            sizes = f"{node.taps}, {node.dilation}, steps, {x}, {apart * each}"
            memory = f"self->{memory_name(node)}"
            one = node.input.size * each
            lines.append(f"dk_conv1d_windows({memory}, {sizes}, {one}, {window});")
            x, apart = window, node.taps * node.input.size
        if model.matrices[node.name].is_wide:
            lines.append(f"dk_matvec16_batch({tables}, steps, {x}, {apart}, {result});")
        else:
            product = f"{tables}, steps, {x}, {apart}, {result}, {size}"
            lines.append(f"dk_matvec8_batch({product});")
    if not isinstance(node, Gru | Glu) and not is_linear(node):
        lines.append(f"dk_tanh({result}, steps * {size});")
    lines.append(f"trace = dk_trace_batch(trace, DK_{upper}_TRACE_BYTES, steps, {result}, {size});")
    if not wide:
        held = f"{_place(node.output, ())}, {graph.buffers[node.output.buffer]}"
        lines.append(f"dk_narrow_batch(steps, {result}, {size}, {held});")
    return "".join(f"    {line}\n" for line in lines)


def _place(part: Slice, arguments: tuple[str, ...]) -> str:
    base = part.buffer if part.buffer in arguments else f"work->{part.buffer}"
    return base if part.start == 0 else f"{base} + {part.start}"

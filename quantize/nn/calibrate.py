# SPDX-License-Identifier: BSD-3-Clause
"""Run the float network on real speech: find ranges for formats, then compare the integers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.errors import InputError
from quantize.nn.graph import Graph, repeats
from quantize.nn.model import QuantisedModel
from quantize.nn.run import FloatRun, output_frac, run_float, run_integer, to_held
from quantize.nn.weights import Weights

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayerReport:
    """How one node compares with float (largest |output| and SNR), and what it costs.

    `format` is the format of its int16 output, `weights` the type of its weights, and `scale` the
    largest of their per-output scales.
    """

    name: str
    op: str
    format: str
    peak: float
    weights: str
    scale: float
    snr_db: float
    macs: int
    bytes: int


def steps(features: npt.NDArray[np.floating], graph: Graph) -> Floats:
    """Group feature frames [frames, 20] into the graph's steps [steps, n]; drop the remainder.

    Raises InputError if there is no whole step or a value is not finite.
    """
    (name,) = graph.inputs
    width = graph.buffers[name]
    flat = np.asarray(features, np.float64).reshape(-1)
    count = len(flat) // width
    if count == 0:
        raise InputError("the audio is shorter than one 20 ms step")
    if not np.all(np.isfinite(flat)):
        raise InputError("the features hold NaN or infinite values; check the audio")
    return flat[: count * width].reshape(count, width)


def peaks(graph: Graph, run: FloatRun, inputs: dict[str, Floats]) -> dict[str, float]:
    """Return the largest magnitude of each input and output that has a calibrated format."""
    seen = {name: float(np.abs(values).max()) for name, values in inputs.items()}
    for node in graph.nodes:
        if node.output.buffer in graph.outputs:
            seen[node.output.buffer] = float(np.abs(run.outputs[node.name]).max())
    return {name: seen[name] for name in graph.calibrated}


def snr_db(got: Floats, want: Floats) -> float:
    """Return the signal-to-noise ratio of `got` against `want` in dB; infinite if equal."""
    noise = float(((got - want) ** 2).sum())
    return float("inf") if noise == 0 else 10 * np.log10(float((want**2).sum()) / noise)


def calibrate(
    graph: Graph,
    weights: dict[str, Weights],
    inputs: Floats | dict[str, Floats],
    states: dict[str, Floats] | None = None,
) -> dict[str, float]:
    """Run the float network over real inputs [steps, n] (by name if several) and return its peaks.

    `states` gives the initial states of GRUs by name, in [-1, 1].
    """
    named = _named(graph, inputs)
    return peaks(graph, run_float(graph, weights, named, states), named)


def report(
    model: QuantisedModel,
    weights: dict[str, Weights],
    inputs: Floats | dict[str, Floats],
    states: dict[str, Floats] | None = None,
) -> list[LayerReport]:
    """Compare a free-running integer run with the float run, node by node."""
    graph = model.graph
    named = _named(graph, inputs)
    wanted = run_float(graph, weights, named, states)
    held = {name: to_held(graph, model.frac, name, x) for name, x in named.items()}
    start = {name: integer.to_fixed(x, integer.Q15_FRAC) for name, x in (states or {}).items()}
    got = run_integer(model, held, start)
    rows = []
    for node in graph.nodes:
        frac = output_frac(model, node)
        matrices = [model.matrices[shape.name] for shape in node.matrices]
        rows.append(
            LayerReport(
                name=node.name,
                op=type(node).__name__,
                format=f"Q{frac}",
                peak=float(np.abs(wanted.outputs[node.name]).max()),
                weights="int16" if any(m.is_wide for m in matrices) else "int8",
                scale=float(max(m.scale.max() for m in matrices)),
                snr_db=snr_db(integer.to_real(got[node.name], frac), wanted.outputs[node.name]),
                macs=sum(m.macs for m in matrices) * repeats(node),
                bytes=sum(m.stored_bytes for m in matrices),
            )
        )
    return rows


def _named(graph: Graph, inputs: Floats | dict[str, Floats]) -> dict[str, Floats]:
    return inputs if isinstance(inputs, dict) else {graph.inputs[0]: inputs}

# SPDX-License-Identifier: BSD-3-Clause
"""Turn float weights into a quantised model, with a proof that no accumulator overflows."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from quantize import integer
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.nn.graph import Graph
from quantize.nn.model import QuantisedMatrix, QuantisedModel, accumulator_bounds
from quantize.nn.weights import Weights, fit

Floats = npt.NDArray[np.float64]

SCHEME = "a8w8"
HEADROOM = 2.0  # inputs and outputs may reach this times the calibrated peak and not saturate


def quantise(
    graph: Graph, weights: dict[str, Weights], peaks: dict[str, float], source: dict[str, str]
) -> QuantisedModel:
    """Quantise a network under scheme a8w8.

    `peaks` gives the largest magnitude that calibration saw in each input and output buffer;
    `source` says where the weights came from. Raises InputError if a layer is missing or has
    another shape, an accumulator could overflow, or a prescribed format does not hold the peak.
    """
    frac = {name: _frac(graph, name, peaks[name]) for name in graph.calibrated}
    out_frac = {node.name: frac.get(node.output.buffer, integer.PRE_FRAC) for node in graph.nodes}
    shapes = list(graph.matrices())
    matrices = {}
    for shape, layer in zip(shapes, fit(shapes, weights, source["name"]), strict=True):
        to_frac = out_frac.get(shape.name, integer.PRE_FRAC)
        if graph.takes_wide(shape):
            from_frac = frac.get(shape.fed_from, integer.Q15_FRAC)
            matrices[shape.name] = quantise_wide(layer, from_frac, to_frac)
        else:
            matrices[shape.name] = quantise_narrow(layer, to_frac)
    return QuantisedModel(graph, SCHEME, frac, matrices, source)


def _frac(graph: Graph, name: str, peak: float) -> int:
    wanted = graph.fracs.get(name)
    if wanted is None:
        return choose_frac(peak)
    if not peak * 2.0**wanted <= integer.INT16_MAX:
        raise InputError(f"calibration saw a magnitude of {peak} in {name}: beyond Q{wanted}")
    return wanted


def choose_frac(peak: float) -> int:
    """Return the fractional bits of the int16 format that holds HEADROOM * peak; at most 15."""
    if not math.isfinite(peak) or peak < 0:
        raise InputError(f"calibration saw a magnitude of {peak}: check the calibration audio")
    integer_bits = math.ceil(math.log2(max(peak * HEADROOM, 2.0**-15)))
    if integer_bits > integer.Q15_FRAC:
        raise InputError(f"calibration saw a magnitude of {peak}: too large for int16")
    return min(integer.Q15_FRAC, integer.Q15_FRAC - integer_bits)


def quantise_narrow(layer: Weights, out_frac: int) -> QuantisedMatrix:
    """Quantise to int8 weights with one scale per row, for inputs x8 = round(127 x).

    If the source has int8 weights already, keep them. A row whose bias is far larger than its
    weights gets the finest scale at which bias and products together fit the accumulator.
    """
    if layer.int8 is not None and layer.scale is not None:
        scale = layer.scale
        int8 = np.where(scale[:, None] > 0, layer.int8, 0).astype(np.int8)  # a scale of 0 means 0
    else:
        peak = np.max(np.abs(layer.matrix), axis=1)
        room = integer.INT32_MAX - integer.X8_ONE * 127 * layer.matrix.shape[1] - 1
        if room < 1:
            raise InputError(f"layer {layer.name}: too many inputs for an int32 accumulator")
        scale = np.maximum(peak / 127.0, np.abs(layer.bias) * integer.X8_ONE / room)
        scale = np.where(peak > 0, scale, 0.0)
        ratio = layer.matrix / np.where(scale > 0, scale, 1.0)[:, None]
        int8 = np.clip(np.floor(ratio + 0.5), -127, 127).astype(np.int8)
    unit = np.where(scale > 0, scale / integer.X8_ONE, _bias_unit(layer.bias))
    return _finish(layer, int8, scale, unit, integer.X8_ONE, out_frac)


def quantise_wide(layer: Weights, in_frac: int, out_frac: int) -> QuantisedMatrix:
    """Quantise to int16 weights with one scale per row, for int16 inputs.

    Each row has the finest scale that cannot overflow. Its weights fit int16. Its sum fits int32
    with inputs of -32768 everywhere, every weight rounded away from zero, and the bias.
    """
    in_unit = 2.0**-in_frac
    cols = layer.matrix.shape[1]
    full_scale = -integer.INT16_MIN
    room = integer.INT32_MAX - full_scale * cols / 2 - 1
    worst = np.abs(layer.matrix).sum(axis=1) * full_scale + np.abs(layer.bias) / in_unit
    scale = np.maximum(np.max(np.abs(layer.matrix), axis=1) / integer.INT16_MAX, worst / room)
    ratio = layer.matrix / np.where(scale > 0, scale, 1.0)[:, None]
    int16 = np.floor(ratio + 0.5).astype(np.int16)
    unit = np.where(scale > 0, scale * in_unit, _bias_unit(layer.bias))
    dense = replace(layer, blocks=None)  # int16 products have no sparse kernel
    return _finish(dense, int16, scale, unit, full_scale, out_frac)


def prove_accumulator(
    name: str, weights: npt.NDArray[np.integer], bias: npt.NDArray[np.int64], input_peak: int
) -> int:
    """Return the largest |accumulator| that any input can cause; InputError if beyond int32."""
    bound = int(accumulator_bounds(weights, bias, input_peak).max())
    if bound > integer.INT32_MAX:
        raise InputError(
            f"layer {name}: its accumulator can reach {bound}, beyond int32; scale its weights down"
        )
    return bound


def prove_requantise(name: str, bounds: Ints, shift: Ints) -> None:
    """Raise InputError if an accumulator within `bounds` [rows] is too large to requantise."""
    largest = integer.lifted(bounds, shift)
    if np.any(largest > integer.INT32_MAX):
        row = int(np.argmax(largest))
        raise InputError(
            f"layer {name}, output {row}: its accumulator can reach {int(bounds[row])}, too much "
            f"for a shift of {int(shift[row])}; scale its weights down"
        )


def requantise_parameters(
    name: str, real: Floats
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Return (multiplier, shift) with multiplier * 2^-shift nearest to each real factor (> 0)."""
    mantissa, exponent = np.frexp(real)
    multiplier = np.floor(mantissa * 2.0**15 + 0.5).astype(np.int64)
    carry = multiplier > integer.MULTIPLIER_MAX
    multiplier = np.where(carry, integer.MULTIPLIER_MIN, multiplier)
    shift = 15 - (exponent.astype(np.int64) + carry)
    tiny = shift > integer.SHIFT_MAX  # such a row rounds to zero for any input
    multiplier = np.where(tiny, integer.MULTIPLIER_MIN, multiplier)
    shift = np.where(tiny, integer.SHIFT_MAX, shift)
    if np.any(shift < integer.SHIFT_MIN):
        row = int(np.argmin(shift))
        raise InputError(f"layer {name}, output {row}: weights of this size leave no precision")
    return multiplier.astype(np.int16), shift.astype(np.uint8)


def _bias_unit(bias: Floats) -> Floats:
    """Return the accumulator unit of a row without weights: its bias takes 20 bits."""
    return np.asarray(np.maximum(np.abs(bias), 2.0**-20) * 2.0**-20)


def _finish(
    layer: Weights,
    weights: npt.NDArray[np.int8] | npt.NDArray[np.int16],
    scale: Floats,
    unit: Floats,
    input_peak: int,
    out_frac: int,
) -> QuantisedMatrix:
    bias = np.floor(layer.bias / unit + 0.5)
    if np.any(np.abs(bias) > integer.INT32_MAX):
        row = int(np.argmax(np.abs(bias)))
        raise InputError(f"layer {layer.name}, output {row}: bias too large against its weights")
    bound = prove_accumulator(layer.name, weights, bias.astype(np.int64), input_peak)
    multiplier, shift = requantise_parameters(layer.name, unit * 2.0**out_frac)
    bounds = accumulator_bounds(weights, bias.astype(np.int64), input_peak)
    prove_requantise(layer.name, bounds, shift.astype(np.int64))
    return QuantisedMatrix(
        name=layer.name,
        weights=weights,
        bias=bias.astype(np.int32),
        multiplier=multiplier,
        shift=shift,
        scale=scale,
        blocks=layer.blocks,
        acc_bound=bound,
    )

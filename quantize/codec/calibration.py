# SPDX-License-Identifier: BSD-3-Clause
"""Quantise the RDO-VAE decoder on latents and states that went through a payload."""

from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.codec.redundancy import DecoderNetworks
from quantize.dred.levels import LEVEL_ZERO, VALUE_FRAC, dequantise, quantise
from quantize.dred.tables import DEADZONE, LEVELS, SCALE, Bytes, EntropyTables
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.nn.calibrate import LayerReport, calibrate, report
from quantize.nn.quantizer import quantise as quantise_network
from quantize.nn.run import run_float
from quantize.nn.topologies import rdovae_decoder, rdovae_decoder_init
from quantize.nn.weights import Weights

Floats = npt.NDArray[np.float64]

_CHUNK_STEPS: Final = 2  # a chunk of 40 ms stands for two encoder steps


def decoder_inputs(tables: EntropyTables, latents: Ints, states: Ints) -> tuple[Floats, Floats]:
    """Code and decode an encoder's values: return states [steps, 50] and chunks [chunks, 26].

    `latents` [steps, 25] and `states` [steps, 50] are int32 Q16 of an encoder over real speech,
    oldest first. The results are newest first, as in one long packet; they take all levels in turn.
    """
    chunks = latents[::-1][::_CHUNK_STEPS]
    levels = np.arange(len(chunks)) % LEVELS
    told = levels / LEVEL_ZERO - 1.0
    decoded = np.column_stack([_decoded(chunks, tables.latents), told])
    return _decoded(states[::-1], tables.states), decoded


def _decoded(values: Ints, table: Bytes) -> Floats:
    at = np.arange(len(values)) % LEVELS
    symbols = quantise(values, table[SCALE, at], table[DEADZONE, at])
    return np.asarray(dequantise(symbols, table[SCALE, at]) * 2.0**-VALUE_FRAC)


def quantise_decoder_networks(
    weights: dict[str, Weights],
    tables: EntropyTables,
    latents: Ints,
    states: Ints,
    source: dict[str, str],
) -> tuple[DecoderNetworks, list[LayerReport]]:
    """Quantise both networks of the decoder and report how each layer compares with float.

    `weights` has the layers of both networks; see `decoder_inputs` for `latents` and `states`.
    Raises InputError for missing or ill-shaped layers, or if there is no step.
    """
    if len(latents) == 0:
        raise InputError("the audio is shorter than one 20 ms step")
    start, step = rdovae_decoder_init(), rdovae_decoder()
    coded, chunks = decoder_inputs(tables, latents, states)
    seen = calibrate(start, weights, coded)
    first = quantise_network(start, weights, seen, source)
    rows = report(first, weights, coded)

    made = run_float(start, weights, coded[:1]).outputs[start.nodes[-1].name][0]
    given = DecoderNetworks.split(step, made)
    seen = calibrate(step, weights, chunks, given)
    second = quantise_network(step, weights, seen, source)
    rows += report(second, weights, chunks, given)
    return DecoderNetworks(first, second, tables), rows

# SPDX-License-Identifier: BSD-3-Clause
"""Speech to Opus packets with our redundancy in their padding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from quantize.dred.history import History, Rate
from quantize.dred.levels import VALUE_FRAC
from quantize.dred.policy import libopus_policy
from quantize.dred.tables import LATENTS, STATES, TABLE_BYTES, EntropyTables
from quantize.integer import Ints
from quantize.model import QuantisedModel
from quantize.run import run_integer
from toolkit.audio import Pcm
from toolkit.errors import InputError
from toolkit.extension import LIBOPUS_1_6, Framing, insert
from toolkit.simulate.bitfile import Record
from toolkit.simulate.codec import BITRATE_MIN, FRAME, encode_speech

SILENCE_RMS: Final = 200.0  # a packet below it counts as silent
_ROWS: Final = ("scale", "deadzone", "r", "p0")


@dataclass(frozen=True)
class Vectors:
    """What the encoder network made of each 20 ms: int32 Q16 [n][25] and [n][50]."""

    latents: Ints
    states: Ints


@dataclass(frozen=True)
class Sent:
    """A stream: its packets, the rate of the redundancy, and each packet's DRED bytes."""

    records: list[Record]
    rate: Rate | None
    payloads: list[bytes]


def load_tables(path: Path) -> EntropyTables:
    """Read entropy tables: a checkpoint (.safetensors) that has them, or 4800 bytes as they are."""
    try:
        if path.suffix != ".safetensors":
            return EntropyTables.from_bytes(path.read_bytes()[: TABLE_BYTES + 1])
        tensors = load_file(path)
        return EntropyTables(
            *(np.stack([tensors[f"{kind}_{row}"] for row in _ROWS]) for kind in ("latent", "state"))
        )
    except KeyError as error:
        raise InputError(f"{path}: has no entropy tables ({error.args[0]} is missing)") from error
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def encode_vectors(model: QuantisedModel, inputs: Ints) -> Vectors:
    """Run the encoder network over its fixed inputs [n][40]."""
    if set(model.graph.outputs) != {"latents", "initial_state"}:
        raise InputError(f"{model.graph.name} is not an RDO-VAE encoder")
    outputs = run_integer(model, inputs)
    latents, states = outputs["enc_zdense"][:, :LATENTS], outputs["gdense2"][:, :STATES]
    return Vectors(
        latents << (VALUE_FRAC - model.frac["latents"]),
        states << (VALUE_FRAC - model.frac["initial_state"]),
    )


def is_active(pcm: Pcm) -> bool:
    """Judge a packet's audio: silent below an RMS of 200."""
    return bool(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)) > SILENCE_RMS)


def send(
    pcm: Pcm,
    vectors: Vectors,
    tables: EntropyTables,
    *,
    bitrate: int,
    loss: int,
    duration: int,
    framing: Framing = LIBOPUS_1_6,
) -> Sent:
    """Encode speech at a bitrate, DRED included, divided as libopus 1.6 divides it.

    Args:
        pcm: int16 at 16 kHz; `vectors` has one row for each whole 20 ms of it, or more.
        bitrate: of the stream, bit/s.
        loss: expected, percent; 0 sends no redundancy.
        duration: of redundancy at most, in 10 ms, 0..104.

    Raises:
        InputError: parameters out of range; ToolError: no libopus.
    """
    count = min(len(pcm) // FRAME, len(vectors.latents))
    policy = libopus_policy(bitrate, loss, duration)
    base = max(BITRATE_MIN, bitrate - policy.bitrate)
    records = encode_speech(pcm, [base] * count, loss)
    payloads = [b""] * count
    if policy.rate is None:
        return Sent(records, None, payloads)
    history = History()
    for i in range(count):
        history.begin(FRAME, is_active(pcm[i * FRAME : (i + 1) * FRAME]))
        history.push(vectors.latents[i], vectors.states[i])
        payloads[i] = history.payload(tables, policy.rate)
        if payloads[i]:
            packet = insert(records[i].packet, payloads[i], framing)
            records[i] = Record(packet, records[i].final_range)
    return Sent(records, policy.rate, payloads)

# SPDX-License-Identifier: BSD-3-Clause
"""Encode speech as Opus packets that carry our redundancy in their padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantize.codec.sender import DEFAULT_BYTES, EncoderModel, run_encoder, voiced
from quantize.dred.history import Rate
from quantize.dred.policy import libopus_policy
from quantize.packet.extension import LIBOPUS_1_6, Framing, insert
from toolkit.call.bitfile import Record
from toolkit.call.codec import BITRATE_MIN, encode_speech
from toolkit.speech.audio import Pcm


@dataclass(frozen=True)
class Sent:
    """A stream: its packets, the rate of the redundancy, and each packet's DRED bytes."""

    records: list[Record]
    rate: Rate | None
    payloads: list[bytes]


def send(
    pcm: Pcm,
    model: EncoderModel,
    *,
    bitrate: int,
    loss: int,
    duration: int,
    framing: Framing = LIBOPUS_1_6,
) -> Sent:
    """Encode speech at a bitrate, DRED included, divided as libopus 1.6 divides it.

    The redundancy equals, byte for byte, what the firmware sends for the same PCM, rate and voice
    decisions. A payload is therefore limited to the firmware's room.

    Args:
        pcm: int16 at 16 kHz, at least one packet of 20 ms; a rest that fills no packet is dropped.
        model: the whole sender.
        bitrate: bit/s of the whole stream.
        loss: expected loss in percent; 0 sends no redundancy.
        duration: most redundancy in a packet, in units of 10 ms, 0..104.

    Raises:
        InputError: parameters out of range; ToolError: no libopus.
    """
    active = voiced(pcm)
    policy = libopus_policy(bitrate, loss, duration)
    base = max(BITRATE_MIN, bitrate - policy.bitrate)
    records = encode_speech(pcm, [base] * len(active), loss)
    if policy.rate is None:
        return Sent(records, None, [b""] * len(records))
    rate = replace(policy.rate, max_bytes=min(policy.rate.max_bytes, DEFAULT_BYTES))
    payloads = run_encoder(model, pcm, [rate] * len(active), active).payloads
    for i, payload in enumerate(payloads):
        if payload:
            packet = insert(records[i].packet, payload, framing)
            records[i] = Record(packet, records[i].final_range)
    return Sent(records, rate, payloads)

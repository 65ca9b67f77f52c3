# SPDX-License-Identifier: BSD-3-Clause
"""Encode speech as Opus packets that carry our redundancy in their padding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from quantize.codec.sender import DEFAULT_BYTES, EncoderModel, is_voice, run_encoder
from quantize.dred.history import Rate
from quantize.dred.policy import libopus_policy
from quantize.packet.extension import LIBOPUS_1_6, Framing, insert
from toolkit.call.bitfile import Record
from toolkit.call.codec import BITRATE_MIN, encode_speech
from toolkit.common.errors import InputError
from toolkit.speech.audio import Pcm

PACKET_MS: Final = (10, 20, 40, 60)
_FRAME: Final = 160  # samples in 10 ms
_FRAME_UNITS: Final = 4  # units of 2.5 ms in 10 ms


@dataclass(frozen=True)
class Sent:
    """A stream: its packets, the rate of the redundancy, and each packet's DRED bytes.

    `plain_bytes` is what all packets would take without redundancy.
    """

    records: list[Record]
    rate: Rate | None
    payloads: list[bytes]
    plain_bytes: int


def send(
    pcm: Pcm,
    model: EncoderModel,
    *,
    bitrate: int,
    loss: int,
    duration: int,
    framing: Framing = LIBOPUS_1_6,
    packet_ms: int = 20,
    lbrr: bool = False,
) -> Sent:
    """Encode speech at a bitrate, DRED included, divided as libopus 1.6 divides it.

    The redundancy equals, byte for byte, what the firmware sends for the same PCM, rate and voice
    decisions. A payload is therefore limited to the firmware's room.

    Args:
        pcm: int16 at 16 kHz, at least 20 ms; a rest that fills no packet is dropped.
        model: the whole sender.
        bitrate: bit/s of the whole stream.
        loss: expected loss in percent; 0 sends no redundancy.
        duration: most redundancy in a packet, in units of 10 ms, 0..104.
        packet_ms: length of a packet, one of PACKET_MS.
        lbrr: whether the base codec sends in-band FEC as well.

    Raises:
        InputError: parameters out of range; ToolError: no libopus.
    """
    frames = packet_ms // 10
    samples = frames * _FRAME
    count = len(pcm) // samples
    if count == 0:
        raise InputError(f"the audio is shorter than one packet of {packet_ms} ms")
    active = [is_voice(pcm[i * samples : (i + 1) * samples]) for i in range(count)]
    policy = libopus_policy(bitrate, loss, duration, units=frames * _FRAME_UNITS, lbrr=lbrr)
    base = max(BITRATE_MIN, bitrate - policy.bitrate)
    records = encode_speech(pcm, [base] * count, loss, samples, lbrr)
    plain = sum(len(record.packet) for record in records)
    if policy.rate is None:
        return Sent(records, None, [b""] * len(records), plain)
    rate = replace(policy.rate, max_bytes=min(policy.rate.max_bytes, DEFAULT_BYTES))
    packets = [frames] * count
    payloads = run_encoder(model, pcm, [rate] * count, active, frames=packets).payloads
    for i, payload in enumerate(payloads):
        if payload:
            packet = insert(records[i].packet, payload, framing)
            records[i] = Record(packet, records[i].final_range)
    return Sent(records, rate, payloads, plain)

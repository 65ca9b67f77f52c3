# SPDX-License-Identifier: BSD-3-Clause
"""Tell what each packet of a stream carries, and what the loss of it would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from quantize.dred.payload import MAX_CHUNKS, Header, parse
from quantize.dred.tables import EntropyTables
from quantize.packet.extension import Found, Framing, search
from quantize.packet.opus_packet import Packet
from toolkit.call.bitfile import Record
from toolkit.call.receiver import CHUNK_UNITS, Received, read_stream

_REACH: Final = MAX_CHUNKS * CHUNK_UNITS + 48  # units that the newest packet can look back, or more
_SILK, _HYBRID = 12, 16  # the first configurations that are not SILK's, and neither hybrid
_BANDWIDTHS: Final = {
    "SILK": ("narrow", "medium", "wide"),
    "hybrid": ("super-wide", "full"),
    "CELT": ("narrow", "wide", "super-wide", "full"),
}


@dataclass(frozen=True)
class Coding:
    """How a packet's audio is coded: `frames` of `frame_units` times 2.5 ms each."""

    mode: str  # SILK, hybrid or CELT
    bandwidth: str  # narrow (4 kHz), medium (6), wide (8), super-wide (12) or full (20)
    channels: int
    frames: int
    frame_units: int


@dataclass(frozen=True)
class Carried:
    """A packet's DRED payload. `ends` counts bits as quantize.dred.payload.Payload does."""

    framing: Framing
    frame_offset: int  # units of 2.5 ms from the packet's start to the payload's frame
    payload_bytes: int
    header: Header
    ends: tuple[int, ...]

    @property
    def chunks(self) -> int:
        """The number of whole chunks, 0..26."""
        return len(self.ends) - 1

    @property
    def chunk_bits(self) -> list[int]:
        """The bits of each chunk, newest first."""
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]

    @property
    def levels(self) -> list[int]:
        """The level of each chunk, newest first, 0 (fine) to 15."""
        return [self.header.level(i) for i in range(self.chunks)]


@dataclass(frozen=True)
class Loss:
    """What becomes of a packet's audio if this packet is lost and no other one; units of 2.5 ms."""

    units: int  # of the packet
    next: int  # of them, rebuilt from the next packet
    best: int  # rebuilt from that packet of the following second which reaches furthest back
    best_after: int  # how many packets later it comes; 0 if none has redundancy for this packet


@dataclass(frozen=True)
class Explained:
    """One packet of a stream; `start` counts units of 2.5 ms since the stream began."""

    start: int
    bytes: int
    received: Received
    coding: Coding | None
    carried: Carried | None
    loss: Loss


def explain(
    records: Sequence[Record], tables: EntropyTables, framings: Sequence[Framing]
) -> list[Explained]:
    """Read every packet of a stream, damaged ones included."""
    received = read_stream(records, tables, framings)
    starts = list(accumulate((packet.units for packet in received), initial=0))
    return [
        Explained(
            starts[i],
            len(record.packet),
            packet,
            _coding(record.packet) if packet.heard else None,
            _carried(record.packet, tables, framings) if packet.redundancy else None,
            _loss(i, received, starts),
        )
        for i, (record, packet) in enumerate(zip(records, received, strict=True))
    ]


def rebuilt_share(packets: Sequence[Explained], burst: int) -> float | None:
    """Return which share of the audio the packet after a burst of losses rebuilds, 0..1.

    The mean over every place where so many packets in a row can be lost and a packet follows. None
    if the stream is too short. Silence that was not sent counts as rebuilt.
    """
    gone = rebuilt = 0
    for first, after in zip(packets, packets[burst:], strict=False):
        units = after.start - first.start
        gone += units
        if after.received.redundancy is not None:
            rebuilt += min(units, after.received.redundancy.covers_to)
    return rebuilt / gone if gone else None


def _coding(packet: bytes) -> Coding:
    parts = Packet.parse(packet)
    config = parts.toc >> 3
    mode, first, lengths = "SILK", 0, 4
    if config >= _HYBRID:
        mode, first = "CELT", _HYBRID
    elif config >= _SILK:
        mode, first, lengths = "hybrid", _SILK, 2
    bandwidth = _BANDWIDTHS[mode][(config - first) // lengths]
    channels = 2 if parts.toc & 4 else 1
    return Coding(mode, bandwidth, channels, len(parts.frames), parts.frame_units)


def _carried(packet: bytes, tables: EntropyTables, framings: Sequence[Framing]) -> Carried | None:
    found = search(Packet.parse(packet), framings)
    if not isinstance(found, Found):
        return None
    payload = parse(found.payload, tables)
    size = len(found.payload)
    return Carried(found.framing, found.frame_offset, size, payload.header, payload.ends)


def _loss(lost: int, packets: Sequence[Received], starts: Sequence[int]) -> Loss:
    units = packets[lost].units
    end = starts[lost + 1]
    best, best_after, next_one = 0, 0, 0
    for i in range(lost + 1, len(packets)):
        if starts[i] - end > _REACH:
            break
        redundancy = packets[i].redundancy
        if redundancy is None:
            continue
        # The redundancy of a packet reaches from the packet back to covers_to.
        rebuilt = min(units, max(0, end - (starts[i] - redundancy.covers_to)))
        if i == lost + 1:
            next_one = rebuilt
        if rebuilt > best:
            best, best_after = rebuilt, i - lost
    return Loss(units, next_one, best, best_after)

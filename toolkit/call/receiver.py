# SPDX-License-Identifier: BSD-3-Clause
"""Read the redundancy in a stream's packets, and count what it rebuilds after losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from quantize.dred.payload import parse
from quantize.dred.tables import EntropyTables
from quantize.packet.extension import LIBOPUS_1_6, Found, Framing, OtherVersion, search
from quantize.packet.opus_packet import Packet
from toolkit.call.bitfile import Record
from toolkit.common.errors import InputError

CHUNK_UNITS: Final = 16  # 40 ms
USUAL_UNITS: Final = 8  # 20 ms: a packet's length if no packet of the stream tells its own
_BURST: Final = 3.0  # packets: the mean length of a burst of losses


@dataclass(frozen=True)
class Redundancy:
    """One packet's DRED: sizes in bytes, its header, and the past that it covers.

    `covers_from` and `covers_to` count units of 2.5 ms back from the packet's first sample. Audio
    between the two can be rebuilt.
    """

    packet_bytes: int
    payload_bytes: int
    q0: int
    dq: int
    qmax: int
    offset: int
    chunks: int

    @property
    def covers_from(self) -> int:
        """The newest end: 0, or more if the newest audio was silent and not sent."""
        return max(0, -self.offset)

    @property
    def covers_to(self) -> int:
        """The oldest end."""
        return max(0, CHUNK_UNITS * self.chunks - self.offset)


@dataclass(frozen=True)
class Received:
    """A packet as a receiver finds it.

    `units` is the length of its audio in units of 2.5 ms, 1..48, or 0 if the packet does not tell.
    `heard` is false if the stream lacks the packet, or if damage keeps decoders from taking it.
    `fault` says what is wrong with the packet or its redundancy. `other_version` is the wire
    version of a payload that dredkit cannot read.
    """

    units: int
    heard: bool = True
    redundancy: Redundancy | None = None
    fault: str | None = None
    other_version: int | None = None


def read_stream(
    records: Sequence[Record],
    tables: EntropyTables,
    framings: Sequence[Framing] = (LIBOPUS_1_6,),
) -> list[Received]:
    """Read the packets of a stream, damaged ones included.

    A packet that does not tell its length gets the length of the packet before it, as in decoders.
    Packets before the first that tells get that one's length.
    """
    packets = [read_packet(record, tables, framings) for record in records]
    units = next((packet.units for packet in packets if packet.units), USUAL_UNITS)
    for i, packet in enumerate(packets):
        units = packet.units or units
        packets[i] = replace(packet, units=units)
    return packets


def read_packet(
    record: Record, tables: EntropyTables, framings: Sequence[Framing] = (LIBOPUS_1_6,)
) -> Received:
    """Read one packet and its redundancy; the result tells of damage."""
    if not record.packet:
        return Received(0, heard=False)
    try:
        parts = Packet.parse(record.packet)
    except InputError as error:
        return Received(0, heard=False, fault=str(error))
    try:
        found = search(parts, framings)
        if isinstance(found, Found):
            redundancy = _redundancy(found, len(record.packet), tables)
            return Received(parts.units, redundancy=redundancy)
    except InputError as error:
        return Received(parts.units, fault=str(error))
    version = found.version if isinstance(found, OtherVersion) else None
    return Received(parts.units, other_version=version)


def lose(count: int, percent: float, seed: int) -> list[bool]:
    """Draw which of `count` packets are lost: bursts of three on average (Gilbert's channel)."""
    if not 0 <= percent < 75:
        raise InputError(f"simulated loss of {percent} %: want 0 up to 75")
    rng = np.random.default_rng(seed)
    ending = 1.0 / _BURST
    starting = ending * percent / (100.0 - percent)
    lost, draws = [], rng.random(count)
    is_lost = False
    for draw in draws:
        is_lost = bool(draw >= ending) if is_lost else bool(draw < starting)
        lost.append(is_lost)
    return lost


def survival(packets: Sequence[Received], lost: Sequence[bool]) -> dict[str, Any]:
    """Count the lost packets that the next received packet could rebuild completely.

    Packets that were not `heard` count as lost. Silence that was not sent (a negative offset) needs
    no rebuilding and counts as rebuilt.
    """
    gone, rebuilt = 0, 0
    gap: list[int] = []
    for packet, is_lost in zip(packets, lost, strict=True):
        if is_lost or not packet.heard:
            gone += 1
            gap.append(packet.units)
            continue
        if packet.redundancy is not None:
            rebuilt += _whole_packets(gap, packet.redundancy.covers_to)
        gap.clear()
    return {"packets": len(packets), "lost": gone, "rebuilt": rebuilt}


def _redundancy(found: Found, packet_bytes: int, tables: EntropyTables) -> Redundancy:
    payload = parse(found.payload, tables)
    header = payload.header
    return Redundancy(
        packet_bytes,
        len(found.payload),
        header.q0,
        header.dq,
        header.qmax,
        header.offset + found.frame_offset,
        len(payload.chunks),
    )


def _whole_packets(gap: Sequence[int], covers_to: int) -> int:
    """Count the packets at the end of a gap, given by length, that are covered completely."""
    count, reach = 0, 0
    for units in reversed(gap):
        reach += units
        if reach > covers_to:
            break
        count += 1
    return count

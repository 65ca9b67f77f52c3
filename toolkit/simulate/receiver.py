# SPDX-License-Identifier: BSD-3-Clause
"""What a stream's packets say about their past, and what of it outlives losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from quantize.dred.payload import parse
from quantize.dred.tables import EntropyTables
from toolkit.errors import InputError
from toolkit.extension import LIBOPUS_1_6, Framing, extract
from toolkit.simulate.bitfile import Record

CHUNK_UNITS: Final = 16  # 40 ms
PACKET_UNITS: Final = 8
_BURST: Final = 3.0  # packets: the mean length of a burst of losses


@dataclass(frozen=True)
class Redundancy:
    """One packet's DRED: sizes in bytes, its header, and the past that it covers.

    `covers_from` and `covers_to` in units of 2.5 ms before the packet's first sample: audio from
    the one back to the other can be rebuilt.
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
        """The newest end: 0, or later past that was silent."""
        return max(0, -self.offset)

    @property
    def covers_to(self) -> int:
        """The oldest end."""
        return max(0, CHUNK_UNITS * self.chunks - self.offset)


def read_redundancy(
    record: Record, tables: EntropyTables, framing: Framing = LIBOPUS_1_6
) -> Redundancy | None:
    """Find and parse a packet's DRED; None without. Raises InputError where a rule is broken."""
    if not record.packet:
        return None
    found = extract(record.packet, framing)
    if found is None:
        return None
    payload = parse(found.payload, tables)
    header = payload.header
    return Redundancy(
        len(record.packet),
        len(found.payload),
        header.q0,
        header.dq,
        header.qmax,
        header.offset + found.frame_offset,
        len(payload.chunks),
    )


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


def survival(packets: list[Redundancy | None], lost: list[bool]) -> dict[str, Any]:
    """Count the lost packets that the next one received could rebuild, wholly.

    Silence that was not sent (a negative offset) needs no rebuilding and counts as rebuilt.
    """
    rebuilt, waiting = 0, 0
    for packet, is_lost in zip(packets, lost, strict=True):
        if is_lost:
            waiting += 1
            continue
        if packet is not None:
            rebuilt += min(waiting, packet.covers_to // PACKET_UNITS)
        waiting = 0
    return {"packets": len(lost), "lost": sum(lost), "rebuilt": rebuilt}

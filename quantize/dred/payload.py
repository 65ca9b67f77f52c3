# SPDX-License-Identifier: BSD-3-Clause
"""A DRED payload (wire version 12): header, initial state, then 40-ms chunks, newest first.

The payload has no end mark. A reader takes chunks until 7 or fewer bits are left, since a writer
leaves at most 7 bits unused. A last chunk that costs less than 8 bits is therefore lost. This
happens in about a third of all packets and is part of the format (docs/FORMAT.md, section 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from quantize.dred import laplace
from quantize.dred.levels import LEVEL_MAX, SLOPES, level, quantise
from quantize.dred.rangecoder import RangeDecoder, RangeEncoder
from quantize.dred.tables import (
    DEADZONE,
    DECAY,
    LATENTS,
    LEVELS,
    P_ZERO,
    SCALE,
    STATES,
    Bytes,
    EntropyTables,
)
from quantize.errors import InputError, PayloadError
from quantize.integer import Ints

MAX_BYTES: Final = 1000
MIN_BYTES: Final = 8  # libopus does not try with fewer
MAX_CHUNKS: Final = 26  # 1.04 s
OFFSET_MAX: Final = 16  # units of 2.5 ms
OFFSET_MIN: Final = OFFSET_MAX - (256 * 32 - 1)
LENGTH: Final = -9  # DK_ERR_LENGTH of firmware/dredkit/include/dredkit/status.h
_LAST_BITS: Final = 7
_Q0_WITHOUT_QMAX: Final = 14  # from this q0 on there is no level between q0 and 15


@dataclass(frozen=True)
class Header:
    """The fields of a payload before its symbols.

    q0 0..15, dq 0..7 and qmax give each chunk's level (levels.level). qmax is q0 + 1 .. 15, and
    always 15 if no level depends on it (q0 >= 14 or dq = 0). `offset` says how far the newest chunk
    reaches past the packet's first sample, in units of 2.5 ms: -8175..16.
    """

    q0: int
    dq: int
    qmax: int
    offset: int

    def __post_init__(self) -> None:
        if not 0 <= self.q0 < LEVELS or not 0 <= self.dq < len(SLOPES):
            raise InputError(f"DRED header: want q0 0..15 and dQ 0..7, got {self.q0}, {self.dq}")
        if not OFFSET_MIN <= self.offset <= OFFSET_MAX:
            raise InputError(f"DRED header: want offset {OFFSET_MIN}..16, got {self.offset}")
        lowest = self.q0 + 1 if self.sends_qmax else LEVEL_MAX
        if not lowest <= self.qmax <= LEVEL_MAX:
            raise InputError(f"DRED header: want qmax {lowest}..15, got {self.qmax}")

    @property
    def sends_qmax(self) -> bool:
        """Whether the payload has a field for qmax: some level depends on it."""
        return self.q0 < _Q0_WITHOUT_QMAX and self.dq > 0

    def level(self, chunk: int) -> int:
        """Return the level of a chunk; 0 is the newest."""
        return level(self.q0, self.dq, self.qmax, chunk)


class Writer:
    """Writes a payload piece by piece, in at most `max_bytes` (1..1000); it ends at `keep`."""

    def __init__(self, tables: EntropyTables, header: Header, max_bytes: int = MAX_BYTES) -> None:
        if not 1 <= max_bytes <= MAX_BYTES:
            raise InputError(f"DRED payload: want a budget of 1..{MAX_BYTES} bytes")
        self._tables = tables
        self._header = header
        self._limit = 8 * max_bytes
        self._coder = RangeEncoder()
        self._chunk = 0
        _write_header(self._coder, header)
        self._kept = self._coder.copy()

    def state(self, values: Ints) -> bool:
        """Write the initial state, int32 Q16 [50]; return False if it does not fit the budget."""
        return self.state_symbols(_to_symbols(values, self._tables.states, self._header.q0))

    def state_symbols(self, symbols: Ints) -> bool:
        """Write the initial state from its symbols, int16 [50]."""
        return self._write(symbols, self._tables.states, self._header.q0)

    def chunk(self, values: Ints) -> bool:
        """Write the next older chunk, int32 Q16 [25].

        Return False if it does not fit; then call `finish`.
        """
        at = self._header.level(self._chunk)
        return self.chunk_symbols(_to_symbols(values, self._tables.latents, at))

    def chunk_symbols(self, symbols: Ints) -> bool:
        """Write the next older chunk from its symbols, int16 [25]."""
        at = self._header.level(self._chunk)
        self._chunk += 1
        return self._write(symbols, self._tables.latents, at)

    def keep(self) -> None:
        """Let the payload end here, unless a later call moves the end."""
        self._kept = self._coder.copy()

    def finish(self) -> bytes:
        """Return the payload up to the last `keep`."""
        return self._kept.finish()

    def _write(self, symbols: Ints, table: Bytes, at: int) -> bool:
        for symbol, decay, p_zero in _elements(symbols, table, at):
            laplace.encode(self._coder, symbol, decay, p_zero)
        return self._coder.tell() <= self._limit


def write_symbols(
    tables: EntropyTables, header: Header, state: Ints, chunks: Iterable[Ints]
) -> bytes:
    """Write symbols, state [50] and chunks [25] each; raises InputError beyond 1000 bytes."""
    writer = Writer(tables, header)
    if not writer.state_symbols(state) or not all(writer.chunk_symbols(c) for c in chunks):
        raise InputError(f"DRED payload: more than {MAX_BYTES} bytes")
    writer.keep()
    return writer.finish()


@dataclass(frozen=True)
class Payload:
    """A parsed payload: symbols of `state` [50] and `chunks` [n][25], newest chunk first.

    `ends` [1 + n] counts the bits from the payload's start to the end of the state, and of each
    chunk.
    """

    header: Header
    state: Ints
    chunks: Ints
    ends: tuple[int, ...]


def parse(data: bytes, tables: EntropyTables, max_chunks: int = MAX_CHUNKS) -> Payload:
    """Parse an unverified payload.

    Stop after `max_chunks`, since a receiver may need fewer than there are. If the payload ends
    inside a chunk, return the chunks before it. Raises PayloadError for 0 or more than 1000 bytes,
    for an end inside header or state, and for a symbol beyond int16.
    """
    if not 1 <= len(data) <= MAX_BYTES:
        raise PayloadError(f"DRED payload: want 1..{MAX_BYTES} bytes, got {len(data)}", LENGTH)
    coder = RangeDecoder(data)
    header = _read_header(coder)
    state = _read(coder, tables.states, header.q0)
    chunks: list[Ints] = []
    ends = [coder.tell()]
    while len(chunks) < max_chunks and coder.bits_left() > _LAST_BITS:
        try:
            chunks.append(_read(coder, tables.latents, header.level(len(chunks))))
        except PayloadError as error:
            if error.status != laplace.SHORT:
                raise
            break
        ends.append(coder.tell())
    return Payload(header, state, np.array(chunks, np.int64).reshape(-1, LATENTS), tuple(ends))


def parse_plain(data: bytes, tables: EntropyTables, at: int, chunks: int) -> Payload:
    """Parse a state and so many chunks, all of level `at`, without a header.

    libopus' conformance vectors have such blocks. Raises PayloadError for an end inside them, and
    for a symbol beyond int16.
    """
    coder = RangeDecoder(data)
    state = _read(coder, tables.states, at)
    ends = [coder.tell()]
    found = []
    for _ in range(chunks):
        found.append(_read(coder, tables.latents, at))
        ends.append(coder.tell())
    symbols = np.array(found, np.int64).reshape(-1, LATENTS)
    return Payload(Header(at, 0, LEVEL_MAX, 0), state, symbols, tuple(ends))


def _write_header(coder: RangeEncoder, header: Header) -> None:
    coder.uint(header.q0, LEVELS)
    coder.uint(header.dq, len(SLOPES))
    distance = OFFSET_MAX - header.offset
    coder.uint(int(distance > 31), 2)
    if distance > 31:
        coder.uint(distance >> 5, 256)
    coder.uint(distance & 31, 32)
    if header.sends_qmax:
        count = _Q0_WITHOUT_QMAX - header.q0
        if header.qmax == LEVEL_MAX:
            coder.encode(0, count, 2 * count)  # the usual case costs one bit
        else:
            coder.uint(count + header.qmax - header.q0 - 1, 2 * count)


def _read_header(coder: RangeDecoder) -> Header:
    q0 = coder.uint(LEVELS)
    dq = coder.uint(len(SLOPES))
    high = coder.uint(256) if coder.uint(2) else 0
    distance = 32 * high + coder.uint(32)
    qmax = LEVEL_MAX
    if q0 < _Q0_WITHOUT_QMAX and dq > 0:
        count = _Q0_WITHOUT_QMAX - q0
        value = coder.decode(2 * count)
        if value < count:
            coder.update(0, count, 2 * count)
        else:
            coder.update(value, value + 1, 2 * count)
            qmax = q0 + 1 + value - count
    return Header(q0, dq, qmax, OFFSET_MAX - distance)


def _read(coder: RangeDecoder, table: Bytes, at: int) -> Ints:
    size = STATES if table.shape[-1] == STATES else LATENTS
    symbols = np.zeros(size, np.int64)
    for i in range(size):
        decay, p_zero = int(table[DECAY, at, i]), int(table[P_ZERO, at, i])
        if laplace.is_sent(decay, p_zero):
            symbols[i] = laplace.decode(coder, decay, p_zero)
    if coder.bits_left() < 0:
        raise PayloadError("DRED payload: ends inside its state", laplace.SHORT)
    return symbols


def _to_symbols(values: Ints, table: Bytes, at: int) -> Ints:
    return quantise(values, table[SCALE, at], table[DEADZONE, at])


def _elements(symbols: Ints, table: Bytes, at: int) -> list[tuple[int, int, int]]:
    """Return (symbol, decay, P(0)) of each element that is sent at a level."""
    rows = zip(symbols.tolist(), table[DECAY, at].tolist(), table[P_ZERO, at].tolist(), strict=True)
    return [row for row in rows if laplace.is_sent(row[1], row[2])]

# SPDX-License-Identifier: BSD-3-Clause
"""The range coder of Opus (RFC 6716 sections 4.1 and 5.1), as far as DRED uses it.

All symbols come from the front of the buffer; DRED has no raw bits at the end. The sizes are the
RFC's: a 32-bit range, 8 bits per renormalisation, 31 bits of state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TOP: Final = 1 << 31
_BOTTOM: Final = 1 << 23
_MASK: Final = _TOP - 1
_SHIFT: Final = 23  # from the top of the state to the byte that leaves it
_EXTRA_BITS: Final = 7  # bits of the first byte that the decoder's state takes at the start
ICDF_BITS: Final = 15


class RangeEncoder:
    """Encodes symbols into any number of bytes; the caller limits them by `tell`."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._low = 0
        self._range = _TOP
        self._pending = -1  # the last byte, held back for a carry; -1: none yet
        self._full = 0  # how many 255s follow it; a carry would run through them
        self._bits = 33

    def copy(self) -> RangeEncoder:
        """Return a second encoder in the same state; this one stays as it is."""
        other = RangeEncoder()
        other._out = bytearray(self._out)
        other._low, other._range = self._low, self._range
        other._pending, other._full, other._bits = self._pending, self._full, self._bits
        return other

    def tell(self) -> int:
        """Return the bits used so far, rounded up."""
        return self._bits - self._range.bit_length()

    def encode(self, low: int, high: int, total: int) -> None:
        """Encode the symbol that owns [low, high) of `total`."""
        unit = self._range // total
        if low > 0:
            self._low += self._range - unit * (total - low)
            self._range = unit * (high - low)
        else:
            self._range -= unit * (total - high)
        self._normalise()

    def uint(self, value: int, total: int) -> None:
        """Encode one of `total` equally likely values in one symbol; total <= 256."""
        self.encode(value, value + 1, total)

    def icdf(self, symbol: int, table: Sequence[int]) -> None:
        """Encode by a 15-bit inverse cumulative table, which decreases and ends in 0."""
        unit = self._range >> ICDF_BITS
        if symbol > 0:
            self._low += self._range - unit * table[symbol - 1]
            self._range = unit * (table[symbol - 1] - table[symbol])
        else:
            self._range -= unit * table[0]
        self._normalise()

    def finish(self) -> bytes:
        """Return the shortest payload, ceil(tell / 8) bytes; use the encoder no more."""
        size = (self.tell() + 7) // 8
        length = 32 - self._range.bit_length()
        mask = _MASK >> length
        end = (self._low + mask) & ~mask
        if end | mask >= self._low + self._range:
            length += 1
            mask >>= 1
            end = (self._low + mask) & ~mask
        while length > 0:
            self._carry(end >> _SHIFT)
            end = (end << 8) & _MASK
            length -= 8
        if self._pending >= 0 or self._full > 0:
            self._carry(0)
        return bytes(self._out[:size]).ljust(size, b"\0")

    def _normalise(self) -> None:
        while self._range <= _BOTTOM:
            self._carry(self._low >> _SHIFT)
            self._low = (self._low << 8) & _MASK
            self._range <<= 8
            self._bits += 8

    def _carry(self, symbol: int) -> None:
        """Take nine bits; write a byte only when no carry can reach it."""
        if symbol == 0xFF:
            self._full += 1
            return
        carry = symbol >> 8
        if self._pending >= 0:
            self._out.append((self._pending + carry) & 0xFF)
        self._out.extend([(0xFF + carry) & 0xFF] * self._full)
        self._full = 0
        self._pending = symbol & 0xFF


class RangeDecoder:
    """Decodes symbols from a payload; reads zeros past its end, never memory outside it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._bits = 9
        self._range = 1 << _EXTRA_BITS
        self._last = self._byte()
        self._value = self._range - 1 - (self._last >> 1)
        self._normalise()

    def tell(self) -> int:
        """Return the bits used so far, rounded up; the encoder's `tell` at the same symbol."""
        return self._bits - self._range.bit_length()

    def bits_left(self) -> int:
        """Return how many bits are left; negative after a read past the end."""
        return 8 * len(self._data) - self.tell()

    def decode(self, total: int) -> int:
        """Return a number in [0, total) inside the next symbol's interval; then call `update`."""
        self._unit = self._range // total
        return total - min(self._value // self._unit + 1, total)

    def update(self, low: int, high: int, total: int) -> None:
        """Consume the symbol that owns [low, high) of the `total` just given to `decode`."""
        taken = self._unit * (total - high)
        self._value -= taken
        self._range = self._unit * (high - low) if low > 0 else self._range - taken
        self._normalise()

    def uint(self, total: int) -> int:
        """Decode one of `total` equally likely values; total <= 256."""
        value = self.decode(total)
        self.update(value, value + 1, total)
        return value

    def icdf(self, table: Sequence[int]) -> int:
        """Decode by a 15-bit inverse cumulative table."""
        unit = self._range >> ICDF_BITS
        above, symbol = self._range, 0
        below = unit * table[0]
        while self._value < below:
            symbol += 1
            above, below = below, unit * table[symbol]
        self._value -= below
        self._range = above - below
        self._normalise()
        return symbol

    def _byte(self) -> int:
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def _normalise(self) -> None:
        while self._range <= _BOTTOM:
            self._bits += 8
            self._range <<= 8
            pair = self._last << 8
            self._last = self._byte()
            eight = ((pair | self._last) >> (8 - _EXTRA_BITS)) & 0xFF
            self._value = ((self._value << 8) + (0xFF & ~eight)) & _MASK

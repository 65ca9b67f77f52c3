# SPDX-License-Identifier: BSD-3-Clause
"""Code one symbol of a latent or state: its sign, then its magnitude in groups of seven.

The distribution is a two-sided geometric one (a discrete Laplacian) with a P(0) of its own. Both
parameters are bytes of the entropy tables, taken in Q15 (docs/FORMAT.md, section 2).
"""

from __future__ import annotations

from typing import Final

from quantize.dred.rangecoder import RangeDecoder, RangeEncoder
from quantize.errors import PayloadError

GROUP: Final = 7  # this symbol of a magnitude means: add seven and read another group
SYMBOL_MAX: Final = 32767
SHORT: Final = -10  # DK_ERR_SHORT of firmware/dredkit/include/dredkit/status.h
SYMBOL: Final = -11  # DK_ERR_SYMBOL
_ONE: Final = 1 << 15


def is_sent(decay: int, p_zero: int) -> bool:
    """Return whether an element has a symbol at this level; without one it reads as zero."""
    return decay != 0 and p_zero != 255


def sign_table(p_zero: int) -> list[int]:
    """Return the 15-bit inverse cumulative table of the signs: zero, positive, negative."""
    nonzero = _ONE - (p_zero << 7)
    return [nonzero, nonzero >> 1, 0]


def magnitude_table(decay: int) -> list[int]:
    """Return the table of |v| - 1 = 0 .. 6 and GROUP; every symbol has a chance above zero."""
    factor = decay << 7
    table = [max(GROUP, factor)]
    for j in range(1, GROUP):
        table.append(max(GROUP - j, (table[-1] * factor) >> 15))
    return [*table, 0]


def encode(coder: RangeEncoder, value: int, decay: int, p_zero: int) -> None:
    """Encode an int16 symbol of an element that `is_sent`."""
    coder.icdf(0 if value == 0 else 1 if value > 0 else 2, sign_table(p_zero))
    if value == 0:
        return
    table = magnitude_table(decay)
    rest = abs(value) - 1
    while rest >= GROUP:
        coder.icdf(GROUP, table)
        rest -= GROUP
    coder.icdf(rest, table)


def decode(coder: RangeDecoder, decay: int, p_zero: int) -> int:
    """Decode a symbol; raises PayloadError past the payload's end or beyond int16."""
    sign = coder.icdf(sign_table(p_zero))
    if sign == 0:
        return 0
    table = magnitude_table(decay)
    magnitude = 1
    while (group := coder.icdf(table)) == GROUP:
        magnitude += GROUP
        if magnitude > SYMBOL_MAX:
            raise PayloadError("DRED payload: a symbol beyond 16 bits", SYMBOL)
        if coder.bits_left() < 0:
            raise PayloadError("DRED payload: ends inside a symbol", SHORT)
    magnitude += group
    if magnitude > SYMBOL_MAX:
        raise PayloadError("DRED payload: a symbol beyond 16 bits", SYMBOL)
    return magnitude if sign == 1 else -magnitude

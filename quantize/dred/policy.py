# SPDX-License-Identifier: BSD-3-Clause
"""How libopus 1.6 spends a bitrate on redundancy, in integers (docs/FORMAT.md, section 4).

The policy is not part of the format. Bitrate and expected loss decide nearly everything; the
duration that the caller asks for is only an upper limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quantize.dred.history import Rate
from quantize.dred.levels import LEVEL_MAX, level
from quantize.dred.payload import MAX_CHUNKS
from quantize.errors import InputError

# The cost of a chunk at each level, in tenths of a bit: libopus' estimate for its own tables.
CHUNK_TENTHS: Final = (732, 681, 625, 570, 515, 457, 399, 324, 264, 204, 163, 130, 93, 82, 72, 64)
FRAMING_TENTHS: Final = 8 * 5 * 10  # frame count, padding length, extension ID, 'D', version
STATE_TENTHS: Final = 500  # the state costs this plus one chunk at q0
BITRATE_MAX: Final = 510_000
DURATION_MAX: Final = 104  # units of 10 ms
UNITS_PER_SECOND: Final = 400  # of 2.5 ms
FRAMING_BYTES: Final = FRAMING_TENTHS // 80


@dataclass(frozen=True)
class Policy:
    """The decision: a `rate`, or None for no redundancy; `bitrate` is DRED's share in bit/s."""

    rate: Rate | None
    bitrate: int

    def packet_bytes(self, units: int) -> int:
        """Return the payload's bytes, at least 1, that the share pays for in a packet of `units`.

        libopus limits the depth instead. This limit is for streams whose packets must not vary.
        """
        return max(1, self.bitrate * units // UNITS_PER_SECOND // 8 - FRAMING_BYTES)


def libopus_policy(
    bitrate: int, loss: int, duration: int, *, units: int = 8, lbrr: bool = False
) -> Policy:
    """Decide as libopus does in VBR.

    Args:
        bitrate: of the whole stream, 0..510000 bit/s.
        loss: expected loss in percent.
        duration: the most redundancy to send, 0..104 in units of 10 ms.
        units: length of a packet, 1..48 in units of 2.5 ms.
        lbrr: whether the base codec sends in-band FEC.
    """
    if not 0 <= bitrate <= BITRATE_MAX or not 0 <= loss <= 100:
        raise InputError(f"DRED policy: want bitrate 0..{BITRATE_MAX} and loss 0..100 %")
    if not 0 <= duration <= DURATION_MAX or not 1 <= units <= 48:
        raise InputError(f"DRED policy: want duration 0..{DURATION_MAX} and 1..48 units a packet")
    available = bitrate - (20_000 if lbrr else 12_000)
    percent = _share_percent(loss, lbrr)
    # Longer packets need a smaller share: p becomes p / (p + (1 - p) packet / 20 ms).
    weight = 8 * percent
    share = max(0, available) * weight // max(1, weight + (100 - percent) * units)
    q0 = min(LEVEL_MAX, max(4, 51 - 3 * max(1, available).bit_length()))
    dq = 3 if available > 36_000 else 5
    budget = 10 * (share * units // UNITS_PER_SECOND)
    tenths = FRAMING_TENTHS + STATE_TENTHS + CHUNK_TENTHS[q0]
    affordable = 0
    for chunk in range(min((duration + 5) // 4, MAX_CHUNKS) if duration else 0):
        tenths += CHUNK_TENTHS[level(q0, dq, LEVEL_MAX, chunk)]
        if tenths < budget:
            affordable = chunk + 1
    if affordable < 2:
        return Policy(None, 0)
    most = (tenths + 5) // 10 * UNITS_PER_SECOND // units
    return Policy(Rate(q0, dq, max_chunks=affordable), min(share, most))


def _share_percent(loss: int, lbrr: bool) -> int:
    """Return DRED's share of the bitrate above the base codec's, in percent, at 20-ms packets."""
    if lbrr:
        return min(70, 3 * loss)
    return min(80, 55 + loss) if loss > 5 else 12 * loss

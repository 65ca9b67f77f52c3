# SPDX-License-Identifier: BSD-3-Clause
"""A transport that flips, drops and doubles bytes on purpose, in the same way for one seed."""

import math
import random
from dataclasses import dataclass, field

from toolkit.device.link.transport import Transport


@dataclass
class FaultCount:
    """How many bytes were damaged, by kind."""

    flipped: int = 0
    dropped: int = 0
    doubled: int = 0

    @property
    def total(self) -> int:
        return self.flipped + self.dropped + self.doubled


@dataclass
class _Line:
    """One direction; `rate` is the chance of a fault per byte. All kinds are equally likely."""

    rate: float
    random: random.Random
    count: FaultCount
    healthy: int = field(init=False)  # bytes until the next fault

    def __post_init__(self) -> None:
        self._draw()

    def _draw(self) -> None:
        log_kept = math.log1p(-self.rate) if self.rate < 1 else -math.inf
        chance = 1.0 - self.random.random()
        self.healthy = int(math.log(chance) / log_kept) if log_kept else 1 << 62

    def carry(self, data: bytes) -> bytes:
        out = bytearray()
        at = 0
        while len(data) - at > self.healthy:
            at += self.healthy
            out += data[at - self.healthy : at]
            kind = self.random.choice(("flip", "drop", "double"))
            if kind == "flip":
                self.count.flipped += 1
                out.append(data[at] ^ self.random.randrange(1, 256))
            elif kind == "drop":
                self.count.dropped += 1
            else:
                self.count.doubled += 1
                out += data[at : at + 1] * 2
            at += 1
            self._draw()
        self.healthy -= len(data) - at
        out += data[at:]
        return bytes(out)


class FaultyTransport:
    """Another transport with faults in both directions at `rate` per byte (0 to 1)."""

    def __init__(self, inner: Transport, *, rate: float, seed: int) -> None:
        self.url = inner.url
        self._inner = inner
        self.faults = FaultCount()
        self._to_board = _Line(rate, random.Random(2 * seed), self.faults)
        self._to_host = _Line(rate, random.Random(2 * seed + 1), self.faults)

    def read(self, wait_s: float) -> bytes:
        return self._to_host.carry(self._inner.read(wait_s))

    def write(self, data: bytes) -> None:
        self._inner.write(self._to_board.carry(data))

    def close(self) -> None:
        self._inner.close()

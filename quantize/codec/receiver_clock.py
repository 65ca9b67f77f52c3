# SPDX-License-Identifier: BSD-3-Clause
"""The receiver with time stamps, as an application calls it; defines codec/receiver_api.c.

Time stamps count samples at the output rate in 32 bits and wrap. The clock is the time stamp of the
next sample that is played.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.codec.receiver import VOICE_RATE, Receiver, State
from quantize.codec.track import AHEAD
from quantize.errors import InputError
from quantize.integer import Ints

CALL_MAX: Final = 12  # slots of 10 ms in a call
_WRAP: Final = 1 << 32


def since(later: int, earlier: int) -> int:
    """Return the samples from one time stamp to another, -2^31 .. 2^31 - 1."""
    return (later - earlier + _WRAP // 2) % _WRAP - _WRAP // 2


class ReceiverClock:
    """A receiver and its clock, 0 at first."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.time = 0
        self._slot = receiver.samples

    def set_time(self, time: int) -> None:
        """Set the clock: for the first packet or where the player skips or repeats audio.

        What the receiver holds keeps its place in time, to the nearest 10 ms. It is forgotten if
        the clock jumps by more than a second.
        """
        slots = (since(time, self.time) + self._slot // 2) // self._slot
        self.time = time
        if abs(slots) < AHEAD:
            self.receiver.move(slots)
        else:
            self.receiver.forget()

    def payload(self, time: int, data: bytes) -> int:
        """Take the payload of the packet, or frame, that begins at a time stamp."""
        ahead = since(time, self.time) * VOICE_RATE // (100 * self._slot)
        return self.receiver.payload(ahead, data)

    @property
    def speaking(self) -> bool:
        """Whether the voice speaks: in a gap, and after it until the fade has ended."""
        return self.receiver.speaking

    @property
    def state(self) -> State:
        """Where the last 10 ms came from."""
        return self.receiver.state

    def expect_loss(self) -> None:
        """Tell that the audio that is played next is missing; see Receiver.expect."""
        self.receiver.expect()

    def expect_loss_at(self, time: int) -> None:
        """Tell that the next gap begins at a time stamp, or has begun if that is past."""
        self.receiver.expect(max(since(time, self.time) // self._slot, 0))

    def work(self, budget: int) -> int:
        """Do work ahead of need; see Receiver.work."""
        return self.receiver.work(budget)

    def good(self, pcm: Ints, *, recovered: bool = False) -> Ints:
        """Take good or recovered samples, 10 to 120 ms, and return what to play."""
        slots = self._slots(len(pcm))
        if self.speaking:
            self._decode(slots)
        parts = [self.receiver.good(p, recovered=recovered) for p in np.split(pcm, slots)]
        return self._played(parts)

    def lost(self, samples: int) -> Ints:
        """Speak 10 to 120 ms in place of lost samples."""
        slots = self._slots(samples)
        self._decode(slots)
        return self._played([self.receiver.lost() for _ in range(slots)])

    def _decode(self, slots: int) -> None:
        """Decode the share of a call: all of it first, since the oldest frames come last."""
        self.receiver.decode_wanted(self.receiver.config.chunks_a_call * slots)

    def concealed(self, pcm: Ints) -> Ints:
        """Play 10 to 120 ms in place of lost samples; see Receiver.concealed."""
        parts = np.split(pcm, self._slots(len(pcm)))
        self._decode(len(parts))
        return self._played([self.receiver.concealed(part) for part in parts])

    def _slots(self, samples: int) -> int:
        slots, rest = divmod(samples, self._slot)
        if rest or not 1 <= slots <= CALL_MAX:
            raise InputError(f"{samples} samples: want 10, 20 .. 120 ms")
        return slots

    def _played(self, parts: list[Ints]) -> Ints:
        self.time = (self.time + self._slot * len(parts)) % _WRAP
        return np.concatenate(parts)

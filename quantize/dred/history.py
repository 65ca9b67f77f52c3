# SPDX-License-Identifier: BSD-3-Clause
"""What a sender remembers between packets: latents, states, voice activity and time.

Every 20 ms the encoder network yields a latent vector and a state; index 0 is the newest. A packet
takes the state at index L and the latents L, L + 2, L + 4, ..., since a latent vector stands for
40 ms. The work per 20 ms is constant, except that writing a payload takes longer the deeper it is.

Time is counted as in libopus 1.6.1 (docs/FORMAT.md, section 3), with two differences:

- In the first active packet after silence, libopus skips as many steps as the packet before it did,
  since the main payload already has the new frame. It signals the offset as if it had not skipped
  them, so this redundancy plays 20 ms too late per step. dredkit signals the correct offset. Set
  `upstream_silence_offset` to get libopus' bytes.
- Voice flags older than 1.04 s count as silent; libopus 1.6.1 reads past the end of its array.

As in 1.6.1, the oldest latent vector is not used: nothing is sent for the first 20 ms.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from quantize.dred.payload import MAX_BYTES, MAX_CHUNKS, Header, Writer
from quantize.dred.tables import LATENTS, STATES, EntropyTables
from quantize.errors import InputError
from quantize.integer import Ints

SLOTS: Final = 52  # 20-ms steps: 1.04 s
STEP_SAMPLES: Final = 320  # at 16 kHz
UNIT_SAMPLES: Final = 40  # 2.5 ms: the unit of offsets and voice flags
UNITS_PER_STEP: Final = STEP_SAMPLES // UNIT_SAMPLES
FLAGS: Final = SLOTS * UNITS_PER_STEP
LOOK_AHEAD: Final = 6  # units: 15 ms, which the vocoder needs
START_SAMPLES: Final = 11  # zeros before the signal, as in libopus
DELAY_SAMPLES: Final = 64  # of Opus' delay compensation, at 16 kHz
DELAY_SAMPLES_MAX: Final = 560  # more would not fit the offset
PACKET_SAMPLES_MAX: Final = 1920  # 120 ms


@dataclass(frozen=True)
class Rate:
    """The caller's choices: level law, depth in chunks (1..26) and bytes (1..1000)."""

    q0: int
    dq: int
    qmax: int = 15
    max_chunks: int = MAX_CHUNKS
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        Header(self.q0, self.dq, self.qmax, 0)
        if not 1 <= self.max_chunks <= MAX_CHUNKS or not 1 <= self.max_bytes <= MAX_BYTES:
            raise InputError(
                f"DRED rate: want 1..{MAX_CHUNKS} chunks and 1..{MAX_BYTES} bytes, "
                f"got {self.max_chunks} and {self.max_bytes}"
            )


class History:
    """The sender's memory.

    Call `hear` for the samples of a packet, in one piece or in several, and `push` for each step
    that a piece completed. Then `payload` writes the packet's redundancy.
    """

    def __init__(
        self, delay: int = DELAY_SAMPLES, *, upstream_silence_offset: bool = False
    ) -> None:
        """Start in silence; `delay` is the base codec's delay, 0..560 samples at 16 kHz."""
        if not 0 <= delay <= DELAY_SAMPLES_MAX:
            raise InputError(f"DRED history: want a delay of 0..{DELAY_SAMPLES_MAX}, got {delay}")
        self._latents: deque[Ints] = deque(maxlen=SLOTS)
        self._states: deque[Ints] = deque(maxlen=SLOTS)
        self._flags = 0  # bit i: voice i units ago
        self._delay = delay
        self._waiting = START_SAMPLES  # samples that complete no step yet
        self._skipped = 0  # steps that the previous packet skipped, for the end of a silence
        self._upstream_silence_offset = upstream_silence_offset

    def hear(self, samples: int, active: bool) -> int:
        """Hear 2.5 to 120 ms and return how many 20-ms steps they complete.

        `samples` at 16 kHz, a multiple of 40; `active` is the voice decision for all of them.
        """
        _check_length(samples)
        steps, self._waiting = divmod(self._waiting + samples, STEP_SAMPLES)
        units = samples // UNIT_SAMPLES
        new = (1 << units) - 1 if active else 0
        self._flags = (self._flags << units | new) & ((1 << FLAGS) - 1)
        return steps

    def push(self, latents: Ints, state: Ints) -> None:
        """Add a completed step: latents [25] and state [50], int32 Q16."""
        if latents.shape != (LATENTS,) or state.shape != (STATES,):
            raise InputError(f"DRED history: want [{LATENTS}] latents and a [{STATES}] state")
        self._latents.appendleft(latents.copy())
        self._states.appendleft(state.copy())

    def payload(self, tables: EntropyTables, rate: Rate, samples: int = STEP_SAMPLES) -> bytes:
        """Return a packet's redundancy; empty if none is worth sending or none fits.

        The packet holds the last `samples` heard, at 16 kHz, 2.5 to 120 ms. Call this once per
        packet.
        """
        _check_length(samples)
        first, offset, skipped = self._place(samples)
        count = len(self._latents)
        if first >= count - 1:
            return b""
        header = Header(rate.q0, rate.dq, rate.qmax, offset)
        writer = Writer(tables, header, rate.max_bytes)
        if not writer.state(self._states[first]):
            return b""
        kept = 0
        before = False
        for i in range(min(rate.max_chunks, (count - first) // 2)):
            if not writer.chunk(self._latents[first + 2 * i]):
                break
            active = self._active(first + 2 * i)
            if active or before:
                writer.keep()
                kept = i + 1
            before = active
        if kept == 0 or (kept == 1 and skipped > 0):
            return b""
        return writer.finish()

    def newest(self, samples: int) -> tuple[int, int]:
        """Return L and the offset, in units, of a packet of the last `samples` heard.

        Silence at the new end moves both further back.
        """
        waited = (self._waiting - samples) % STEP_SAMPLES  # when the packet began
        offset = (3 * UNIT_SAMPLES // 2 + self._delay - waited) // UNIT_SAMPLES
        steps = (waited + samples) // STEP_SAMPLES
        # Send the first step that reaches the look-ahead beyond the packet's start, and none newer.
        needed = 0
        while needed < steps and offset < LOOK_AHEAD:
            offset += UNITS_PER_STEP
            needed += 1
        return steps - needed, offset

    def _active(self, step: int) -> bool:
        """Return whether the 40 ms of a step hold any voice."""
        return bool(self._flags >> (UNITS_PER_STEP * step) & 0xFFFF)

    def _place(self, samples: int) -> tuple[int, int, int]:
        """Return L, the offset, and how many silent steps were skipped at the new end."""
        newest, offset = self.newest(samples)
        first = newest
        resumes = bool(self._flags & 1) and self._skipped > 0
        if resumes and self._upstream_silence_offset:
            first = self._skipped
        elif resumes:
            first = max(first, self._skipped)
            offset -= UNITS_PER_STEP * (first - newest)
        start = first
        while first < len(self._latents) and not self._active(first):
            first += 1
        skipped = first - start
        self._skipped = 0 if resumes else skipped
        return first, offset - UNITS_PER_STEP * skipped, skipped


def _check_length(samples: int) -> None:
    if not UNIT_SAMPLES <= samples <= PACKET_SAMPLES_MAX or samples % UNIT_SAMPLES:
        raise InputError(f"DRED history: {samples} samples are not 2.5 to 120 ms, n x 2.5 ms")

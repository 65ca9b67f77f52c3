# SPDX-License-Identifier: BSD-3-Clause
"""What a receiver does, 10 ms at a time, in integers: this module defines firmware/dredkit/codec.

payload    take the redundancy of a packet, at any time
good       take good samples of the base codec, or samples that it recovered from LBRR
lost       speak in place of samples that did not come
concealed  the same, with what the base codec's decoder made of them by itself
decode     decode the next 40-ms chunks of redundancy
expect     where the next gap begins
work       decode ahead, and prepare the voice for a gap

Here is the machine that switches between good samples and speech. quantize.codec.track holds the
features, quantize.codec.pending the payloads. Model files, ops as data and error numbers are in
quantize.codec.receiver_model, time stamps in quantize.codec.receiver_clock. What no payload covers,
quantize.plc predicts or holds.

Time runs in slots of 10 ms; every call of `good` or `lost` plays one. Count them from the one that
is played next. A payload whose packet begins `ahead` samples after that one has its newest frame in
slot floor((ahead + 40 offset) / 160) - 1 (docs/FORMAT.md, section 3), and older ones before it.

The return after a gap: the voice speaks on over the first `over_ms` of good samples, if the
features of that time are held, and then fades into them for `fade_ms`. If the next gap begins
before the fade, the voice has never stopped. If it begins inside the fade, the voice begins again,
from what was played.

A gap that no payload covers: the base codec's own concealment plays for up to 120 ms, because the
good samples after it continue it, which they do not do with a voice's speech. Then the voice takes
over. What the base codec makes from then on, mostly comfort noise, is added to it. The voice takes
over earlier if a payload comes in these 120 ms; but if the receiver is told where gaps begin, only
after a multiple of 40 ms, for which the voice is being prepared. So it is where a gap begins just
after a fade, unless payloads cover all that the voice begins with.

Preparing the voice for a gap needs all samples before it. Firmware that knows where the gap begins
analyses the samples before it as they are played, which changes no result and is not shown here.

At 48 kHz, good samples pass through as they are. A voice hears a copy at 16 kHz of what was played
and its speech is interpolated, so it runs a slot ahead (quantize.dsp.thirds).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from quantize.codec.pending import ChunkDecoder, OrderError, Pending
from quantize.codec.track import Track
from quantize.dsp.scalar import rounded, saturate
from quantize.dsp.thirds import REACH, UP, downsample_end, upsample
from quantize.errors import InputError
from quantize.features.integers import FRAME
from quantize.integer import Ints
from quantize.nn.model import QuantisedModel
from quantize.plc.concealment import Concealment
from quantize.plc.heard import SAMPLES as HEARD_SAMPLES
from quantize.vocoder.voices import Voice

__all__ = ["FRAME", "STEP", "OrderError", "Receiver", "ReceiverConfig", "State"]

STEP: Final = 2 * FRAME  # samples at 16 kHz that an op of a board hears or speaks
SLOT_MS: Final = 10
VOICE_RATE: Final = 16000
OUTPUT_RATES: Final = (VOICE_RATE, UP * VOICE_RATE)
OVER_MAX: Final = 60  # ms
FADE_MAX: Final = 40  # ms
CHUNKS_MAX: Final = 26
BRIDGE: Final = 12  # slots of a gap that the base codec's concealment plays at most
WAIT: Final = 4  # and this many, or a multiple, where payloads come before the voice is prepared
QUIET: Final = 2  # slots after the voice's speech from which on it can be prepared again in time
WEIGHT_FRAC: Final = 15
_STEP_FRAC: Final = 26  # of the step of the fade's weight


class State(IntEnum):
    """Where the last 10 ms came from."""

    NORMAL = 0  # good samples
    RECOVERED = 1  # samples from LBRR
    DRED = 2  # the voice, with features of a payload
    PLC = 3  # the voice, with features that were predicted or held
    FADE = 4  # the voice, fading into good samples
    CONCEALED = 5  # the base codec's own concealment


@dataclass(frozen=True)
class ReceiverConfig:
    """How a receiver returns after a gap, and how much it does in a call.

    The voice speaks over good samples for `over_ms`: 0, 10 .. 60. It fades for `fade_ms`: 1 .. 40.
    `chunks_a_call` is how many chunks a call decodes for each 10 ms that it plays, before the
    voice speaks: 0 .. 26. Slots that are not decoded in time are repeated from those that are.
    """

    over_ms: int = 20
    fade_ms: int = 15
    chunks_a_call: int = 1

    def __post_init__(self) -> None:
        over = 0 <= self.over_ms <= OVER_MAX and self.over_ms % SLOT_MS == 0
        if not (over and 1 <= self.fade_ms <= FADE_MAX and 0 <= self.chunks_a_call <= CHUNKS_MAX):
            raise InputError(
                f"{self}: want over_ms 0, 10 .. {OVER_MAX}, fade_ms 1 .. {FADE_MAX}, "
                f"chunks_a_call 0 .. {CHUNKS_MAX}"
            )


def frames_before(voice: Voice | type[Voice]) -> int:
    """Return how many frames of features a voice gets before the first that it speaks."""
    return voice.KNOWN_FRAMES + voice.CONTEXT - 1


def cross_fade(spoken: Ints, good: Ints, done: int, length: int) -> Ints:
    """Fade from speech into good samples, [n] each, the n from `done` on of a fade of `length`.

    Good sample i of the fade weighs (2 i + 1) / (2 length); beyond the fade, it weighs 1.
    """
    step = ((1 << _STEP_FRAC) + length) // (2 * length)
    place = done + np.arange(len(good))
    weight = ((2 * place + 1) * step) >> (_STEP_FRAC - WEIGHT_FRAC)
    mixed = spoken + (((good - spoken) * weight + (1 << (WEIGHT_FRAC - 1))) >> WEIGHT_FRAC)
    return np.asarray(np.where(place < length, mixed, good))


def added(spoken: Ints, made: Ints, *, before: bool, now: bool) -> Ints:
    """Add what the base codec made to speech, [n] each; `before` and `now` say where it sounds.

    Where they differ it fades in or out: it weighs (2 i + 1) / (2 n) at sample i, or backwards.
    """
    n = len(spoken)
    rising = ((2 * np.arange(n) + 1) << (WEIGHT_FRAC - 1)) // n
    weight = np.full(n, 1 << WEIGHT_FRAC) if before else rising
    if not now:
        weight = rising[::-1] if before else np.zeros(n, np.int64)
    return saturate(spoken + rounded(made * weight, WEIGHT_FRAC), 16)


class Receiver:
    """One receiver. Samples are int16 at the output rate, held in int64 arrays."""

    def __init__(
        self,
        decoder: ChunkDecoder,
        voice: Voice,
        config: ReceiverConfig | None = None,
        rate: int = VOICE_RATE,
        predictor: QuantisedModel | None = None,
    ) -> None:
        """Make a receiver that has heard nothing; raises InputError for a rate that it lacks.

        `predictor` continues the features where no payload covers a slot; without it they are held.
        """
        if rate not in OUTPUT_RATES:
            raise InputError(f"{rate} samples a second: a receiver plays 16000 or 48000")
        self.config = config or ReceiverConfig()
        self.state = State.NORMAL
        self.samples = rate // 100  # of a slot
        self._up = rate // VOICE_RATE
        self._voice = voice
        self._track = Track()
        self._pending = Pending(decoder, self._track)
        self._plc = Concealment(predictor)
        self._heard = voice.PAST + voice.KNOWN_FRAMES * FRAME  # samples at 16 kHz
        beside = 0 if self._up == 1 else UP * REACH
        self._played = np.zeros(self._up * HEARD_SAMPLES + beside, np.int64)
        self._next = 0  # the slot that the voice speaks next
        self._speaking = False
        self._prepared = False  # the voice can speak slot `now` at once
        self._gap: int | None = None  # the slot where the next gap begins, if that is known
        self._told = False  # whether anything has ever told where a gap begins
        self._conceals = False  # whether the last gap was played by `concealed`
        self._quiet = QUIET  # slots since the voice spoke, QUIET at most
        self._over = 0  # slots that the voice still speaks over good samples
        self._faded = 0  # samples of the fade that were played
        self._concealed = 0  # slots of this gap in which the base codec concealed, up to BRIDGE
        self._adding = False  # whether what the base codec made was added to the last slot
        self._speech = np.zeros(0, np.int64)  # at 48 kHz: of the voice, not yet played, and REACH

    @property
    def layers(self) -> dict[str, Ints]:
        """Every node's output of the network runs of the last payload or chunk, by name."""
        return self._pending.layers

    @property
    def speaking(self) -> bool:
        """Whether the voice speaks, so that the next good samples are spoken over or faded into."""
        return self._speaking

    def payload(self, ahead: int, data: bytes) -> int:
        """Take the payload of a packet whose first sample comes `ahead` samples after the next.

        `ahead` counts samples at 16 kHz and is negative for a packet that was played. Returns the
        number of chunks. Raises PayloadError for a malformed payload, which changes nothing.
        """
        return self._pending.take(ahead, data, self._oldest)

    @property
    def chunks(self) -> int:
        """How many chunks the payload has that is being decoded; 0 without one."""
        return self._pending.chunks

    @property
    def chunks_wanted(self) -> int:
        """How many chunks of the payload decoded next are of use; 0 if none of any payload is."""
        return self._pending.wanted(self._oldest)

    def decode(self, most: int = 1) -> Ints:
        """Decode up to `most` chunks of one payload: of one with chunks of use, or else of any.

        Returns features [4 * chunks, 20] Q10, newest first. Raises OrderError if none is left.
        """
        return self._pending.decode(self._oldest, most)

    def decode_wanted(self, budget: int) -> int:
        """Decode up to `budget` chunks of use; return what is left of the budget."""
        while budget > 0 and self.chunks_wanted:
            self.decode()
            budget -= 1
        return budget

    def expect(self, slots: int = 0) -> None:
        """Take note that the next gap begins `slots`, 0 or more, after the slot played next.

        What was noted before is forgotten, and so is this when that slot is played. Where this is
        called once, the voice is prepared for no gap of which it does not tell.
        """
        self._gap = self._track.now + slots
        self._told = True

    def work(self, budget: int) -> int:
        """Decode up to `budget` chunks of use, and prepare the voice for a gap.

        Preparing costs one of the budget. If the voice is known to speak next, it is the last of
        the budget; if a gap is expected some time, it comes after all chunks. Returns how many are
        still wanted, 0 if nothing is.
        """
        kept = int(budget > 0 and self._told and self._to_prepare)
        if self.decode_wanted(budget - kept) + kept > 0 and self._to_prepare:
            self._begin()
            if self._up > 1:
                self._speech = np.concatenate([self._speech, self._frame()])
            self._prepared = True
        return self.chunks_wanted + int(self._to_prepare)

    def lost(self) -> Ints:
        """Speak 10 ms in place of lost samples."""
        self._conceals = False
        self._adding = False
        return self._play(self._say())

    def _say(self) -> Ints:
        """Return the voice's next 10 ms in a gap."""
        if self._faded:
            self._speaking = False
            self._faded = 0
        if not self._speaking and not self._prepared:
            self._begin()
        self._speaking, self._prepared = True, False
        self._over = self.config.over_ms // SLOT_MS
        self.state = State.DRED if self._track.holds(self._track.now) else State.PLC
        return self._speak()

    def concealed(self, pcm: Ints) -> Ints:
        """Return 10 ms to play in place of lost samples, of which the base codec made `pcm`.

        That plays in the first 120 ms of a gap, unless the voice speaks already, a payload covers
        this time, or chunks of use wait to be decoded. Otherwise the voice speaks. After the first
        120 ms, `pcm` is added where no payload covers this time.
        """
        self._conceals = True
        held = self._track.holds(self._track.now)
        late = self._concealed == BRIDGE
        covered = self._would_speak(self._track.now) and not self._waits
        self._concealed += not late
        if self._speaking or covered or late:
            before, self._adding = self._adding, late and not held
            return self._play(added(self._say(), pcm, before=before, now=self._adding))
        self._prepared = False
        self.state = State.CONCEALED
        return self._play(pcm.copy())

    def good(self, pcm: Ints, *, recovered: bool = False) -> Ints:
        """Take 10 ms of good samples, or of recovered ones, and return what to play."""
        self._prepared = False
        self._concealed = 0
        self._adding = False
        self.state = State.RECOVERED if recovered else State.NORMAL
        if not self._speaking:
            return self._play(pcm.copy())
        spoken = self._speak()
        if self._over and self._track.holds(self._track.now):
            self._over -= 1
            self.state = State.DRED
            return self._play(spoken)
        self._over = 0
        self.state = State.FADE
        length = self.config.fade_ms * self.samples // SLOT_MS
        out = cross_fade(spoken, pcm, self._faded, length)
        self._faded += self.samples
        if self._faded >= length:
            self._speaking = False
            self._faded = 0
        return self._play(out)

    def hear(self, pcm: Ints) -> Ints:
        """Take 20 ms of good samples and return what to play."""
        return np.concatenate([self.good(part) for part in np.split(pcm, 2)])

    def speak(self) -> Ints:
        """Speak 20 ms in place of lost samples."""
        return np.concatenate([self.lost(), self.lost()])

    def move(self, slots: int) -> None:
        """Move the clock by slots of either sign, as where the player skips or repeats audio."""
        self._track.move(slots)
        self._pending.drop_old()
        self._next += slots
        self._prepared, self._gap = False, None

    def forget(self) -> None:
        """Forget all redundancy, as where the time jumps."""
        self._track.forget()
        self._pending.forget()
        self._prepared, self._gap = False, None

    @property
    def _oldest(self) -> int:
        """The oldest slot whose features can be of use."""
        if self._speaking or self._prepared:
            return self._next
        return self._track.now - frames_before(self._voice)

    @property
    def _to_prepare(self) -> bool:
        if self._speaking or self._prepared:
            return False
        if self._told:
            return self._begins == self._track.now
        return self.chunks_wanted == 0 and self._pending.expects_gap()

    @property
    def _begins(self) -> int | None:
        """The slot that the voice is thought to speak first in the next gap, if that is known.

        It is a later one if the base codec's own concealment is going to play the gap's first ones.
        """
        gap = self._gap
        if gap is None or not self._conceals:
            return gap
        bridge = WAIT if self._would_speak(gap) else BRIDGE
        if gap == self._track.now and self._concealed:
            return gap - self._concealed % -bridge
        return gap if self._ready(gap) else gap + bridge

    def _would_speak(self, slot: int) -> bool:
        """Whether the voice would speak in a slot of a gap from payloads, now or once decoded."""
        return self._track.holds(slot) or self.chunks_wanted > 0

    @property
    def _waits(self) -> bool:
        """Whether the voice, though covered, is left to be prepared for a later slot of the gap."""
        if not self._told or self._prepared:
            return False
        if self._concealed:
            return self._concealed % WAIT > 0
        return not self._ready(self._track.now)

    def _ready(self, gap: int) -> bool:
        """Whether there is time enough to prepare the voice for a gap that begins soon."""
        return self._quiet >= QUIET or self._is_covered(gap)

    def _is_covered(self, gap: int) -> bool:
        """Whether payloads cover all that the voice begins with."""
        slots = range(gap - frames_before(self._voice), gap + 1)
        return all(self._track.holds(slot) for slot in slots)

    def _begin(self) -> None:
        """Start the voice and run it up to the last sample that was played."""
        voice = self._voice
        heard = self._played
        if self._up > 1:
            heard = downsample_end(self._played, HEARD_SAMPLES)
            self._speech = heard[-REACH:]
        self._next = self._track.now
        slots = range(self._next - frames_before(voice), self._next + 1)
        self._plc.begin(None if self._is_covered(self._next) else heard)
        told = [self._features(slot) for slot in slots]
        heard = heard[-self._heard :]
        voice.begin(np.array(told[: voice.CONTEXT]), heard[: voice.PAST])
        for i in range(voice.KNOWN_FRAMES):
            known = heard[voice.PAST + i * FRAME :][:FRAME]
            voice.frame(told[voice.CONTEXT + i], known)

    def _features(self, slot: int) -> Ints:
        """Return the features of a slot. Ask for each slot once, in their order.

        Samples of the frame before slot `next` were not heard whole when its gap begins.
        """
        before = self._next - 1 - slot
        if self._track.holds(slot):
            features = self._track.at(slot)
            if before <= 0:
                self._plc.known(features)
            return features
        return self._plc.past(before) if before > 0 else self._plc.missing()

    def _frame(self) -> Ints:
        """Return the voice's next 10 ms at 16 kHz."""
        self._next += 1
        return self._voice.frame(self._features(self._next), None)

    def _speak(self) -> Ints:
        """Return the voice's next 10 ms at the output rate."""
        if self._up == 1:
            return self._frame()
        needed = FRAME + 2 * REACH
        while len(self._speech) < needed:
            self._speech = np.concatenate([self._speech, self._frame()])
        out = upsample(self._speech[:needed])
        self._speech = self._speech[FRAME:]
        return out

    def _play(self, out: Ints) -> Ints:
        self._played = np.concatenate([self._played, out])[-len(self._played) :]
        if self._gap == self._track.now:
            self._gap = None
        spoke = self.state in (State.DRED, State.PLC, State.FADE)
        self._quiet = 0 if spoke else min(self._quiet + 1, QUIET)
        self._track.move(1)
        self._pending.drop_old()
        if not self._speaking:
            self._next = self._track.now
        return out

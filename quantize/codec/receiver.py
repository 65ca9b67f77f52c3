# SPDX-License-Identifier: BSD-3-Clause
"""What a receiver does, op by op, in integers: this module defines firmware/dredkit/codec.

hear     take 320 good samples of the base codec; after a gap, fade from speech into them
payload  take the redundancy for a gap: parse it and set the decoder network's states
chunk    decode the next 40-ms chunk, newest first; `chunks_wanted` says how many are of use
speak    speak 320 samples in place of lost ones

Here is the state of one receiver and the choice of the features that it speaks. Model files, ops
as data and error numbers are in quantize.codec.receiver_model.

Time runs in frames of 10 ms. The features of a payload are numbered backwards; k = 0 is the newest.
In a gap that began `gap` samples before the packet's first one, the first concealed frame speaks
k = floor((gap + 40 offset) / 160) - 1. Each later frame, spoken or heard, has the next lower k
(docs/FORMAT.md, section 3). If k lies outside the decoded frames, the nearest one is repeated, and
it gets quieter with the distance (`attenuated`). This happens before the oldest decoded frame, and
after the newest when a payload is used up and no other came. Until something has been decoded, the
features are those of silence.
"""

from typing import Final

import numpy as np

from quantize.codec.redundancy import CHUNK_FRAMES, DecoderNetworks, Redundancy
from quantize.dred.payload import Payload
from quantize.errors import InputError
from quantize.features.integers import FEATURE_FRAC, FEATURES
from quantize.integer import Ints
from quantize.vocoder.voices import Voice

FRAME: Final = 160
STEP: Final = 2 * FRAME  # samples that one op hears or speaks
FADE: Final = 80  # samples: 5 ms
GAP_MAX: Final = 65535  # samples
UNIT: Final = 40  # samples in a unit of a payload's offset
SOONEST: Final = -256  # k stops here; everything has faded out long before

# How much lower c0 is 1, 2, ... 10 frames outside the decoded ones, and how much more it drops with
# each further frame; both Q10. These are libopus' values for a continuing loss.
ATTENUATION: Final = (0, 0, 205, 205, 410, 410, 819, 819, 1638, 1638)
ATTENUATION_STEP: Final = 2048
QUIETEST: Final = -15 << FEATURE_FRAC
_FADE_STEP: Final = 6554  # 2^20 / 160: half the step of the cross-fade's weight, Q20


class OrderError(InputError):
    """An op out of order: a chunk is asked for and none is left to decode."""


def attenuated(features: Ints, distance: int) -> Ints:
    """Return features [20] Q10 as they repeat `distance` frames (1 or more) from their place."""
    last = len(ATTENUATION)
    lower = ATTENUATION[min(distance, last) - 1] + max(distance - last, 0) * ATTENUATION_STEP
    result = features.copy()
    result[0] = max(int(features[0]) - lower, QUIETEST)
    return result


def cross_fade(spoken: Ints, good: Ints) -> Ints:
    """Fade from speech into good samples, [80] each; good sample n weighs (2 n + 1) / 160."""
    weight = ((2 * np.arange(FADE) + 1) * _FADE_STEP) >> 5  # Q15
    return np.asarray(spoken + (((good - spoken) * weight + (1 << 14)) >> 15))


def first_frame(gap: int, payload: Payload) -> int:
    """Return the k of a frame that begins `gap` samples before the payload's packet."""
    return max((gap + UNIT * payload.header.offset) // FRAME - 1, SOONEST)


def frames_before(voice: Voice | type[Voice]) -> int:
    """Return how many frames of features a voice gets before the first that it speaks."""
    return voice.KNOWN_FRAMES + voice.CONTEXT - 1


def chunks_for(gap: int, payload: Payload, voice: type[Voice]) -> int:
    """Return how many chunks of a payload are of use in a gap that has just begun."""
    return _chunks_up_to(first_frame(gap, payload) + frames_before(voice), len(payload.chunks))


def _chunks_up_to(oldest: int, chunks: int) -> int:
    return min(max(oldest, 0) // CHUNK_FRAMES + 1, chunks)


class Receiver:
    """One receiver. Samples are int16 [320] at 16 kHz, held in int64 arrays."""

    def __init__(self, networks: DecoderNetworks, voice: Voice) -> None:
        self._redundancy = Redundancy(networks)
        self._voice = voice
        self._features = np.zeros((0, FEATURES), np.int64)  # newest first
        self._heard = np.zeros(voice.PAST + voice.KNOWN_FRAMES * FRAME, np.int64)
        self._next = 0  # k of the next frame, heard or spoken
        self._speaking = False
        self._silence = np.zeros(FEATURES, np.int64)
        self._silence[0] = QUIETEST

    @property
    def layers(self) -> dict[str, Ints]:
        """Every node's output of the last network run, by the node's name."""
        return self._redundancy.layers

    def hear(self, pcm: Ints) -> Ints:
        """Take good samples and return what to play."""
        out = pcm.copy()
        if self._speaking:
            out[:FADE] = cross_fade(self._frame()[:FADE], out[:FADE])
            self._speaking = False
        else:
            self._advance()
        self._advance()
        self._keep(out)
        return out

    def payload(self, gap: int, data: bytes) -> int:
        """Take a payload, forget the features decoded before, and return the number of chunks.

        The next sample to be heard or spoken is `gap` samples, 0 .. 65535, before the first one of
        the packet that brought the payload. Raises InputError for a gap out of range. Raises
        PayloadError for a malformed payload; no chunk is left to decode then, but the features
        decoded before stay.
        """
        if not 0 <= gap <= GAP_MAX:
            raise InputError(f"a gap of {gap} samples: want 0..{GAP_MAX}")
        chunks = self._redundancy.begin(data)
        assert self._redundancy.payload is not None
        self._features = self._features[:0]
        self._next = first_frame(gap, self._redundancy.payload)
        return chunks

    @property
    def chunks(self) -> int:
        """How many chunks the payload has; 0 without one."""
        return self._redundancy.chunks

    @property
    def chunks_left(self) -> int:
        """How many chunks of the payload are not decoded yet."""
        return self.chunks - self._redundancy.decoded

    @property
    def chunks_wanted(self) -> int:
        """How many more chunks are of use: up to the oldest frame that a gap from now on needs."""
        oldest = self._next + (0 if self._speaking else frames_before(self._voice))
        return max(_chunks_up_to(oldest, self.chunks) - self._redundancy.decoded, 0)

    def chunk(self) -> Ints:
        """Decode the next older chunk to features [4, 20] Q10, newest first.

        Raises OrderError if none is left.
        """
        if not self.chunks_left:
            raise OrderError("no chunk of a payload is left to decode")
        found = self._redundancy.chunk()
        self._features = np.concatenate([self._features, found])
        return found

    def speak(self) -> Ints:
        """Speak 320 samples in place of lost ones."""
        if not self._speaking:
            self._begin()
        out = np.concatenate([self._frame(), self._frame()])
        self._keep(out)
        return out

    def _begin(self) -> None:
        """Start the voice and run it up to the last sample that was heard."""
        voice = self._voice
        oldest = self._next + frames_before(voice)
        context = np.array([self._at(oldest - i) for i in range(voice.CONTEXT)])
        voice.begin(context, self._heard[: voice.PAST])
        for i in range(voice.KNOWN_FRAMES):
            known = self._heard[voice.PAST + i * FRAME :][:FRAME]
            voice.frame(self._at(self._next + voice.KNOWN_FRAMES - 1 - i), known)
        self._speaking = True

    def _frame(self) -> Ints:
        spoken = self._voice.frame(self._at(self._next - 1), None)
        self._advance()
        return spoken

    def _advance(self) -> None:
        self._next = max(self._next - 1, SOONEST)

    def _keep(self, played: Ints) -> None:
        self._heard = np.concatenate([self._heard, played])[-len(self._heard) :]

    def _at(self, k: int) -> Ints:
        """Return the features of frame k, decoded or not."""
        count = len(self._features)
        if count == 0:
            return self._silence
        if k < 0:
            return attenuated(self._features[0], -k)
        if k >= count:
            return attenuated(self._features[-1], k - count + 1)
        return np.asarray(self._features[k])

# SPDX-License-Identifier: BSD-3-Clause
"""Decode conformance vectors in the integers of the firmware, and judge them by xiph's limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quantize.codec.receiver_clock import ReceiverClock
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.redundancy import Redundancy
from quantize.dred.payload import parse_plain
from quantize.errors import PayloadError
from quantize.features.integers import FEATURE_FRAC, FEATURES, FRAME
from quantize.features.limits import LIMITS, compare_features
from quantize.integer import to_fixed
from quantize.vocoder.voices import speaker
from toolkit.call.bitfile import read_bitfile
from toolkit.call.conformance.audio import SYSTEM_LIMITS, VOICE_LIMITS, compare_audio
from toolkit.call.conformance.vectors import (
    DRED,
    SYSTEM,
    VOICE,
    Vector,
    frames_of,
    read_blocks,
    read_features,
    read_speech_file,
)
from toolkit.call.play import play
from toolkit.common.errors import InputError

Int16s = npt.NDArray[np.int16]
# Samples that a decoder is later than what it was given: half a frame of the voice.
_EARLY: Final = FRAME // 2


@dataclass(frozen=True)
class Judgement:
    """A vector's errors and limits by name, and whether none is above its limit."""

    vector: Vector
    errors: dict[str, float]
    limits: dict[str, float]

    @property
    def ok(self) -> bool:
        return all(self.errors[name] <= limit for name, limit in self.limits.items())

    def as_json(self) -> dict[str, Any]:
        """Return the judgement as a JSON object."""
        return {
            "name": self.vector.name,
            "kind": self.vector.kind,
            "file": str(self.vector.file),
            "ok": self.ok,
            "errors": {name: round(value, 6) for name, value in self.errors.items()},
            "limits": self.limits,
        }


def judge(vector: Vector, model: DecoderModel) -> Judgement:
    """Decode a vector with a receiver's model and compare it with its reference.

    Raises InputError for damaged files, and for a reference of another length.
    """
    return _JUDGES[vector.kind](vector, model)


def _dred(vector: Vector, model: DecoderModel) -> Judgement:
    blocks = read_blocks(vector.file)
    want = read_features(vector.reference)
    if len(want) != frames_of(blocks):
        raise InputError(
            f"{vector.reference}: {len(want)} frames; {vector.file.name} has {frames_of(blocks)}"
        )
    decoder = Redundancy(model.networks)
    found = []
    for number, block in enumerate(blocks):
        try:
            payload = parse_plain(block.data, model.networks.tables, block.level, block.chunks)
        except PayloadError as error:
            raise InputError(f"{vector.file}: block {number}: {error}") from None
        decoder.start(payload)
        chunks = [decoder.chunk() for _ in range(block.chunks)]
        found.append(np.concatenate(chunks)[::-1] / (1 << FEATURE_FRAC))
    errors = compare_features(want, np.concatenate(found))
    return Judgement(vector, dict(vars(errors)), dict(vars(LIMITS)))


def _voice(vector: Vector, model: DecoderModel) -> Judgement:
    features = to_fixed(read_features(vector.file), FEATURE_FRAC)
    errors = compare_audio(read_speech_file(vector.reference), synthesise(features, model))
    return Judgement(vector, dict(vars(errors)), dict(vars(VOICE_LIMITS)))


def synthesise(features: npt.NDArray[np.int64], model: DecoderModel) -> Int16s:
    """Speak features [n, 20] Q10 from silence on; return as many samples as n frames have.

    The first frame also stands for those before it, the last one for those after it. A voice speaks
    half a frame early, so the first half frame is dropped.
    """
    voice = speaker(model.voice)
    silence = np.zeros(FRAME, np.int64)
    past = np.zeros(voice.PAST, np.int64)
    voice.begin(np.repeat(features[:1], voice.CONTEXT, axis=0), past)
    for _ in range(voice.KNOWN_FRAMES):
        voice.frame(features[0], silence)
    ahead = np.concatenate([features[1:], features[-1:], features[-1:]])
    spoken = np.concatenate([voice.frame(frame, None) for frame in ahead.reshape(-1, FEATURES)])
    return spoken[_EARLY : _EARLY + FRAME * len(features)].astype(np.int16)


def _system(vector: Vector, model: DecoderModel) -> Judgement:
    records = read_bitfile(vector.file)
    player = ReceiverClock(model.receiver())
    played = play(player, records, [not record.packet for record in records])
    errors = compare_audio(read_speech_file(vector.reference), played.pcm)
    return Judgement(vector, dict(vars(errors)), dict(vars(SYSTEM_LIMITS)))


_JUDGES: Final[dict[str, Callable[[Vector, DecoderModel], Judgement]]] = {
    DRED: _dred,
    VOICE: _voice,
    SYSTEM: _system,
}

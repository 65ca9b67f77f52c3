# SPDX-License-Identifier: BSD-3-Clause
"""The voices of a receiver: "pulse", which has no weights, or an LPCNet."""

from typing import ClassVar, Final, Literal, Protocol

from quantize.integer import Ints
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.speak import LpcnetVoice
from quantize.vocoder.pulse import Pulse

VoiceModel = LpcnetModel | Literal["pulse"]

_PULSE: Final = b"dredkit-pulse-1"  # in a receiver's file


class Voice(Protocol):
    """A vocoder. Features are int16 Q10 [20], PCM is int16 at 16 kHz.

    It begins with CONTEXT feature frames and PAST samples. Then it runs over KNOWN_FRAMES frames of
    heard samples, and then it speaks.
    """

    CONTEXT: ClassVar[int]
    PAST: ClassVar[int]
    KNOWN_FRAMES: ClassVar[int]

    def begin(self, context: Ints, past: Ints) -> None:
        """Start again from features [CONTEXT, 20] up to those of frame t, and from past samples.

        `past` [PAST] are the samples before frame t; both are oldest first.
        """

    def frame(self, ahead: Ints, known: Ints | None) -> Ints:
        """Speak frame t, [160], or run over `known` samples; `ahead` has the features of t + 1."""


def voice_name(model: VoiceModel) -> str:
    """Return the name of a voice, which its C files in firmware/dredkit/vocoder have too."""
    return "pulse" if model == "pulse" else "lpcnet"


def voice_bytes(model: VoiceModel) -> bytes:
    """Serialise a voice; equal voices give equal bytes."""
    return _PULSE if isinstance(model, str) else model.to_bytes()


def read_voice(data: bytes, where: str) -> VoiceModel:
    """Read what `voice_bytes` wrote; `where` names it in the InputError for anything else."""
    return "pulse" if data == _PULSE else LpcnetModel.from_bytes(data, where)


def voice_class(model: VoiceModel) -> type[Voice]:
    """Return the class of a voice, which says what it begins with."""
    return Pulse if isinstance(model, str) else LpcnetVoice


def speaker(model: VoiceModel) -> Voice:
    """Return a voice that has not spoken yet."""
    return Pulse() if isinstance(model, str) else LpcnetVoice(model)

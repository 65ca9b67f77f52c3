# SPDX-License-Identifier: BSD-3-Clause
"""The voices that a receiver can speak with: "pulse", which has no weights, or an LPCNet."""

from typing import Final, Literal

from quantize.codec.receiver import Voice
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.speak import LpcnetVoice
from quantize.vocoder.pulse import Pulse

VoiceModel = LpcnetModel | Literal["pulse"]

_PULSE: Final = b"dredkit-pulse-1"  # in a receiver's file


def voice_name(model: VoiceModel) -> str:
    """Name of the voice: that of its C files in firmware/dredkit/vocoder, too."""
    return "pulse" if model == "pulse" else "lpcnet"


def voice_bytes(model: VoiceModel) -> bytes:
    """Serialise a voice; equal ones give equal bytes."""
    return _PULSE if isinstance(model, str) else model.to_bytes()


def read_voice(data: bytes, where: str) -> VoiceModel:
    """Read what `voice_bytes` wrote; `where` names it in the InputError for anything else."""
    return "pulse" if data == _PULSE else LpcnetModel.from_bytes(data, where)


def speaker(model: VoiceModel) -> Voice:
    """A voice that has said nothing yet."""
    return Pulse() if isinstance(model, str) else LpcnetVoice(model)

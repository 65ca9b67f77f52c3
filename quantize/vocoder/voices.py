# SPDX-License-Identifier: BSD-3-Clause
"""The voices that a receiver can speak with, as models that its file holds."""

from dataclasses import dataclass
from typing import Final, Protocol

from quantize.errors import InputError
from quantize.receiver import Voice

_PULSE: Final = b"dredkit-pulse-1"


class VoiceModel(Protocol):
    """A voice's weights, if it has any; `name` is that of its C files in firmware/vocoder."""

    @property
    def name(self) -> str:
        """ "pulse" or "lpcnet"."""

    def to_bytes(self) -> bytes:
        """Serialise; equal models give equal bytes."""

    def speaker(self) -> Voice:
        """A voice that has said nothing yet."""


@dataclass(frozen=True)
class PulseModel:
    """Pulses and noise through a predictor: nothing in it was trained."""

    name: str = "pulse"

    def to_bytes(self) -> bytes:
        return _PULSE

    def speaker(self) -> Voice:
        from quantize.vocoder.pulse import Pulse

        return Pulse()


def read_voice(data: bytes, where: str) -> VoiceModel:
    """Read what `to_bytes` of a voice wrote; `where` names it in the InputError for others."""
    if data == _PULSE:
        return PulseModel()
    raise InputError(f"{where}: no voice that is known here; run `dredkit quantize` again")

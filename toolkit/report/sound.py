# SPDX-License-Identifier: BSD-3-Clause
"""Recordings within a page."""

import base64
import io
import wave
from typing import Final

import numpy as np
import numpy.typing as npt

LONGEST_SOUND_S: Final = 15.0  # longer recordings would make a page large


def sound_uri(pcm: npt.NDArray[np.int16], rate: int) -> str | None:
    """Return a recording as a data URI; None if it is long."""
    if len(pcm) > LONGEST_SOUND_S * rate:
        return None
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()

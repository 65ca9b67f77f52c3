# SPDX-License-Identifier: BSD-3-Clause
"""Which voice a receiver gets: pulses, the shipped LPCNet, or one from a file."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from quantize.near import near
from quantize.vocoder.lpcnet_quantise import quantise_lpcnet
from quantize.vocoder.voices import VoiceModel
from toolkit.errors import InputError
from toolkit.importers import SHIPPED_VOICE

VOICES = ("pulse", "lpcnet")


def voice_model(voice: str | None) -> VoiceModel:
    """The voice of that name, or an LPCNet from that file; None for the best that there is.

    That is the shipped LPCNet, or pulses where none is shipped. Raises InputError for no such
    voice, or for a file that holds none.
    """
    if voice is None:
        voice = "lpcnet" if SHIPPED_VOICE.is_file() else "pulse"
    if voice == "pulse":
        return "pulse"
    path = SHIPPED_VOICE if voice == "lpcnet" else Path(voice)
    if not path.is_file():
        hint = near(voice, VOICES) or "; say pulse, lpcnet or a checkpoint of one"
        raise InputError(f"--voice {voice}: no such file{hint}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = {"name": path.name, "kind": "checkpoint", "sha256": digest}
    return quantise_lpcnet(_tensors(path), source)


def _tensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """The weights of an LPCNet like ours, read without torch, whose start takes seconds."""
    try:
        with safe_open(path, "numpy") as file:
            if "variant" not in (file.metadata() or {}):
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        raise InputError(f"{path} is no safetensors checkpoint, or is damaged") from None
    from quantize.networks.lpcnet_checkpoint import integer_tensors

    return integer_tensors(path)

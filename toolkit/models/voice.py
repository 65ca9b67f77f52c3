# SPDX-License-Identifier: BSD-3-Clause
"""Choose the voice of a receiver: pulses, a shipped network, or one from a file."""

import hashlib
from pathlib import Path
from typing import Final

from quantize.files.reading import file_bytes
from quantize.files.tensor_file import TensorFile, Tensors, parse
from quantize.near import near
from quantize.vocoder.fargan.quantise import quantise_fargan
from quantize.vocoder.lpcnet.quantise import quantise_lpcnet
from quantize.vocoder.voices import VoiceModel
from toolkit.common.errors import InputError
from toolkit.models.importers import SHIPPED_FARGAN, SHIPPED_VOICE, checkpoint_kind
from toolkit.models.importers.fargan import has_fargan, read_fargan_layers
from toolkit.models.importers.kinds import foreign

SHIPPED: Final = {"lpcnet": SHIPPED_VOICE, "fargan": SHIPPED_FARGAN}
DEFAULTS: Final = ("fargan", "lpcnet")  # the best first: of the sound of whole calls, and of cost
VOICES: Final = ("pulse", *SHIPPED)
_CURE: Final = "say pulse, lpcnet, fargan or a checkpoint of one"


def voice_model(voice: str | None) -> VoiceModel:
    """Return the voice of that name, or the LPCNet or FARGAN of that file.

    None stands for the first that ships of FARGAN, LPCNet and pulses. Raises InputError for an
    unknown voice, and for a file without one.
    """
    if voice is None:
        voice = default_voice()
    if voice == "pulse":
        return "pulse"
    path = SHIPPED.get(voice, Path(voice))
    if not path.is_file():
        hint = near(voice, VOICES) or f"; {_CURE}"
        raise InputError(f"--voice {voice}: no such file{hint}")
    data = file_bytes(path, _CURE)
    if has_fargan(data):
        return quantise_fargan(*read_fargan_layers(path))
    file = _voice_file(path, data)
    kind, digest = checkpoint_kind(file.notes), hashlib.sha256(data).hexdigest()
    source = {"name": path.name, "kind": kind, "sha256": digest}
    return quantise_lpcnet(_tensors(path, file), source)


def default_voice() -> str:
    """Return the name of the voice that speaks where none is asked for."""
    return next((name for name in DEFAULTS if SHIPPED[name].is_file()), "pulse")


def _voice_file(path: Path, data: bytes) -> TensorFile:
    """Parse a checkpoint; raises InputError for a file that cannot be one of LPCNet."""
    error = foreign(path, data, "a checkpoint of LPCNet or FARGAN")
    if error is not None:
        raise error
    return parse(data, str(path))


def _tensors(path: Path, file: TensorFile) -> Tensors:
    """Return the weights of an LPCNet like ours, read without torch, whose start takes seconds."""
    if "variant" not in file.notes:
        return file.tensors
    from quantize.networks.lpcnet_checkpoint import integer_tensors

    return integer_tensors(path)

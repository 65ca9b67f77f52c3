# SPDX-License-Identifier: BSD-3-Clause
"""The voices that can be scored, from their weights to PCM that lies beside the original."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantize.errors import InputError
from quantize.features.floats import FRAME
from quantize.features.integers import FEATURE_FRAC
from quantize.networks.lpcnet import Lpcnet
from quantize.networks.lpcnet_batch import Variant, synthesise_many
from quantize.networks.lpcnet_checkpoint import load_lpcnet
from quantize.train.lpcnet import loop as training
from quantize.vocoder.fargan.floats import FloatFargan, synthesise
from quantize.vocoder.fargan.quantise import quantise_fargan
from quantize.vocoder.lpcnet.quantise import SHARPNESS, TAIL, quantise_lpcnet
from toolkit.device.build import vocoderlib
from toolkit.speech.recordings import I16
from toolkit.verify.scoring.fargan import FarganWeights
from toolkit.verify.scoring.source import source
from toolkit.verify.scoring.utterances import Utterance

# Each voice's line in the table.
VOICES = {
    "original": "the recordings themselves",
    "float": "LPCNet in floats",
    "integer": "LPCNet in integers, as on the device",
    "fargan-float": "FARGAN in floats",
    "fargan-integer": "FARGAN in integers, as on the device",
    "pulse": "pulses and noise, untrained, in integers",
}
FARGANS = ("fargan-float", "fargan-integer")
LEAD = FRAME // 2  # a voice's frame begins this many samples before the frame of its features

Note = Callable[[int, int], None]  # gets how many are done, and how many there are


@dataclass(frozen=True)
class Weights:
    """LPCNet's weights, and what the report says about them."""

    model: Lpcnet
    variant: Variant
    facts: dict[str, str | int]


def read_weights(path: Path) -> Weights:
    """Read a checkpoint of LPCNet or the state of its training, packed or not.

    Raises InputError for anything else.
    """
    found = source(path, training.KIND, "train a voice or import one first")
    if not found.trained:
        return Weights(*load_lpcnet(path), found.facts)
    trainer = training.resumed(path)
    return Weights(trainer.smoothed(), Variant(), {**found.facts, "steps": trainer.step})


def speak(
    voice: str,
    weights: Weights | FarganWeights | None,
    utterances: Sequence[Utterance],
    note: Note,
) -> list[I16]:
    """Have a voice speak each utterance from its features, as long as the original, not aligned.

    `weights` are needed by all but "original" and "pulse". LPCNet draws by the same rule in floats
    and integers (SHARPNESS, TAIL).
    """
    if voice == "original":
        return [u.pcm for u in utterances]
    if voice == "pulse":
        return _compiled("pulse", utterances, note)
    if isinstance(weights, FarganWeights):
        if voice == "fargan-float":
            told = [u.features for u in utterances]
            return synthesise(FloatFargan(weights.layers), told, note=note)
        name = {"name": str(weights.facts["name"])}
        return _compiled(quantise_fargan(weights.layers, name), utterances, note)
    assert weights is not None
    if voice == "float":
        variant = replace(weights.variant, sharpness=SHARPNESS, tail=TAIL / 32768)
        told = [u.features for u in utterances]
        return synthesise_many(weights.model, told, variant=variant, note=note)
    if weights.variant != Variant():
        raise InputError(
            f"{weights.facts['name']}: the integer voice does not speak with it, only --voice float"
        )
    tensors = {name: tensor.numpy() for name, tensor in weights.model.export().items()}
    return _compiled(
        quantise_lpcnet(tensors, {"name": str(weights.facts["name"])}), utterances, note
    )


def _compiled(voice: vocoderlib.Voice, utterances: Sequence[Utterance], note: Note) -> list[I16]:
    spoken = []
    for i, utterance in enumerate(utterances):
        spoken.append(vocoderlib.speak(voice, fixed(utterance.features)))
        note(i + 1, len(utterances))
    return spoken


def fixed(features: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return features as a voice on the device gets them: int16, Q10."""
    steps = np.rint(features.astype(np.float64) * 2**FEATURE_FRAC)
    return np.clip(steps, -32768, 32767).astype(np.int16)


def beside(voice: str, spoken: I16, original: I16) -> tuple[I16, I16]:
    """Cut speech and its original to the samples that both have, at the same moments."""
    if voice == "original":
        return original, original
    return spoken[LEAD:], original[: len(original) - LEAD]

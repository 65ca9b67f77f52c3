# SPDX-License-Identifier: BSD-3-Clause
"""The cost of integers to LPCNet: cross-entropy of true speech, in floats and as on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from quantize import integer
from quantize.dsp.spectrum import EMPHASIS_FRAC, PREEMPHASIS
from quantize.errors import InputError
from quantize.features.floats import BANDS, lpc_from_cepstrum
from quantize.features.integers import FEATURE_FRAC
from quantize.networks.lpcnet import AFTER, BEFORE, LPC_ORDER, Lpcnet
from quantize.train.lpcnet.data import Batch
from quantize.train.lpcnet.loop import loss_of
from quantize.train.lpcnet.ops import teacher
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.quantise import quantise_lpcnet
from quantize.vocoder.lpcnet.speak import CONTEXT, LpcnetVoices
from quantize.vocoder.synthesis import FRAME, PAST

Recording = tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]
_LEAD: Final = FRAME // 2  # a frame is spoken so much before the samples that its features end with


@dataclass(frozen=True)
class Stretches:
    """True speech: features [rows, frames + 4, 20] and its samples [rows, 17 + 160 frames]."""

    features: npt.NDArray[np.float32]
    pcm: npt.NDArray[np.int16]

    @property
    def frames(self) -> int:
        return int(self.features.shape[1]) - BEFORE - AFTER


def draw(recordings: Sequence[Recording], rows: int, frames: int, seed: int = 2) -> Stretches:
    """Draw stretches from recordings: samples, and their features without delay."""
    usable = [r for r in recordings if len(r[1]) >= frames + BEFORE + AFTER + 1]
    if not usable:
        raise InputError(f"no recording has {frames + BEFORE + AFTER + 1} frames to score")
    rng = np.random.default_rng(seed)
    lengths = np.array([len(features) for _, features in usable], np.float64)
    told, heard = [], []
    for which in rng.choice(len(usable), rows, p=lengths / lengths.sum()):
        pcm, features = usable[which]
        first = int(rng.integers(BEFORE + 1, len(features) - frames - AFTER + 1))
        told.append(features[first - BEFORE : first + frames + AFTER])
        begin = first * FRAME - _LEAD
        heard.append(pcm[begin - PAST : begin + frames * FRAME])
    return Stretches(np.stack(told).astype(np.float32), np.stack(heard).astype(np.int16))


def float_nats(network: Lpcnet, speech: Stretches) -> float:
    """Return the float network's cross-entropy in nats a sample; rows are a multiple of 8."""
    rows, frames = len(speech.pcm), speech.frames
    samples = speech.pcm.astype(np.float32)
    signal = samples[:, 1:] - np.float32(PREEMPHASIS / 2**EMPHASIS_FRAC) * samples[:, :-1]
    said = speech.features[:, BEFORE : BEFORE + frames, :BANDS]
    lpc = lpc_from_cepstrum(said.reshape(-1, BANDS)).reshape(rows, frames, LPC_ORDER)
    silence = np.zeros((rows, frames * FRAME), np.int8)
    heard = teacher(signal, lpc.astype(np.float32), silence)
    with torch.no_grad():
        return float(loss_of(network, Batch(torch.from_numpy(speech.features), *heard)))


def integer_nats(model: LpcnetModel, speech: Stretches) -> float:
    """Return the integer voice's cross-entropy in nats a sample, with all samples known to it."""
    rows = len(speech.pcm)
    features = integer.to_fixed(speech.features, FEATURE_FRAC)
    pcm = speech.pcm.astype(np.int64)
    voices = LpcnetVoices(model, rows)
    voices.begin(features[:, :CONTEXT], pcm[:, :PAST])
    total = 0.0
    for t in range(speech.frames):
        chances = np.zeros((rows, FRAME, cells.BITS), np.int64)
        known = pcm[:, PAST + FRAME * t : PAST + FRAME * (t + 1)]
        voices.frame(features[:, CONTEXT + t], known, chances)
        total -= float(np.log(chances / 2.0**cells.DRAW_BITS).sum())
    return total / (rows * speech.frames * FRAME)


@dataclass(frozen=True)
class Losses:
    """Cross-entropies in nats a sample."""

    floats: float
    integers: float

    @property
    def cost_percent(self) -> float:
        """What integers add, in per cent of the float network's cross-entropy."""
        return 100 * (self.integers / self.floats - 1)


def compare(
    network: Lpcnet, recordings: Sequence[Recording], rows: int = 64, frames: int = 15
) -> Losses:
    """Score a float network and its quantised voice on the same true speech."""
    speech = draw(recordings, rows, frames)
    tensors = {name: tensor.numpy() for name, tensor in network.export().items()}
    model = quantise_lpcnet(tensors, {"name": "LPCNet"}, sharpness=1.0)
    return Losses(float_nats(network, speech), integer_nats(model, speech))

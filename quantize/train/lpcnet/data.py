# SPDX-License-Identifier: BSD-3-Clause
"""Prepared speech as batches for LPCNet: what it hears, what it should say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quantize.errors import InputError
from quantize.features.floats import BANDS, lpc_from_cepstrum
from quantize.networks.lpcnet import AFTER, BEFORE, FRAME, LPC_ORDER
from quantize.train.lpcnet.ops import teacher

_PREEMPHASIS = 0.85
_LEAD = FRAME // 2  # a frame's samples lie around the middle of its analysis window


class Batch(NamedTuple):
    """Input and answer of a training step."""

    features: Tensor  # [batch, frames + 4, 20]
    heard: Tensor  # uint8 [steps, batch, 3]: last sample, prediction, last excitation
    target: Tensor  # uint8 [steps, batch]: the excitation


class SpeechSampler:
    """Draws stretches of speech; the draw depends on the step alone."""

    def __init__(
        self, recordings: list[tuple[NDArray[np.int16], NDArray[np.float32]]], seed: int
    ) -> None:
        if not recordings:
            raise InputError("no speech to train on: run `dredkit train data` first")
        for pcm, features in recordings:
            if len(features) != len(pcm) // FRAME:
                raise InputError("features and samples differ in length: prepare the data again")
        self.recordings = recordings
        self.seed = seed
        lengths = np.array([len(features) for _, features in recordings], np.float64)
        self.share = lengths / lengths.sum()

    def batch(self, step: int, size: int, frames: int, noise: float = 3.0) -> Batch:
        """Return `size` stretches; `noise` is the most mu-law steps (rms) added to the signal."""
        rng = np.random.default_rng((self.seed, step))
        length = frames * FRAME
        features = np.empty((size, frames + BEFORE + AFTER, 20), np.float32)
        signal = np.empty((size, LPC_ORDER + length), np.float32)
        for row, which in enumerate(rng.choice(len(self.recordings), size, p=self.share)):
            pcm, known = self.recordings[which]
            if len(known) < frames + BEFORE + AFTER + 1:
                raise InputError(f"a recording is shorter than {frames} frames: drop it")
            first = int(rng.integers(BEFORE, len(known) - frames - AFTER + 1))
            features[row] = known[first - BEFORE : first + frames + AFTER]
            begin = first * FRAME - _LEAD - LPC_ORDER
            part = pcm[begin - 1 : begin + LPC_ORDER + length].astype(np.float32)
            signal[row] = part[1:] - np.float32(_PREEMPHASIS) * part[:-1]
        said = features[:, BEFORE : BEFORE + frames, :BANDS]
        lpc = lpc_from_cepstrum(said.reshape(-1, BANDS)).astype(np.float32)
        deviation = noise * rng.random((size, 1), np.float32) ** 2
        hiss = np.rint(deviation * rng.standard_normal((size, length), np.float32))
        heard = teacher(
            signal, lpc.reshape(size, frames, LPC_ORDER), np.clip(hiss, -60, 60).astype(np.int8)
        )
        return Batch(torch.from_numpy(features), *heard)

# SPDX-License-Identifier: BSD-3-Clause
"""Gaps cut from speech: what a receiver knows before a gap, and what the gap should have been."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quantize.dsp.spectrum import CEPSTRUM_FRAC
from quantize.errors import InputError
from quantize.features.floats import FEATURES, FRAME
from quantize.nn.topologies import PREDICTOR_INPUTS
from quantize.plc import burg
from quantize.plc.heard import KNOWN

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]
Recording = tuple[I16, F32]  # samples and features, a row each 10 ms

LOST: Final = 24  # most frames of a gap; the voice has faded out by then
# Lengths of losses in packets of 20 ms, as mixtures of geometric ones (share, mean): fitted to the
# loss generator of libopus at 20 %.
BURSTS: Final = ((0.90, 1.4), (0.10, 6.2))
DECODED_SHARE: Final = 0.25  # of gaps that begin with frames whose features a payload gave
DECODED_MOST: Final = 12  # such frames at most
HEARD, DECODED = 1.0, -1.0  # the flag of a known frame


class Batch(NamedTuple):
    """Gaps: inputs [batch, 5 + LOST, 57], features [.., 20], and 1 where a frame is lost [..]."""

    inputs: Tensor
    features: Tensor
    lost: Tensor


class Gaps:
    """Draws gaps from recordings; the draw depends on the step alone."""

    def __init__(self, recordings: list[Recording], seed: int) -> None:
        self.frames = KNOWN + LOST
        self.recordings = [r for r in recordings if len(r[1]) > self.frames + 1]
        if not self.recordings:
            raise InputError(f"no recording is as long as {self.frames + 2} frames: give more")
        self.seed = seed
        room = np.array([len(r[1]) for r in self.recordings], np.float64)
        self.share = room / room.sum()

    def batch(self, step: int, size: int) -> Batch:
        """Return `size` gaps: the same for the same step in every run."""
        rng = np.random.default_rng((self.seed, step))
        known = np.empty((size, KNOWN, FRAME), np.int64)
        features = np.empty((size, self.frames, FEATURES), np.float32)
        for row, which in enumerate(rng.choice(len(self.recordings), size, p=self.share)):
            pcm, own = self.recordings[which]
            start = int(rng.integers(len(own) - self.frames))
            features[row] = own[start : start + self.frames]
            known[row] = pcm[start * FRAME :][: KNOWN * FRAME].reshape(KNOWN, FRAME)
        inputs = np.zeros((size, self.frames, PREDICTOR_INPUTS), np.float32)
        cepstra = burg.cepstra(known.reshape(-1, FRAME)) / 2.0**CEPSTRUM_FRAC
        inputs[:, :KNOWN, : burg.CEPSTRA] = cepstra.reshape(size, KNOWN, -1)
        inputs[:, :KNOWN, burg.CEPSTRA : -1] = features[:, :KNOWN]
        inputs[:, :KNOWN, -1] = HEARD
        lost = self._lose(rng, inputs, features)
        return Batch(*(torch.from_numpy(part) for part in (inputs, features, lost)))

    def _lose(self, rng: np.random.Generator, inputs: F32, features: F32) -> F32:
        """Give some gaps decoded frames at their beginning; return which frames are lost."""
        size = len(inputs)
        decoded = rng.integers(1, DECODED_MOST + 1, size) * (rng.random(size) < DECODED_SHARE)
        shares, means = (np.array(column) for column in zip(*BURSTS, strict=True))
        mean = means[rng.choice(len(BURSTS), size, p=shares)]
        length = decoded + 2 * rng.geometric(1 / mean)
        place = np.arange(self.frames) - KNOWN
        given = (place >= 0) & (place < decoded[:, None])
        inputs[given, burg.CEPSTRA : -1] = features[given]
        inputs[given, -1] = DECODED
        lost = (place >= decoded[:, None]) & (place < length[:, None])
        return lost.astype(np.float32)

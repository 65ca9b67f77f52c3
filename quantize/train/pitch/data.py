# SPDX-License-Identifier: BSD-3-Clause
"""Speech for the pitch network: it hears disturbed audio, the tracker labels the clean audio."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from torch import Tensor

from quantize.errors import InputError
from quantize.features.floats import CORRELATION, FRAME, PITCH
from quantize.features.pitch_inputs import IF_FEATURES, LAGS, RUN_IN, pitch_inputs
from quantize.features.pitch_track import CLASSES

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]
Recording = tuple[I16, F32]  # samples, and features [frames, 20] without delay

_FARTHEST = 0.35  # octaves that a stretch may be played faster or slower
_SURE = 0.01  # weight that even a voiceless frame has


class Stretch(NamedTuple):
    """Inputs and answer of some frames, in few bytes because many are kept in memory."""

    if_features: NDArray[np.int8]  # [frames, 88], units of 1/127 as the integer network has them
    xcorr: NDArray[np.float16]  # [frames, 224]
    place: F32  # [frames]: the class, 0..179, with its fraction
    weight: F32  # [frames]: how much the frame counts


class Batch(NamedTuple):
    """Some stretches side by side, float32 tensors [batch, frames, ...]."""

    if_features: Tensor
    xcorr: Tensor
    place: Tensor
    weight: Tensor


class Stretches:
    """A pool of `count` random stretches, each made when first asked for, drawn by step.

    What a step sees depends on the seed and the step alone.
    """

    def __init__(self, recordings: list[Recording], frames: int, count: int, seed: int) -> None:
        longest = _source_frames(frames, 2**_FARTHEST)
        self.recordings = [r for r in recordings if len(r[1]) > longest]
        if not self.recordings:
            raise InputError(f"no recording is as long as {longest + 1} frames: give more speech")
        self.frames = frames
        self.count = count
        self.seed = seed
        lengths = np.array([len(features) for _, features in self.recordings], np.float64)
        self.share = lengths / lengths.sum()
        self._made: dict[int, Stretch] = {}

    def batch(self, step: int, size: int) -> Batch:
        """Return the `size` stretches of a training step."""
        drawn = np.random.default_rng((self.seed, 0, step)).integers(self.count, size=size)
        parts = [self.stretch(int(index)) for index in drawn]
        low, xcorr, place, weight = (np.stack(part) for part in zip(*parts, strict=True))
        floats = (low / np.float32(127), xcorr.astype(np.float32), place, weight)
        return Batch(*(torch.from_numpy(array) for array in floats))

    def stretch(self, index: int) -> Stretch:
        """Return one stretch of the pool."""
        if index not in self._made:
            self._made[index] = self._make(np.random.default_rng((self.seed, 1, index)))
        return self._made[index]

    def _make(self, rng: np.random.Generator) -> Stretch:
        pcm, features = self.recordings[rng.choice(len(self.recordings), p=self.share)]
        shift = rng.uniform(-_FARTHEST, _FARTHEST) if rng.random() < 0.5 else 0.0
        speed = 2.0**shift
        length = _source_frames(self.frames, speed)
        first = int(rng.integers(len(features) - length))
        part = pcm[first * FRAME : (first + length) * FRAME].astype(np.float64)
        if shift:
            part = soxr.resample(part, 16000.0 * speed, 16000.0)
        disturbed = disturb(part[: (RUN_IN + self.frames) * FRAME], rng)
        inputs = pitch_inputs(disturbed, delay=0)
        # Frame t is centred on sample 160 t, so at another speed it answers frame t * speed.
        at = first + np.rint((RUN_IN + np.arange(self.frames)) * speed).astype(np.int64)
        place = 60 * (features[at, PITCH] + 1.5 + shift)
        weight = np.clip(features[at, CORRELATION] + 0.5, 0, 1) ** 2 + _SURE
        weight *= (place >= 0) & (place <= CLASSES - 1)
        low = np.rint(127 * inputs.if_features[RUN_IN:]).astype(np.int8)
        xcorr = inputs.xcorr[RUN_IN:].astype(np.float16)
        assert low.shape[1] == IF_FEATURES
        assert xcorr.shape[1] == LAGS
        return Stretch(low, xcorr, place.astype(np.float32), weight.astype(np.float32))


def _source_frames(frames: int, speed: float) -> int:
    """Return how many recorded frames a stretch at a speed takes, its run-in included."""
    return int(np.ceil((RUN_IN + frames) * speed)) + 2


def disturb(samples: NDArray[np.float64], rng: np.random.Generator) -> I16:
    """Return samples (int16 scale) with a gain, tilt, low end and noise drawn from `rng`."""
    filtered, tilted, quiet, noisy = rng.random(4) < (0.15, 0.4, 0.5, 0.6)
    cut, zero, pole, gain = rng.uniform((80, -0.3, -0.3, -25), (350, 0.3, 0.3, 6))
    snr, colour = rng.uniform((0, -0.5), (40, 0.95))
    hiss = lfilter([1], [1, -colour], rng.standard_normal(len(samples)))
    if filtered:  # a telephone or a small microphone: the fundamental is faint
        slow = np.exp(-2 * np.pi * cut / 16000)
        samples = lfilter([1, -2, 1], np.convolve([1, -slow], [1, -slow]), samples)
    if tilted:
        samples = lfilter([1, zero], [1, pole], samples)
    if noisy:
        level = np.sqrt((samples**2).mean() / (hiss**2).mean()) * 10 ** (-snr / 20)
        samples = samples + level * hiss
    if quiet:
        samples = samples * 10 ** (gain / 20)
    return np.asarray(np.clip(np.rint(samples), -32768, 32767), np.int16)

# SPDX-License-Identifier: BSD-3-Clause
"""Clean speech as a far microphone hears it: a room, noise, a narrower band, another level.

Rooms and noises are drawn, not recorded: a decaying tail of noise after the direct sound, and
noise with a random spectrum. Both are enough to teach a coder of features what they do to those.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE: Final = 16000  # Hz
REVERBERATION: Final = (0.12, 0.7)  # seconds until the tail has fallen by 60 dB
DIRECT: Final = (-3.0, 14.0)  # dB of the direct sound over the tail
SNR: Final = (3.0, 35.0)  # dB
CUTOFFS: Final = (3400.0, 5500.0, 7000.0)  # Hz, of a narrower band
LEVEL: Final = (-25.0, 3.0)  # dB

F64 = NDArray[np.float64]


def far(pcm: NDArray[np.int16], seed: int) -> NDArray[np.int16]:
    """Return int16 speech in a room, with noise, in a band and at a level drawn from `seed`.

    Two of three clips get a room, three of four noise, one of four a narrower band.
    """
    rng = np.random.default_rng(seed)
    sound = pcm.astype(np.float64)
    if rng.random() < 2 / 3:
        sound = _room(sound, rng)
    if rng.random() < 3 / 4:
        sound = sound + _noise(sound, rng)
    if rng.random() < 1 / 4:
        band = butter(4, float(rng.choice(CUTOFFS)), "low", fs=RATE, output="sos")
        sound = np.asarray(sosfilt(band, sound))
    sound = sound * 10 ** (rng.uniform(*LEVEL) / 20)
    return np.asarray(np.clip(np.rint(sound), -32768, 32767), np.int16)


def _room(sound: F64, rng: np.random.Generator) -> F64:
    """Add the tail of a room; the direct sound keeps its place and level."""
    time = rng.uniform(*REVERBERATION)
    at = np.arange(1, int(time * RATE)) / RATE
    tail = rng.standard_normal(len(at)) * 10 ** (-3 * at / time)
    share = 10 ** (-rng.uniform(*DIRECT) / 20)
    response = np.concatenate([[1.0], tail * share / np.sqrt(np.square(tail).sum())])
    return np.asarray(fftconvolve(sound, response)[: len(sound)])


def _noise(sound: F64, rng: np.random.Generator) -> F64:
    """Return noise of a random, mostly falling spectrum at a random distance below the speech."""
    pole = rng.uniform(-0.3, 0.98)
    made = np.asarray(lfilter([1.0], [1.0, -pole], rng.standard_normal(len(sound))))
    distance = 10 ** (-rng.uniform(*SNR) / 20)
    return made * distance * _rms(sound) / max(_rms(made), 1e-9)


def _rms(sound: F64) -> float:
    return float(np.sqrt(np.square(sound).mean())) if len(sound) else 0.0

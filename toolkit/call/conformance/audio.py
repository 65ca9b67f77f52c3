# SPDX-License-Identifier: BSD-3-Clause
"""Measure how far speech is from the original, as libopus' test of conformance does.

Both are compared as masked loudness spectra (a window of 40 ms every 10 ms, spread over frequency
and time as hearing masks it) and by their periodicity at the original's pitch. The three numbers
are: the mean loudness error that stresses bad frames, the same with a far higher stress, in percent
of the loudness, and the mean difference of the correlation at the pitch in voiced frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from quantize.errors import InputError

Floats = npt.NDArray[np.float64]

RATE: Final = 16000
WINDOW: Final = 640
HOP: Final = 160
BINS: Final = WINDOW // 2
_EDGES: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 272, 320)
_LOUDNESS: Final = 0.2  # exponent that turns power into loudness
_RANGE: Final = 1e-8  # 80 dB within a frame
_AFTER, _BEFORE = 0.5, 0.1  # how much of a frame masks the next one, and the one before
_LAG_MIN, _LAG_MAX, _PERIODS = 32, 256, 320  # samples
_VOICED: Final = 0.7


@dataclass(frozen=True)
class AudioErrors:
    """The three numbers; `pitch` is 0 if no frame of the original is voiced."""

    err4: float
    err16: float
    pitch: float

    def within(self, limits: AudioErrors) -> bool:
        """Return whether none of the three is above its limit."""
        return (
            self.err4 <= limits.err4 and self.err16 <= limits.err16 and self.pitch <= limits.pitch
        )


VOICE_LIMITS: Final = AudioErrors(0.25, 1.0, 0.15)
SYSTEM_LIMITS: Final = AudioErrors(1.0, 3.0, 0.25)


def compare_audio(original: npt.NDArray[np.int16], got: npt.NDArray[np.int16]) -> AudioErrors:
    """Compare int16 PCM at 16 kHz; what `got` has beyond the original's end does not count.

    Raises InputError if `got` is shorter than the original, or the original than 60 ms.
    """
    if len(got) < len(original):
        raise InputError(f"{len(got)} samples where the reference has {len(original)}")
    if len(original) < WINDOW + 2 * HOP:
        raise InputError(f"{len(original)} samples: too few to compare")
    x, y = (_high_passed(pcm[: len(original)]) for pcm in (original, got))
    err4, err16 = _loudness_errors(_spectrum(x), _spectrum(y))
    return AudioErrors(err4, err16, _pitch_error(x, y))


def _high_passed(pcm: npt.NDArray[np.int16]) -> Floats:
    found: Floats = lfilter([1.0, -2.0, 1.0], [1.0, -1.97354, 0.97417], pcm.astype(np.float64))
    return found


def _frames(signal: Floats) -> Floats:
    """Return windows [frames, WINDOW], one every HOP samples."""
    return np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]


def _spectrum(signal: Floats) -> Floats:
    """Return power spectra [frames, BINS]."""
    place = 2 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW
    factors = (0.35875, -0.48829, 0.14128, -0.01168)  # Blackman and Harris
    window = sum(factor * np.cos(k * place) for k, factor in enumerate(factors))
    return np.abs(np.fft.rfft(_frames(signal) * window)[:, :BINS]) ** 2 + 0.1


def _decays() -> tuple[Floats, Floats]:
    """Return by how much masking falls from a bin to the next lower, and the next higher one."""
    step = RATE / (2 * BINS)
    hertz = np.arange(BINS) * step
    barks = 8.288e-8 * hertz / (3.4225e-16 * hertz**4 + 1)  # in a Hz
    barks += 0.009694 / (5.476e-7 * hertz**2 + 1) + 1e-4
    return 0.0031623 ** (barks * step), 0.1 ** (barks * step)


def _spread(power: Floats, down: Floats, up: Floats) -> Floats:
    """Return spectra [..., BINS] with what each bin masks above and below itself."""
    found = power.copy()
    for k in range(1, BINS):
        found[..., k] += up[k] * found[..., k - 1]
    for k in range(BINS - 2, -1, -1):
        found[..., k] += down[k] * found[..., k + 1]
    return found


def _masked(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    down, up = _decays()
    scale = 1 / _spread(np.ones(BINS), down, up)
    x, y = _spread(x, down, up) * scale, _spread(y, down, up) * scale
    floor = _RANGE * x.max(axis=1, keepdims=True)
    x, y = np.maximum(x, floor), np.maximum(y, floor)
    for spectra in (x, y):
        for i in range(1, len(spectra)):
            spectra[i] += _AFTER * spectra[i - 1]
        for i in range(len(spectra) - 3, -1, -1):
            spectra[i] += _BEFORE * spectra[i + 1]
    return x, y


def _in_bands(values: Floats) -> Floats:
    """Return the means over the bins of each band, divided by its width: [frames, bands]."""
    widths = np.diff(_EDGES)
    return np.asarray(np.add.reduceat(values, _EDGES[:-1], axis=1) / widths**2)


def _loudness_errors(x: Floats, y: Floats) -> tuple[float, float]:
    x, y = _masked(x, y)
    quiet = 0.1 / (0.15**2 + (np.arange(BINS) * np.pi / 960) ** 2)
    error = _in_bands(((y + quiet) ** _LOUDNESS - (x + quiet) ** _LOUDNESS) ** 2)
    loud = _in_bands(((y + 10 * quiet) ** _LOUDNESS - (x + 10 * quiet) ** _LOUDNESS) ** 2)
    whole = _in_bands((x + quiet) ** (2 * _LOUDNESS)).mean(axis=1).sum()
    by_4 = (error.mean(axis=1) ** 2).mean() ** (1 / 4)
    by_16 = (((loud**2).mean(axis=1) ** 2) ** 2).mean() ** (1 / 16)
    return float(100 * by_4 / np.sqrt(whole)), float(100 * by_16 / np.sqrt(whole))


def _correlations(signal: Floats, at: int) -> Floats:
    """Return the correlation of 20 ms from sample `at` on with each lag up to _LAG_MAX."""
    flat = signal[at - _LAG_MAX - 1 : at + _PERIODS]
    flat = flat[1:] - 0.8 * flat[:-1]
    rows = np.lib.stride_tricks.sliding_window_view(flat, _PERIODS)[::-1]  # by lag
    now = rows[0]
    return np.asarray(rows @ now / np.sqrt((now @ now) * (rows**2).sum(axis=1) + _PERIODS))


def _pitch_error(x: Floats, y: Floats) -> float:
    count = 1 + (len(x) - WINDOW) // HOP
    errors = []
    for frame in range(2, count - 2):
        own, other = (_correlations(signal, frame * HOP) for signal in (x, y))
        lag = _LAG_MIN + int(own[_LAG_MIN:].argmax())
        if own[lag] > _VOICED:
            errors.append(abs(own[lag] - other[lag]))
    return float(np.mean(errors)) if errors else 0.0

# SPDX-License-Identifier: BSD-3-Clause
"""The inputs of the pitch network in float64 (docs/FORMAT.md, section 5, steps 6 and 7).

Instantaneous frequency says how the phase of each low bin moved since the frame before. The cross
correlation says how similar the LPC residual is to its past, 256 to 33 samples ago.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantize.features.floats import (
    FRAME,
    MAX_PERIOD,
    UPSTREAM_DELAY,
    WINDOW,
    band_energies,
    cepstrum,
    emphasise,
    lpc_from_cepstrum,
    residual,
)

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

LAGS = 224
IF_BINS = 30  # of 50 Hz; the lowest one gives only its power
IF_FEATURES = 3 * IF_BINS - 2
RUN_IN = 4  # frames after which the inputs no longer show where a signal was cut
_BLOCK = 8192  # frames at once


class PitchInputs(NamedTuple):
    """Inputs of the pitch network, float32, within -1..1."""

    if_features: F32  # [frames, 88]
    xcorr: F32  # [frames, 224]: lag 256 first


def if_features(emphasised: F64) -> F64:
    """Return [frames, 88] of a pre-emphasised signal of whole frames.

    The log power of bin 0, then cosine and sine of the phase advance and log power of each bin.
    """
    frames = len(emphasised) // FRAME
    halves = np.concatenate([np.zeros(FRAME), emphasised]).reshape(frames + 1, FRAME)
    spectrum = np.empty((frames, IF_BINS), np.complex128)
    for start in range(0, frames, _BLOCK):
        stop = min(frames, start + _BLOCK)
        block = np.concatenate([halves[start:stop], halves[start + 1 : stop + 1]], axis=1)
        spectrum[start:stop] = np.fft.rfft(block * WINDOW, axis=1)[:, :IF_BINS] / (2 * FRAME)
    power = spectrum.real**2 + spectrum.imag**2
    advance = spectrum.copy()
    advance[0] = 0
    advance[1:] *= spectrum[:-1].conj()
    advance /= np.sqrt(1e-15 + advance.real**2 + advance.imag**2)
    result = np.empty((frames, IF_FEATURES))
    result[:, 0::3] = np.clip((10 * np.log10(1e-15 + power) - 6) / 64, -1, 1)
    result[:, 1::3] = advance.real[:, 1:]
    result[:, 2::3] = advance.imag[:, 1:]
    return result


def xcorr_features(excitation: F64) -> F64:
    """Return [frames, 224] of the LPC residual, lag 256 first: normalised, within -1..1."""
    frames = len(excitation) // FRAME
    smooth = excitation.copy()
    smooth[1:] += 0.7 * excitation[:-1]
    padded = np.concatenate([np.zeros(MAX_PERIOD), smooth])
    result = np.empty((frames, LAGS))
    for start in range(0, frames, _BLOCK):
        first = np.arange(start, min(frames, start + _BLOCK))[:, None] * FRAME
        past = padded[first + np.arange(MAX_PERIOD + FRAME)]
        now = past[:, MAX_PERIOD:]
        # The circular correlation of 512 points does not wrap for the offsets kept.
        spectrum = np.fft.rfft(past, 512, axis=1) * np.fft.rfft(now, 512, axis=1).conj()
        cross = np.fft.irfft(spectrum, 512, axis=1)[:, :LAGS]
        sums = np.cumsum(np.pad(past**2, ((0, 0), (1, 0))), axis=1)
        energy = sums[:, FRAME : FRAME + LAGS] - sums[:, :LAGS]
        energy += (now**2).sum(axis=1)[:, None]
        result[start : start + len(first)] = 2 * cross / (1 + energy)
    return result


def pitch_inputs(pcm: NDArray[np.generic], delay: int = UPSTREAM_DELAY) -> PitchInputs:
    """Return the inputs for each frame of one channel at 16 kHz; `delay` as in floats.extract.

    Raises InputError for audio that is not a usable signal or is shorter than a frame.
    """
    emphasised = emphasise(pcm, delay)
    lpc = lpc_from_cepstrum(cepstrum(band_energies(emphasised)))
    return PitchInputs(
        if_features(emphasised).astype(np.float32),
        xcorr_features(residual(emphasised, lpc)).astype(np.float32),
    )

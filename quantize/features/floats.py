# SPDX-License-Identifier: BSD-3-Clause
"""Extract features in floats: 20 numbers per 10 ms, as libopus 1.6 defines them for DRED.

They are 18 cepstral coefficients, a pitch feature and a voicing correlation. "Step" means a step of
docs/FORMAT.md, section 5. Everything is vectorised over frames, so an hour of speech takes about a
minute. The pitch does not come from the pitch network, but from the normalised correlation of the
LPC residual, which quantize.features.pitch_track tracks over time.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import ellip, lfilter

from quantize.errors import InputError
from quantize.features.pitch_track import pitch_scores, track

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

SAMPLE_RATE = 16000
FRAME = 160  # samples per feature frame: 10 ms
BANDS = 18
FEATURES = 20
PITCH = 18  # column of the pitch feature, log2(256 / period) - 1.5
CORRELATION = 19  # column of the voicing correlation
MIN_PERIOD, MAX_PERIOD = 32, 256
UPSTREAM_DELAY = 11  # zeros that libopus puts before a 16 kHz signal (its resampler delay)

_PREEMPHASIS = 0.85
_LPC_ORDER = 16
# Band edges in bins of the 320-point FFT (50 Hz each); the triangles overlap by half.
_EDGES = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 34, 40]) * 4
_BLOCK = 16384  # frames at once, which bounds memory at about 100 MB


def _band_matrix() -> F64:
    """Return the [161, 18] triangular band weights, the two end bands doubled."""
    bank = np.zeros((FRAME + 1, BANDS))
    for band, (low, high) in enumerate(pairwise(_EDGES)):
        rise = np.arange(high - low) / (high - low)
        bank[low:high, band] += 1 - rise
        bank[low:high, band + 1] += rise
    bank[:, [0, -1]] *= 2
    return bank


def _window() -> F64:
    half = np.sin(0.5 * np.pi * np.sin(0.5 * np.pi * (np.arange(FRAME) + 0.5) / FRAME) ** 2)
    return np.concatenate([half, half[::-1]])


def _dct_matrix() -> F64:
    """Return the orthonormal DCT-II as [bands, coefficients]."""
    n = np.arange(BANDS)
    matrix = np.sqrt(2 / BANDS) * np.cos((n[:, None] + 0.5) * n[None] * np.pi / BANDS)
    matrix[:, 0] *= np.sqrt(0.5)
    return np.asarray(matrix)


_BANK = _band_matrix()
WINDOW = _window()
DCT = _dct_matrix()


def pitch_period(pitch: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the period in samples at 16 kHz (32..256) that a pitch feature stands for."""
    period = np.floor(0.5 + 256 / 2.0 ** (np.asarray(pitch, np.float64) + 1.5)).astype(np.int64)
    return np.clip(period, MIN_PERIOD, MAX_PERIOD)


def as_samples(pcm: NDArray[np.generic]) -> F64:
    """Return PCM as float64 in int16 scale.

    Integers keep their values; floats have a full scale of +-1.0.
    Raises InputError for anything that is not one finite channel of samples.
    """
    array = np.asarray(pcm)
    if array.ndim != 1:
        raise InputError(f"audio has shape {array.shape}: give one channel of samples")
    if np.issubdtype(array.dtype, np.floating):
        samples = array.astype(np.float64) * 32768.0
        if not np.isfinite(samples).all():
            raise InputError("audio holds NaN or infinite samples: decode it again")
        return samples
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"audio of type {array.dtype}: give int16 or float samples")
    return array.astype(np.float64)


def band_energies(emphasised: F64) -> F64:
    """Compute steps 2 and 3: energies [frames, 18] of a pre-emphasised signal of whole frames."""
    frames = len(emphasised) // FRAME
    padded = np.concatenate([np.zeros(FRAME), emphasised])
    halves = padded.reshape(frames + 1, FRAME)
    energies = np.empty((frames, BANDS))
    for start in range(0, frames, _BLOCK):
        stop = min(frames, start + _BLOCK)
        block = np.concatenate([halves[start:stop], halves[start + 1 : stop + 1]], axis=1)
        spectrum = np.fft.rfft(block * WINDOW, axis=1) / (2 * FRAME)
        energies[start:stop] = (spectrum.real**2 + spectrum.imag**2) @ _BANK
    return energies


def cepstrum(energies: F64) -> F64:
    """Compute step 4: the DCT of log energies over a running floor; both are [frames, 18]."""
    logs = np.log10(0.01 + energies)
    peak = np.full(len(logs), -2.0)
    follow = peak.copy()
    for band in range(BANDS):
        value = np.maximum(peak - 8, np.maximum(follow - 2.5, logs[:, band]))
        peak = np.maximum(peak, value)
        follow = np.maximum(follow - 2.5, value)
        logs[:, band] = value
    result = logs @ DCT
    result[:, 0] -= 4
    return np.asarray(result)


def lpc_from_cepstrum(cepstra: NDArray[np.floating]) -> F64:
    """Compute step 5: coefficients [frames, 16]; the residual is y[n] + sum a_k y[n-k]."""
    cepstra = np.array(cepstra, np.float64)
    cepstra[:, 0] += 4
    # Each band holds the sum over its triangle; dividing by the weight gives a density.
    density = 10.0 ** (cepstra @ DCT.T) * (4 / _BANK.sum(axis=0))
    rise = np.zeros((BANDS, FRAME + 1))
    for band, (low, high) in enumerate(pairwise(_EDGES)):
        step = np.arange(high - low) / (high - low)
        rise[band, low:high] += 1 - step
        rise[band + 1, low:high] += step
    lag = np.arange(_LPC_ORDER + 1)
    # The inverse FFT of a real, even spectrum, only for the lags that are needed.
    cosines = np.cos(2 * np.pi * np.arange(FRAME + 1)[:, None] * lag / (2 * FRAME))
    cosines[1:FRAME] *= 2
    correlation = density @ (rise @ cosines)
    correlation[:, 0] += correlation[:, 0] * 1e-4 + 26 / 38
    correlation *= 1 - 6e-5 * lag**2
    return _levinson(correlation)


def _levinson(correlation: F64) -> F64:
    """Solve for the predictor of each row; a row stops when its gain reaches 30 dB."""
    frames = len(correlation)
    lpc = np.zeros((frames, _LPC_ORDER))
    error = correlation[:, 0].copy()
    alive = error > 0
    for order in range(_LPC_ORDER):
        acc = correlation[:, order + 1].copy()
        if order:
            acc += (lpc[:, :order] * correlation[:, order:0:-1]).sum(axis=1)
        reflection = np.where(alive, -acc / np.where(error > 0, error, 1), 0.0)
        lpc[:, order] = reflection
        if order:
            lpc[:, :order] += reflection[:, None] * lpc[:, order - 1 :: -1][:, :order]
        error = error * (1 - reflection**2)
        alive &= error > 0.001 * correlation[:, 0]
    return lpc


def residual(emphasised: F64, lpc: F64) -> F64:
    """Compute the residual of step 6, 80 samples before each frame of a signal: [frames * 160]."""
    frames = len(lpc)
    lead = FRAME // 2 + _LPC_ORDER
    padded = np.concatenate([np.zeros(lead), emphasised])
    result = np.empty((frames, FRAME))
    for start in range(0, frames, _BLOCK):
        stop = min(frames, start + _BLOCK)
        first = _LPC_ORDER + start * FRAME
        length = (stop - start) * FRAME
        block = padded[first : first + length].reshape(-1, FRAME).copy()
        for k in range(_LPC_ORDER):
            past = padded[first - k - 1 : first - k - 1 + length].reshape(-1, FRAME)
            block += lpc[start:stop, k : k + 1] * past
        result[start:stop] = block
    return result.reshape(-1)


def _correlation(excitation: F64, period: NDArray[np.int64]) -> F64:
    """Compute step 9: each frame's correlation feature, from the low-passed residual and period."""
    frames = len(period)
    padded = np.concatenate([np.zeros(MAX_PERIOD), excitation])
    feature = np.empty(frames)
    for start in range(0, frames, _BLOCK):
        index = np.arange(start, min(frames, start + _BLOCK))
        at = MAX_PERIOD + index[:, None] * FRAME + np.arange(FRAME)
        now = padded[at]
        before = padded[at - period[index][:, None]]
        cross = (now * before).sum(axis=1)
        energy = (now**2).sum(axis=1) * (before**2).sum(axis=1)
        feature[index] = cross / np.sqrt(1 + energy)
    return np.asarray(np.log1p(np.exp(5 * feature)) / np.log1p(np.exp(5.0)) - 0.5)


def emphasise(pcm: NDArray[np.generic], delay: int) -> F64:
    """Compute step 1: the signal after `delay` zeros, cut to whole frames and pre-emphasised."""
    samples = as_samples(pcm)
    frames = len(samples) // FRAME
    if frames == 0:
        raise InputError(f"audio of {len(samples)} samples is shorter than one 10 ms frame")
    samples = np.concatenate([np.zeros(delay), samples])[: frames * FRAME]
    emphasised = samples.copy()
    emphasised[1:] -= _PREEMPHASIS * samples[:-1]
    return emphasised


def _voicing_of(excitation: F64, pitch: NDArray[np.floating]) -> F64:
    # A second-order elliptic low-pass at 1.2 kHz: 2 dB ripple, 20 dB down.
    numerator, denominator = ellip(2, 2, 20, 1200, fs=SAMPLE_RATE)
    low = lfilter(numerator / numerator[0], denominator, excitation)
    return _correlation(low, pitch_period(pitch))


def voicing(
    pcm: NDArray[np.generic], pitch: NDArray[np.floating], delay: int = UPSTREAM_DELAY
) -> F64:
    """Return the correlation feature [frames] of a signal for a given pitch feature [frames]."""
    emphasised = emphasise(pcm, delay)
    cepstra = cepstrum(band_energies(emphasised))
    return _voicing_of(residual(emphasised, lpc_from_cepstrum(cepstra)), pitch)


def extract(pcm: NDArray[np.generic], delay: int = UPSTREAM_DELAY) -> F32:
    """Return the features [len(pcm) // 160, 20] float32 of one channel at 16 kHz.

    `delay` zeros precede the signal: 11 in libopus; 0 keeps frames and samples aligned. Raises
    InputError for audio that is not a usable signal or is shorter than a frame.
    """
    emphasised = emphasise(pcm, delay)
    features = np.empty((len(emphasised) // FRAME, FEATURES), np.float32)
    cepstra = cepstrum(band_energies(emphasised))
    features[:, :BANDS] = cepstra
    excitation = residual(emphasised, lpc_from_cepstrum(cepstra))
    features[:, PITCH] = track(pitch_scores(excitation))
    features[:, CORRELATION] = _voicing_of(excitation, features[:, PITCH])
    return features

# SPDX-License-Identifier: BSD-3-Clause
"""The features of DRED in integers: 20 int16 per 10 ms, around a pitch network.

`analyse` gives what the pitch network takes; its scores go into `finish`. Both work on a whole
signal from rest; firmware/dredkit/features/features.c does the same frame by frame, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.dsp import correlation, lpc, spectrum
from quantize.dsp.scalar import Ints, rounded, saturate
from quantize.errors import InputError
from quantize.features import pitch

FRAME: Final = spectrum.FRAME
FEATURES: Final = 20
FEATURE_FRAC: Final = 10  # fraction bits of the features unless a model asks for others
_STRADDLE: Final = FRAME // 2  # the pitch path works that many samples before the frame


@dataclass(frozen=True)
class Analysis:
    """What is known of a signal's frames before the pitch network has run."""

    cepstrum: Ints  # [frames, 18] Q20
    phases: Ints  # [frames, 88] Q15 int16: the network's IF features
    lags: Ints  # [frames, 224] Q15 int16: the network's cross-correlations
    low: Ints  # [256 + frames * 160] Q10 int32: low-passed residual after 256 zeros


def _windows(signal: Ints, past: int, size: int, frames: int) -> Ints:
    """Overlapping rows [frames, size], row t from `past` samples before frame t; zeros before."""
    padded = np.concatenate([np.zeros(past, np.int64), signal])
    rows = np.lib.stride_tricks.sliding_window_view(padded, size)[::FRAME]
    return np.asarray(rows[:frames])


def analyse(pcm: npt.NDArray[np.integer]) -> Analysis:
    """All but the pitch of int16 PCM at 16 kHz; samples past the last whole frame are dropped.

    libopus puts 11 zeros before the signal (quantize.codec.sender does); this does not.
    Raises InputError for anything but one channel of int16, one frame at least.
    """
    if pcm.ndim != 1 or pcm.dtype != np.int16:
        raise InputError(f"PCM of shape {pcm.shape}, type {pcm.dtype}: give one channel of int16")
    frames = len(pcm) // FRAME
    if frames == 0:
        raise InputError(f"PCM of {len(pcm)} samples is shorter than one 10 ms frame")
    samples = pcm[: frames * FRAME].astype(np.int64)
    both = _windows(samples, FRAME + 1, 2 * FRAME + 1, frames)
    re, im, scale = spectrum.spectrum(spectrum.emphasise(both[:, 1:], both[:, :1]))
    logs = spectrum.band_logs(re, im, scale)
    predictor = lpc.levinson(lpc.autocorrelation(logs))
    reach = lpc.TAPS - 1
    residual = lpc.residual(_windows(samples, _STRADDLE + reach, FRAME + reach, frames), predictor)
    before = np.concatenate([np.zeros((1, 1), np.int64), residual[:-1, -1:]])
    excitation = correlation.excitation(residual, before).reshape(-1)
    span = _windows(excitation, correlation.MAX_PERIOD, correlation.SPAN, frames)
    low = correlation.lowpass(residual.reshape(-1))
    return Analysis(
        cepstrum=spectrum.cepstrum(logs),
        phases=spectrum.phase_features(re, im, scale),
        lags=correlation.lag_features(span),
        low=np.concatenate([np.zeros(correlation.MAX_PERIOD, np.int64), low]),
    )


def finish(analysis: Analysis, scores: Ints, scores_frac: int, frac: int = FEATURE_FRAC) -> Ints:
    """Features [frames, 20] int16 with `frac` bits from the pitch network's [frames, >=180]."""
    octaves = pitch.pitch(scores[:, : pitch.CLASSES], scores_frac)
    return features_at(analysis, octaves, frac)


def features_at(analysis: Analysis, octaves: Ints, frac: int = FEATURE_FRAC) -> Ints:
    """Features [frames, 20] of a known pitch: octaves below a period of 256 samples, Q20."""
    frames = len(analysis.cepstrum)
    start = correlation.MAX_PERIOD + FRAME * np.arange(frames)[:, None]
    at = start + np.arange(FRAME)
    past = at - pitch.period(octaves)[:, None]
    voicing = correlation.voicing(analysis.low[at], analysis.low[past])
    features = np.empty((frames, FEATURES), np.int64)
    features[:, : spectrum.BANDS] = saturate(
        rounded(analysis.cepstrum, spectrum.CEPSTRUM_FRAC - frac), 16
    )
    features[:, spectrum.BANDS] = pitch.pitch_feature(octaves, frac)
    features[:, spectrum.BANDS + 1] = correlation.voicing_feature(voicing, frac)
    return features

# SPDX-License-Identifier: BSD-3-Clause
"""The features of DRED in integers: 20 int16 per 10 ms, around a pitch network.

`analyse` computes the inputs of the pitch network; `finish` takes its scores. Both work on a whole
signal from rest. firmware/dredkit/features/features.c gives the same bits frame by frame.
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
FEATURE_FRAC: Final = 10  # fraction bits of the features unless a model has others
_STRADDLE: Final = FRAME // 2  # how many samples before the frame the pitch path works


@dataclass(frozen=True)
class Analysis:
    """The analysis of a signal's frames before the pitch network runs."""

    cepstrum: Ints  # [frames, 18] Q20
    phases: Ints  # [frames, 88] Q15 int16: the network's IF features
    lags: Ints  # [frames, 224] Q15 int16: the network's cross-correlations
    low: Ints  # [256 + frames * 160] Q10 int32: low-passed residual after 256 zeros


def _windows(signal: Ints, past: int, size: int, frames: int) -> Ints:
    """Return rows [frames, size] that start `past` samples before their frame; zeros come first."""
    padded = np.concatenate([np.zeros(past, np.int64), signal])
    rows = np.lib.stride_tricks.sliding_window_view(padded, size)[::FRAME]
    return np.asarray(rows[:frames])


def analyse(pcm: npt.NDArray[np.integer]) -> Analysis:
    """Analyse int16 PCM at 16 kHz, all but its pitch; drop samples past the last whole frame.

    This does not put libopus' 11 zeros before the signal; quantize.codec.sender does.
    Raises InputError for anything but one channel of int16 with at least one frame.
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
    """Return features [frames, 20] int16 with `frac` bits from the network's [frames, >=180]."""
    octaves = pitch.pitch(scores[:, : pitch.CLASSES], scores_frac)
    return features_at(analysis, octaves, frac)


def features_at(analysis: Analysis, octaves: Ints, frac: int = FEATURE_FRAC) -> Ints:
    """Return features [frames, 20] for a pitch in octaves below a period of 256 samples, Q20."""
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

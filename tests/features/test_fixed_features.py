# SPDX-License-Identifier: BSD-3-Clause
"""The integer features against libopus' golden data and against the float features."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import ellip, lfilter

from quantize.dsp import correlation, lpc, spectrum
from quantize.dsp.resample import resample
from quantize.errors import InputError
from quantize.features import floats, pitch
from quantize.features.integers import Analysis, analyse, features_at, finish
from tests.support.dsp_signals import signals

F64 = npt.NDArray[np.float64]
SIGNALS = signals()


def snr(got: npt.NDArray[np.generic], want: npt.NDArray[np.generic]) -> float:
    want = want.astype(np.float64)
    return float(10 * np.log10((want**2).sum() / ((got - want) ** 2).sum()))


def octaves_of(pitch_feature: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    return np.floor((pitch_feature.astype(np.float64) + 1.5) * 2**20 + 0.5).astype(np.int64)


class Golden:
    """libopus' features for its clip, and ours."""

    def __init__(self, folder: Path) -> None:
        pcm = np.fromfile(folder / "clip.s16", np.int16)
        self.pcm = resample(pcm, 16000)
        self.ours = analyse(self.pcm)
        frames = len(self.ours.cepstrum)
        self.features = np.fromfile(folder / "features.f32", np.float32).reshape(-1, 36)[:frames]
        self.phases = np.fromfile(folder / "if_features.f32", np.float32).reshape(-1, 88)[:frames]
        self.lags = np.fromfile(folder / "xcorr_features.f32", np.float32).reshape(-1, 224)[:frames]


@pytest.fixture(scope="module")
def golden(upstream: Path) -> Golden:
    return Golden(upstream / "golden")


def test_golden_cepstrum(golden: Golden) -> None:
    error = golden.ours.cepstrum / 2.0**20 - golden.features[:, :18]
    assert np.sqrt((error**2).mean()) < 5e-5
    assert np.abs(error).max() < 5e-4


def test_golden_phase_features(golden: Golden) -> None:
    ours = golden.ours.phases / 2.0**15
    assert snr(ours, golden.phases) > 80
    for part in range(3):  # log powers, cosines, sines
        assert snr(ours[:, part::3], golden.phases[:, part::3]) > 80


def test_golden_cross_correlations(golden: Golden) -> None:
    ours = golden.ours.lags / 2.0**15
    assert snr(ours, golden.lags) > 68
    assert min(snr(ours[t], golden.lags[t]) for t in range(4, len(ours))) > 55


def test_golden_predictor(golden: Golden) -> None:
    both = sliding(golden.pcm, 161, 321)
    emphasised = spectrum.emphasise(both[:, 1:], both[:, :1])
    logs = spectrum.band_logs(*spectrum.spectrum(emphasised))
    ours = lpc.levinson(lpc.autocorrelation(logs)) / 2.0**24
    theirs = golden.features[:, 20:36]
    assert snr(ours, theirs) > 75
    assert np.abs(response_db(ours) - response_db(theirs)).max() < 0.01


def test_golden_pitch_and_correlation(golden: Golden) -> None:
    octaves = octaves_of(golden.features[:, 18])
    want = floats.pitch_period(golden.features[:, 18])
    assert (pitch.period(octaves) == want).all()
    ours = features_at(golden.ours, octaves, 10) / 2.0**10
    assert np.abs(ours[:, 18] - golden.features[:, 18]).max() < 0.0006
    error = ours[:, 19] - golden.features[:, 19]
    assert np.sqrt((error**2).mean()) < 5e-4
    assert np.abs(error).max() < 3e-3


def sliding(pcm: npt.NDArray[np.int16], past: int, size: int) -> npt.NDArray[np.int64]:
    padded = np.concatenate([np.zeros(past, np.int64), pcm.astype(np.int64)])
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::160][: len(pcm) // 160]


def response_db(predictor: npt.NDArray[np.generic]) -> F64:
    poly = np.concatenate([np.ones((len(predictor), 1)), predictor], axis=1)
    return np.asarray(20 * np.log10(np.abs(np.fft.rfft(poly, 320, axis=1))))


def float_analysis(pcm: npt.NDArray[np.int16]) -> tuple[F64, F64, F64]:
    """Return the cepstrum, cross-correlations and residual of the float features."""
    samples = pcm.astype(np.float64)
    emphasised = samples.copy()
    emphasised[1:] -= 0.85 * samples[:-1]
    cepstra = floats.cepstrum(floats.band_energies(emphasised))
    residual = floats.residual(emphasised, floats.lpc_from_cepstrum(cepstra))
    excitation = residual.copy()
    excitation[1:] += 0.7 * residual[:-1]
    padded = np.concatenate([np.zeros(256), excitation])
    lags = np.empty((len(cepstra), 224))
    for t in range(len(lags)):
        span = padded[160 * t : 160 * t + 416]
        windows = np.lib.stride_tricks.sliding_window_view(span, 160)
        now = windows[256]
        past = windows[:224]
        lags[t] = 2 * past @ now / (1 + now @ now + (past**2).sum(axis=1))
    return cepstra, lags, residual


def float_voicing(residual: F64, period: npt.NDArray[np.int64]) -> tuple[F64, F64]:
    """Return the correlation feature and the smaller energy of both segments, [frames] each."""
    numerator, denominator = ellip(2, 2, 20, 1200, fs=16000)
    low = np.concatenate([np.zeros(256), lfilter(numerator / numerator[0], denominator, residual)])
    at = 256 + 160 * np.arange(len(period))[:, None] + np.arange(160)
    now, past = low[at], low[at - period[:, None]]
    e1, e2 = (now**2).sum(axis=1), (past**2).sum(axis=1)
    c = (now * past).sum(axis=1) / np.sqrt(1 + e1 * e2)
    return np.log1p(np.exp(5 * c)) / np.log1p(np.exp(5.0)) - 0.5, np.minimum(e1, e2)


@pytest.mark.parametrize("name", SIGNALS)
def test_any_signal_is_near_the_float_features(name: str) -> None:
    pcm = SIGNALS[name]
    ours = analyse(pcm)
    cepstra, lags, residual = float_analysis(pcm)
    error = ours.cepstrum / 2.0**20 - cepstra
    assert np.sqrt((error**2).mean()) < 0.01
    assert np.sqrt(((ours.lags / 2.0**15 - lags) ** 2).mean()) < 0.01
    # Phases and powers stay in range, and the correlation is within its limits at every period.
    assert np.abs(ours.phases).max() <= 32768
    octaves = np.arange(len(lags), dtype=np.int64) * (3 << 20) // len(lags)
    voicing = features_at(ours, octaves)[:, 19] / 2.0**10
    assert np.abs(voicing).max() <= 0.5
    want, energy = float_voicing(residual, floats.pitch_period(octaves / 2.0**20 - 1.5))
    heard = energy > 1  # below it, floating point correlates tails of 10^-9
    assert np.abs(voicing - want)[heard].max(initial=0) < 0.03


@pytest.mark.parametrize("level", [3, 30, 3000, 30000])
def test_phase_features_of_noise_at_any_level(level: int) -> None:
    pcm = np.random.default_rng(level).uniform(-level, level, 16000).round().astype(np.int16)
    samples = pcm.astype(np.float64)
    emphasised = np.concatenate([np.zeros(160), samples])
    emphasised[161:] -= 0.85 * samples[:-1]
    rows = np.lib.stride_tricks.sliding_window_view(emphasised, 320)[::160]
    half = np.sin(0.5 * np.pi * np.sin(0.5 * np.pi * (np.arange(160) + 0.5) / 160) ** 2)
    bins = np.fft.rfft(rows * np.concatenate([half, half[::-1]]), axis=1)[:, :30] / 320
    advance = bins[1:, 1:] * np.conj(bins[:-1, 1:])
    advance /= np.abs(advance)
    want = np.zeros((len(bins), 88))
    power = np.abs(bins) ** 2
    power[:, 0] = bins[:, 0].real ** 2
    want[:, ::3] = np.clip((10 * np.log10(power) - 6) / 64, -1, 1)
    want[1:, 1::3], want[1:, 2::3] = advance.real, advance.imag
    assert snr(analyse(pcm).phases / 2.0**15, want) > 70


def test_silence_has_the_features_that_the_formulas_give() -> None:
    ours = analyse(np.zeros(800, np.int16))
    want = np.zeros(18)
    want[0] = -2 * np.sqrt(18) - 4
    assert np.abs(ours.cepstrum / 2.0**20 - want).max() < 1e-4
    assert (ours.phases[:, ::3] == -32768).all()
    assert not ours.phases[:, 1::3].any()
    assert not ours.phases[:, 2::3].any()
    assert not ours.lags.any()
    unvoiced = np.log(2) / np.log(1 + np.exp(5)) - 0.5
    assert features_at(ours, np.zeros(5, np.int64))[0, 19] == round(unvoiced * 1024)


@pytest.mark.parametrize("frac", [0, 6, 9, 10, 15])
def test_pitch_is_the_weighted_mean_around_the_first_maximum(frac: int) -> None:
    rng = np.random.default_rng(frac)
    scores = rng.integers(-32768, 32768, (300, 192))
    scores[0, :180] = 5  # all equal: the first
    scores[1, 0], scores[2, 179], scores[3, 1] = 32767, 32767, 32767  # edges
    scores[4, [40, 41, 90]] = 32767
    ours = pitch.pitch(scores[:, :180], frac)
    for row, got in zip(scores[:, :180], ours, strict=True):
        best = int(row.argmax())
        at = np.arange(max(0, best - 2), min(179, best + 2) + 1)
        weight = np.exp((row[at] - row[best]) / 2.0**frac)
        assert abs(got / 2.0**20 - (weight * at).sum() / weight.sum() / 60) < 1e-5


def test_periods_are_those_of_the_float_formula() -> None:
    octaves = np.arange(0, int(2.99 * 2**20), 97)
    exact = 0.5 + 256 / 2.0 ** (octaves / 2**20)
    clear = np.abs(exact - np.round(exact)) > 0.004  # not where the last bit decides
    assert (pitch.period(octaves) == np.clip(np.floor(exact), 32, 256))[clear].all()


def test_voicing_curve_is_the_float_one() -> None:
    c = np.arange(-32768, 32768)
    x = c / 2.0**15
    want = np.log1p(np.exp(5 * x)) / np.log1p(np.exp(5.0)) - 0.5
    assert np.abs(correlation.voicing_feature(c, 14) / 2.0**14 - want).max() < 1e-4


def test_features_saturate_instead_of_wrapping() -> None:
    loud = Analysis(
        cepstrum=np.full((1, 18), 40 << 20),
        phases=np.zeros((1, 88), np.int64),
        lags=np.zeros((1, 224), np.int64),
        low=np.zeros(416, np.int64),
    )
    assert (finish(loud, np.zeros((1, 180), np.int64), 9)[0, :18] == 32767).all()


def test_what_is_no_pcm_is_refused() -> None:
    with pytest.raises(InputError, match="give one channel of int16"):
        analyse(np.zeros((2, 160), np.int16))
    with pytest.raises(InputError, match="shorter than one 10 ms frame"):
        analyse(np.zeros(159, np.int16))

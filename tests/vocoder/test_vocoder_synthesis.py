# SPDX-License-Identifier: BSD-3-Clause
"""The parts that all voices share: near floats on speech, bounded on garbage, C bit-exact."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from quantize.features.floats import extract, lpc_from_cepstrum, pitch_period
from quantize.vocoder import synthesis
from tests.support.vocoder_library import SHARED, build, garbage

RNG = np.random.default_rng(4)
OWN = """
#include "vocoder/predict.h"
int predict(const int16_t *taps, const int16_t *past) { return dk_voice_predict(taps, past); }
int emphasise(int16_t x, int16_t before) { return dk_voice_emphasised(x, before); }
int deemphasise(int16_t x, int16_t before) { return dk_voice_deemphasised(x, before); }
uint32_t draw(uint32_t *state) { return dk_xorshift32(state); }
"""
Ints = np.ndarray[Any, np.dtype[np.int64]]


class Library:
    def __init__(self, folder: Path) -> None:
        self.ffi, self.lib = build(folder, SHARED, OWN, "vocoder/synthesis.h")

    def pointer(self, values: Any, kind: str = "int16") -> tuple[Any, Any]:
        array = np.ascontiguousarray(values, kind)
        return array, self.ffi.cast(f"{kind}_t *", array.ctypes.data)

    def predictor(self, cepstrum: Ints) -> tuple[list[int], int]:
        _keep, source = self.pointer(cepstrum[:18])
        taps, out = self.pointer(np.zeros(16))
        level = self.lib.dk_voice_predictor(source, out)
        return taps.tolist(), level


@pytest.fixture(scope="module")
def c(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("vocoder"))


@pytest.fixture(scope="module")
def speech(clip: Path) -> tuple[Ints, Any]:
    """Return PCM of the shipped clip and its features in float."""
    pcm = wavfile.read(clip)[1].astype(np.int64)
    return pcm, extract(pcm.astype(np.int16), delay=0)


def fixed(features: Any) -> Ints:
    return np.rint(np.asarray(features, np.float64) * 1024).astype(np.int64)


def test_predictor_of_speech_is_the_floats(speech: tuple[Ints, Any]) -> None:
    _, features = speech
    taps, level = synthesis.predictor(fixed(features)[:, :18])
    want = lpc_from_cepstrum(features[:, :18])
    got = -taps[:, ::-1] / 4096
    snr = 10 * np.log10((want**2).sum(1) / ((got - want) ** 2).sum(1))
    assert np.median(snr) > 62
    # In a near-tie the recursion stops at another order: at one frame in 400.
    assert np.percentile(snr, 1) > 50
    # Spectral distortion: root mean square of the difference of two filters' spectra in dB.
    spectra = [
        20 * np.log10(np.abs(np.fft.rfft(np.pad(a, ((0, 0), (1, 0)), constant_values=1), 512)))
        for a in (got, want)
    ]
    distortion = np.sqrt(((spectra[0] - spectra[1]) ** 2).mean(1))
    assert distortion.mean() < 0.02
    assert np.percentile(distortion, 99) < 0.1
    assert level.max() < 13 << 24
    assert level.min() > -1 << 24


def test_level_is_that_of_the_residual(speech: tuple[Ints, Any]) -> None:
    pcm, features = speech
    taps, level = synthesis.predictor(fixed(features)[:, :18])
    signal = synthesis.emphasise(np.concatenate([[0], pcm])).astype(np.float64)
    frames = range(2, len(features) - 1)
    ratio = []
    for t in frames:
        at = 160 * t - 80 + np.arange(160)
        past = signal[at[:, None] - 16 + np.arange(16)]
        residual = signal[at] - past @ taps[t] / 4096
        ratio.append(np.log2(np.sqrt((residual**2).mean()) + 0.3) - level[t] / 2.0**24)
    assert abs(np.median(ratio)) < 0.3


def test_filters_of_speech_are_stable(speech: tuple[Ints, Any]) -> None:
    taps, _ = synthesis.predictor(fixed(speech[1])[:, :18])
    for row in taps[::3]:
        assert np.abs(np.roots([4096, *-row[::-1]])).max() < 1


def test_period_is_that_of_the_float_feature() -> None:
    pitch = np.arange(-1536, 1537)
    got = synthesis.period(pitch)
    want = pitch_period(pitch / 1024)
    assert np.abs(got - want).max() <= 1
    assert (got == want).mean() > 0.999
    beyond = synthesis.period(np.array([-32768, -1537, 1537, 32767]))
    assert beyond.tolist() == [256, 256, 32, 32]


def test_voicing_undoes_the_curve_of_the_feature() -> None:
    correlation = np.linspace(0, 1, 300)
    feature = np.log1p(np.exp(5 * correlation)) / np.log1p(np.exp(5)) - 0.5
    got = synthesis.voicing(fixed(feature)) / 32768
    assert np.abs(got - correlation).max() < 2e-3
    assert synthesis.voicing(np.array([-32768, -512, -400, 32767])).tolist() == [0, 0, 0, 32767]


def test_emphasis_and_back_changes_nothing(speech: tuple[Ints, Any]) -> None:
    pcm = np.concatenate([speech[0][:8000], RNG.integers(-17000, 17000, 2000)])
    signal = synthesis.emphasise(pcm)
    before, back = int(pcm[0]), []
    for sample in signal.tolist():
        before = synthesis.deemphasise(sample, before)
        back.append(before)
    assert back == pcm[1:].tolist()


def test_random_numbers_do_not_repeat_soon() -> None:
    state, seen = synthesis.SEED, set()
    for _ in range(20000):
        state = synthesis.xorshift32(state)
        assert 0 < state < 1 << 32
        seen.add(state)
    assert len(seen) == 20000


def test_clamped_features_are_what_a_signal_can_have(speech: tuple[Ints, Any]) -> None:
    features = fixed(speech[1])
    assert (synthesis.clamped(features) == features).all()
    wild = synthesis.clamped(garbage(RNG, 20).astype(np.int64))
    assert (wild >= synthesis.LOWEST).all()
    assert (wild <= synthesis.HIGHEST).all()


def test_c_equals_numpy_on_speech(c: Library, speech: tuple[Ints, Any]) -> None:
    features = fixed(speech[1])
    taps, level = synthesis.predictor(features[:, :18])
    for row, want_taps, want_level in zip(features, taps, level, strict=True):
        assert c.predictor(row) == (want_taps.tolist(), want_level)
    for row in features[::50]:
        assert c.lib.dk_voice_period(int(row[18])) == synthesis.period(row[18])


def check_features(c: Library, features: Ints) -> None:
    """Check everything computed from a feature vector: C equals numpy and stays in bounds."""
    clamped = synthesis.clamped(features)
    for table in (features, clamped):
        logs = synthesis.band_logs(table[:, :18])
        taps, level = synthesis.predictor(table[:, :18])
        assert np.abs(taps).max() <= 32767
        assert np.abs(level).max() < 21 << 24
        for row, want_logs, want_taps, want_level in zip(table, logs, taps, level, strict=True):
            assert c.predictor(row) == (want_taps.tolist(), want_level)
            _keep, source = c.pointer(row[:18])
            got, out = c.pointer(np.zeros(18), "int32")
            c.lib.dk_voice_logs(source, out)
            assert got.tolist() == want_logs.tolist()
    for row, want in zip(features, clamped, strict=True):
        data, place = c.pointer(row)
        c.lib.dk_voice_clamp(place, place)
        assert data.tolist() == want.tolist()
        pitch, correlation = int(row[18]), int(row[19])
        assert c.lib.dk_voice_period(pitch) == synthesis.period(row[18])
        assert c.lib.dk_voice_voicing(correlation) == synthesis.voicing(row[19:20])[0]


def test_garbage(c: Library) -> None:
    check_features(c, garbage(RNG, 12).astype(np.int64))


@settings(max_examples=60, deadline=None)
@given(row=st.lists(st.integers(-32768, 32767), min_size=20, max_size=20))
def test_any_features(c: Library, row: list[int]) -> None:
    check_features(c, np.array([row], np.int64))


def test_all_pitches_and_correlations(c: Library) -> None:
    every = np.concatenate([np.arange(-1600, 1600), [-32768, 32767]])
    got = [(c.lib.dk_voice_period(v), c.lib.dk_voice_voicing(v)) for v in every.tolist()]
    periods, voicings = synthesis.period(every), synthesis.voicing(every)
    assert got == list(zip(periods.tolist(), voicings.tolist(), strict=True))
    assert periods.min() == 32
    assert periods.max() == 256
    assert voicings.min() == 0
    assert voicings.max() == 32767
    assert (np.diff(voicings[:-2]) >= 0).all()


def test_samples(c: Library) -> None:
    edge = [-32768, -32767, -1, 0, 1, 32767]
    pairs = [(x, y) for x in edge for y in edge] + RNG.integers(-32768, 32768, (500, 2)).tolist()
    for x, y in pairs:
        assert c.lib.emphasise(x, y) == synthesis.emphasise(np.array([y, x]))[0]
        assert c.lib.deemphasise(x, y) == synthesis.deemphasise(x, y)
    rows = RNG.integers(-32767, 32768, (300, 2, 16))
    rows[:4] = [[[s * 32767] * 16, [t] * 16] for s in (1, -1) for t in (32767, -32768)]
    for taps, past in rows:
        (keep, a), (keep_too, b) = c.pointer(taps), c.pointer(past)
        assert c.lib.predict(a, b) == synthesis.predict(keep.astype(int), keep_too.astype(int))


def test_emphasis_and_draws(c: Library) -> None:
    pcm = RNG.integers(-32768, 32768, 101)
    _keep, source = c.pointer(pcm)
    got, out = c.pointer(np.zeros(100))
    c.lib.dk_voice_emphasise(source, 100, out)
    assert got.tolist() == synthesis.emphasise(pcm).tolist()
    memory = c.ffi.new("uint32_t *", synthesis.SEED)
    state = synthesis.SEED
    for _ in range(1000):
        state = synthesis.xorshift32(state)
        assert c.lib.draw(memory) == state == memory[0]

# SPDX-License-Identifier: BSD-3-Clause
"""Feature extraction against libopus' numbers, and on signals with a known answer."""

from pathlib import Path

import numpy as np
import pytest

from quantize.errors import InputError
from quantize.features import floats as features
from quantize.features.pitch_track import pitch_scores, track


@pytest.fixture(scope="module")
def golden(upstream: Path) -> tuple[np.ndarray, np.ndarray]:
    pcm = np.fromfile(upstream / "golden" / "clip.s16", "<i2")
    want = np.fromfile(upstream / "golden" / "features.f32", "<f4").reshape(-1, 36)
    return pcm, want


def test_cepstrum_equals_libopus(golden: tuple[np.ndarray, np.ndarray]) -> None:
    pcm, want = golden
    got = features.extract(pcm)
    assert got.shape == (1000, 20)
    assert got.dtype == np.float32
    assert np.abs(got[:, :18] - want[:, :18]).max() < 1e-3


def test_lpc_equals_libopus(golden: tuple[np.ndarray, np.ndarray]) -> None:
    _, want = golden
    assert np.abs(features.lpc_from_cepstrum(want[:, :18]) - want[:, 20:]).max() < 5e-3


def test_voicing_equals_libopus_at_its_pitch(golden: tuple[np.ndarray, np.ndarray]) -> None:
    pcm, want = golden
    got = features.voicing(pcm, want[:, 18], delay=features.UPSTREAM_DELAY)
    assert np.abs(got - want[:, 19]).max() < 0.01


def test_tracked_pitch_mostly_agrees_with_the_pitch_network(
    golden: tuple[np.ndarray, np.ndarray],
) -> None:
    pcm, want = golden
    voiced = want[:, 19] > 0.2
    error = np.abs(features.extract(pcm)[:, 18] - want[:, 18])[voiced]
    assert np.mean(error > 0.263) < 0.06  # gross errors: more than 20 % of the pitch
    assert np.median(error) < 0.03  # octaves


@pytest.mark.parametrize("period", [40, 64, 100, 160, 250])
def test_a_pulse_train_gives_its_period(period: int) -> None:
    pcm = np.zeros(16000)
    pcm[::period] = 0.5
    found = features.pitch_period(features.extract(pcm)[10:-10, features.PITCH])
    assert np.abs(found - period).max() <= 1 + period // 60  # classes are 20 cents wide


def test_noise_is_less_voiced_than_pulses() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16000)
    pulses = np.zeros(16000)
    pulses[::100] = 0.5
    unvoiced = features.extract(noise)[5:, features.CORRELATION].mean()
    voiced = features.extract(pulses)[5:, features.CORRELATION].mean()
    assert voiced > 0.4
    assert unvoiced < 0


def test_silence_is_the_floor() -> None:
    got = features.extract(np.zeros(1600, np.int16))
    want = -2 * np.sqrt(18) - 4  # every band at log10(0.01), through the orthonormal DCT
    assert np.allclose(got[:, 0], want, atol=1e-5)
    assert np.allclose(got[:, 1:18], 0, atol=1e-5)


def test_integers_and_floats_mean_the_same() -> None:
    pcm = np.random.default_rng(2).integers(-3000, 3000, 3200).astype(np.int16)
    assert np.allclose(features.extract(pcm), features.extract(pcm / 32768.0), atol=1e-5)


def test_long_signals_are_cut_into_blocks_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = np.random.default_rng(3).integers(-3000, 3000, 160 * 300).astype(np.int16)
    whole = features.extract(pcm)
    monkeypatch.setattr(features, "_BLOCK", 64)
    monkeypatch.setattr("quantize.features.pitch_track._BLOCK", 50)
    assert np.array_equal(features.extract(pcm), whole)


def test_the_track_prefers_a_smooth_path() -> None:
    scores = np.zeros((50, 180), np.float32)
    scores[:, 60] = 0.6
    scores[25, 60], scores[25, 120] = 0.5, 0.7  # one frame votes an octave up
    assert np.allclose(track(scores), 60 / 60 - 1.5, atol=0.02)


def test_scores_stay_within_one() -> None:
    excitation = np.random.default_rng(4).normal(0, 1000, 160 * 40)
    assert np.abs(pitch_scores(excitation)).max() <= 1


@pytest.mark.parametrize(
    ("pcm", "words"),
    [
        (np.zeros(100), "shorter than one"),
        (np.zeros((2, 1600)), "one channel"),
        (np.full(1600, np.nan), "NaN"),
        (np.array(["a"]), "int16 or float"),
    ],
)
def test_bad_audio_is_one_line(pcm: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        features.extract(pcm)
    assert "\n" not in str(caught.value)

# SPDX-License-Identifier: BSD-3-Clause
"""The pitch network's inputs against libopus' own numbers, and on signals with a known answer."""

from pathlib import Path

import numpy as np
import pytest

from quantize.errors import InputError
from quantize.features import pitch_inputs as module
from quantize.features.pitch_inputs import RUN_IN, PitchInputs, pitch_inputs


@pytest.fixture(scope="module")
def golden(upstream: Path) -> tuple[PitchInputs, PitchInputs]:
    folder = upstream / "golden"
    want = PitchInputs(
        np.fromfile(folder / "if_features.f32", "<f4").reshape(-1, 88),
        np.fromfile(folder / "xcorr_features.f32", "<f4").reshape(-1, 224),
    )
    return pitch_inputs(np.fromfile(folder / "clip.s16", "<i2")), want


def test_both_inputs_equal_libopus(golden: tuple[PitchInputs, PitchInputs]) -> None:
    for got, want in zip(*golden, strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max() < 1e-3
        assert np.sqrt(((got - want) ** 2).mean()) < 2e-5


@pytest.mark.parametrize("period", [40, 100, 250])
def test_a_pulse_train_correlates_at_its_period(period: int) -> None:
    pcm = np.zeros(16000)
    pcm[::period] = 0.5
    xcorr = pitch_inputs(pcm).xcorr[10:]
    # A frame may hold no pulse, or one pulse more than the samples one period earlier.
    assert np.median(xcorr[:, 256 - period]) > 0.95


def test_the_phase_of_a_sine_advances_with_its_frequency() -> None:
    frequency = 500.0 + 12.0  # 12 Hz above bin 10: 10 ms later its phase is 0.12 turns further
    pcm = 0.3 * np.sin(2 * np.pi * frequency * np.arange(8000) / 16000)
    got = pitch_inputs(pcm).if_features[5:]
    turns = np.arctan2(got[:, 29], got[:, 28]) / (2 * np.pi)
    assert np.allclose(turns, 0.12, atol=1e-3)


def test_silence_and_extremes_stay_in_range() -> None:
    loud = np.where(np.random.default_rng(1).random(4800) < 0.5, -32768, 32767).astype(np.int16)
    for pcm in (np.zeros(4800, np.int16), loud):
        for part in pitch_inputs(pcm):
            assert np.isfinite(part).all()
            assert np.abs(part).max() <= 1


def test_a_cut_is_forgotten_after_the_run_in() -> None:
    pcm = np.random.default_rng(2).integers(-3000, 3000, 160 * 60).astype(np.int16)
    whole, rest = pitch_inputs(pcm, delay=0), pitch_inputs(pcm[160 * 20 :], delay=0)
    for a, b in zip(whole, rest, strict=True):
        assert np.abs(a[20 + RUN_IN :] - b[RUN_IN:]).max() < 1e-6
        assert np.abs(a[20] - b[0]).max() > 1e-3


def test_long_signals_are_cut_into_blocks_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = np.random.default_rng(3).integers(-3000, 3000, 160 * 100).astype(np.int16)
    whole = pitch_inputs(pcm)
    monkeypatch.setattr(module, "_BLOCK", 32)
    for a, b in zip(whole, pitch_inputs(pcm), strict=True):
        assert np.array_equal(a, b)


def test_too_little_audio_is_one_line() -> None:
    with pytest.raises(InputError, match="shorter than one 10 ms frame"):
        pitch_inputs(np.zeros(100))

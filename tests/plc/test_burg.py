# SPDX-License-Identifier: BSD-3-Clause
"""Burg cepstra: C against numpy to the bit, and numpy against Burg's method in floats."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quantize.dsp.spectrum import EDGES
from quantize.features.floats import DCT
from quantize.plc import burg
from tests.support.dsp_signals import signals
from tests.support.plc_library import PlcLibrary

SIGNALS = signals()
F64 = NDArray[np.float64]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> PlcLibrary:
    return PlcLibrary(tmp_path_factory.mktemp("plc"))


def frames_of(pcm: NDArray[np.int16]) -> NDArray[np.int64]:
    return pcm[: len(pcm) // 160 * 160].astype(np.int64).reshape(-1, 160)


def float_burg(x: F64) -> tuple[F64, float]:
    """Return the predictor of order 16 and the residual's energy; a gain of 30 dB at most."""
    forward, backward = x.copy(), x.copy()
    total = float(x @ x)
    taps, left = np.ones(1), 1.0
    for _ in range(16):
        f, b = forward[1:], backward[:-1]
        ahead = np.append(taps, 0)
        behind = ahead[::-1]
        loading = 1e-5 * total + 1e-9
        cross = f @ b + loading * ahead @ behind
        k = -2 * cross / (f @ f + b @ b + 2 * loading * ahead @ ahead)
        full = left * (1 - k * k) <= 1e-3
        if full:
            k = np.sign(k) * np.sqrt(1 - 1e-3 / left)
        left *= 1 - k * k
        taps = ahead + k * behind
        forward, backward = f + k * b, b + k * f
        if full:
            return np.append(taps, np.zeros(17 - len(taps))), 1e-3 * float(total - x[:16] @ x[:16])
    return taps, float(forward @ forward)


def float_cepstrum(pcm: F64) -> F64:
    taps, energy = float_burg(pcm[1:] - 0.85 * pcm[:-1])
    power = np.abs(np.fft.rfft(taps * 0.995 ** np.arange(17), 320)[:160]) ** 2
    bins = 0.45 * energy / 50 / 320 / (power + 320**2 * 1e-9)
    sums = np.zeros(18)
    for band, (low, high) in enumerate(pairwise(EDGES)):
        rise = np.arange(high - low) / (high - low)
        sums[band] += (1 - rise) @ bins[low:high]
        sums[band + 1] += rise @ bins[low:high]
    sums[[0, 17]] *= 2
    logs, peak, follow = np.log10(0.01 + sums), -2.0, -2.0
    for band, log in enumerate(logs):
        logs[band] = max(peak - 8, follow - 2.5, log)
        peak, follow = max(peak, logs[band]), max(follow - 2.5, logs[band])
    result = logs @ DCT
    result[0] -= 4
    return np.asarray(result)


def float_cepstra(pcm: NDArray[np.int64]) -> F64:
    halves = [float_cepstrum(half) for half in pcm.astype(np.float64).reshape(2, 80)]
    return np.concatenate([(halves[0] + halves[1]) / 2, halves[0] - halves[1]])


@pytest.mark.parametrize("name", SIGNALS)
def test_integers_are_close_to_floats(name: str) -> None:
    frames = frames_of(SIGNALS[name])[:40]
    want = np.array([float_cepstra(frame) for frame in frames])
    assert np.abs(burg.cepstra(frames) / 2.0**20 - want).max() < 1e-3


@pytest.mark.parametrize("name", SIGNALS)
def test_c_equals_numpy(library: PlcLibrary, name: str) -> None:
    frames = frames_of(SIGNALS[name])
    for frame, want in zip(frames, burg.cepstra(frames), strict=True):
        assert library.burg(frame).tolist() == want.tolist()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.lists(st.sampled_from([0, 1, 2, 50, 3000, 32767]), min_size=4, max_size=4),
    rails=st.booleans(),
)
def test_random_frames(library: PlcLibrary, seed: int, levels: list[int], rails: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = np.sign(rng.normal(size=160)) if rails else rng.uniform(-1, 1, 160)
    frame = np.round(shape * np.repeat(levels, 40)).astype(np.int64)
    assert library.burg(frame).tolist() == burg.cepstra(frame[None])[0].tolist()


@pytest.mark.parametrize("step", [1, 3, 7, 39, 79])
def test_tones_reach_the_largest_gain(library: PlcLibrary, step: int) -> None:
    """A pure tone stops the recursion at 30 dB; its predictor is that of floats."""
    frame = np.rint(32767 * np.sin(np.pi * step * np.arange(160) / 80)).astype(np.int64)
    want = float_cepstra(frame)
    found = burg.cepstra(frame[None])[0]
    assert np.abs(found / 2.0**20 - want).max() < 1e-3
    assert library.burg(frame).tolist() == found.tolist()


def test_golden_speech(library: PlcLibrary, upstream: Path) -> None:
    frames = frames_of(np.fromfile(upstream / "golden" / "clip.s16", np.int16))
    found = burg.cepstra(frames)
    want = np.array([float_cepstra(frame) for frame in frames[:300]])
    assert np.abs(found[:300] / 2.0**20 - want).max() < 1e-3
    for frame, row in zip(frames, found, strict=True):
        assert library.burg(frame).tolist() == row.tolist()

# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/features against quantize/features/integers.py, frame by frame, to the bit."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.dsp.resample import resample
from quantize.features.integers import analyse, finish
from tests.support.dsp_library import DspLibrary
from tests.support.dsp_signals import signals

SIGNALS = signals()


@pytest.fixture(scope="module")
def dsp(tmp_path_factory: pytest.TempPathFactory) -> DspLibrary:
    return DspLibrary(tmp_path_factory.mktemp("dsp"))


def assert_equal(dsp: DspLibrary, pcm: np.ndarray, seed: int, frac: int = 10) -> None:
    frames = len(pcm) // 160
    scores = np.random.default_rng(seed).integers(-32768, 32768, (frames, 192))
    want = analyse(pcm)
    phases, lags, features = dsp.analyse(pcm, scores.astype(np.int16), 9, frac)
    assert (phases == want.phases).all()
    assert (lags == want.lags).all()
    assert (features == finish(want, scores, 9, frac)).all()


@pytest.mark.parametrize("name", SIGNALS)
def test_signals(dsp: DspLibrary, name: str) -> None:
    assert_equal(dsp, SIGNALS[name], seed=1)


@pytest.mark.parametrize("frac", [1, 8, 12, 15])
def test_any_format_of_the_features(dsp: DspLibrary, frac: int) -> None:
    assert_equal(dsp, SIGNALS["chirp"][:3200], seed=2, frac=frac)


def test_golden_speech(dsp: DspLibrary, upstream: Path) -> None:
    pcm = np.fromfile(upstream / "golden" / "clip.s16", np.int16)
    assert_equal(dsp, resample(pcm, 16000), seed=3)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.lists(st.sampled_from([0, 1, 2, 50, 3000, 32767]), min_size=8, max_size=8),
    rails=st.booleans(),
)
def test_random_blocks(dsp: DspLibrary, seed: int, levels: list[int], rails: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = np.sign(rng.normal(size=1920)) if rails else rng.uniform(-1, 1, 1920)
    pcm = np.round(shape * np.repeat(levels, 240)).astype(np.int16)
    assert_equal(dsp, pcm, seed)

# SPDX-License-Identifier: BSD-3-Clause
"""Features of heard samples: C against numpy, and their pitch against the pitch network's."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from quantize.features.floats import CORRELATION, PITCH
from quantize.plc import heard
from tests.support.dsp_signals import signals
from tests.support.plc_library import PlcLibrary

SIGNALS = signals()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> PlcLibrary:
    return PlcLibrary(tmp_path_factory.mktemp("plc"))


def stretches(pcm: NDArray[np.int16]) -> NDArray[np.int64]:
    count = len(pcm) // heard.SAMPLES
    return pcm[: count * heard.SAMPLES].astype(np.int64).reshape(count, heard.SAMPLES)


@pytest.mark.parametrize("name", SIGNALS)
def test_c_equals_numpy(library: PlcLibrary, name: str) -> None:
    found = stretches(SIGNALS[name])
    assert len(found)
    for pcm in found:
        assert library.features(pcm).tolist() == heard.features(pcm).tolist()


def test_the_pitch_is_that_of_the_network(upstream: Path) -> None:
    pcm = np.fromfile(upstream / "golden" / "clip.s16", np.int16)
    golden = np.fromfile(upstream / "golden" / "features.f32", np.float32).reshape(-1, 36)
    delayed = np.concatenate([np.zeros(11, np.int16), pcm])[: len(pcm)]
    found = heard.features(delayed.astype(np.int64)) / 1024
    want = golden[heard.RUN_IN :, :20]
    voiced = want[:, CORRELATION] > 0.2
    assert voiced.sum() > 300
    off = np.abs(found[voiced, PITCH] - want[voiced, PITCH])
    assert (off > 0.1).mean() < 0.03
    assert np.abs(found[:, :PITCH] - want[:, :PITCH]).max() < 0.01


@pytest.mark.parametrize("period", [32 + 1, 47, 100, 180, 256])
def test_a_train_of_pulses_has_its_period(period: int) -> None:
    pcm = np.zeros(heard.SAMPLES, np.int64)
    pcm[::period] = 20000
    features = heard.features(pcm)
    want = np.log2(256 / period) - 1.5
    assert np.abs(features[:, PITCH] / 1024 - want).max() < 0.01

# SPDX-License-Identifier: BSD-3-Clause
"""The float LPCNet speaks many utterances at once; compared with the loop over one."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import toolkit
from quantize.features import floats as features
from quantize.networks.lpcnet import Lpcnet, Sizes
from quantize.networks.lpcnet_batch import (
    Variant,
    from_codes,
    synthesise_many,
    to_codes,
    tree_of,
)
from quantize.networks.lpcnet_voice import from_mulaw, synthesise, to_mulaw

SMALL = Sizes(conditioning=16, gru_a=32, gru_b=16, pitch=4, embedding=8)


@pytest.fixture(scope="module")
def heard() -> np.ndarray:
    """Return features of the shipped clip."""
    pcm = soundfile.read(Path(toolkit.__file__).parent / "data" / "clip.wav", dtype="int16")[0]
    return features.extract(pcm, delay=0)


@pytest.fixture(scope="module")
def model() -> Lpcnet:
    torch.manual_seed(3)
    return Lpcnet(SMALL)


def test_many_speak_as_each_alone(model: Lpcnet, heard: np.ndarray) -> None:
    parts = [heard[100:102], heard[150:153], heard[60:61]]
    told: list[tuple[int, int]] = []
    together = synthesise_many(model, parts, seed=4, note=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]
    for i, (part, pcm) in enumerate(zip(parts, together, strict=True)):
        assert pcm.dtype == np.int16
        alone = synthesise(model, part, seed=4 + i)
        assert pcm.shape == alone.shape
        # Sums in another order may round a draw to the other side, but very rarely.
        assert np.mean(pcm == alone) > 0.9


def test_codes_are_those_of_one_sample() -> None:
    x = np.array([0.0, 1, -1, 100.3, -5000, 32767, -32768, 1e6, -1e6])
    assert to_codes(x).tolist() == [to_mulaw(value) for value in x]
    codes = np.arange(256)
    assert np.allclose(from_codes(codes), [from_mulaw(code) for code in codes])


def test_a_tree_of_bits_draws_each_code_with_its_probability() -> None:
    rng = np.random.default_rng(1)
    wanted = rng.random((3, 256)).astype(np.float32)
    wanted[1, 64:200] = 0  # codes that never occur
    chances = tree_of(wanted)
    assert np.isfinite(chances).all()
    for code in range(256):
        node, drawn = 1, np.ones(3)
        for depth in range(7, -1, -1):
            bit = code >> depth & 1
            drawn = drawn * (chances[:, node] if bit else 1 - chances[:, node])
            node = 2 * node + bit
        assert np.allclose(drawn, wanted[:, code] / wanted.sum(1), atol=1e-6)


def test_two_frames_of_lookahead_hear_each_frame_one_earlier(
    model: Lpcnet, heard: np.ndarray
) -> None:
    first, then = heard[100:101], heard[150:151]

    def speak(lookahead: int, *frames: np.ndarray) -> np.ndarray:
        variant = Variant(lookahead, gamma=0.0)  # no predictor, which reads its own frame
        return synthesise_many(model, [np.concatenate(frames)], variant=variant)[0]

    assert np.array_equal(speak(2, first, first, then), speak(1, first, then, then))
    assert not np.array_equal(speak(2, first, first, then), speak(1, first, first, then))


def test_softmax_and_gamma_change_the_voice_and_repeat_themselves(
    model: Lpcnet, heard: np.ndarray
) -> None:
    part = [heard[100:102]]
    spoken = [
        synthesise_many(model, part, variant=variant)[0]
        for variant in (Variant(), Variant(softmax=True), Variant(gamma=0.9), Variant())
    ]
    assert np.array_equal(spoken[0], spoken[3])
    assert not np.array_equal(spoken[0], spoken[1])
    assert not np.array_equal(spoken[0], spoken[2])

# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet in C against numpy, sample by sample: free, over known samples, and on garbage.

Undefined behaviour in the C traps.
"""

from typing import Any

import numpy as np
import pytest

from quantize.integer import Ints
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.speak import LpcnetVoice, LpcnetVoices
from tests.support.lpcnet_models import random_voice
from toolkit.codegen.voice import lpcnet as codegen
from toolkit.common.errors import InputError
from toolkit.device.build import vocoderlib
from toolkit.device.build.vocoderlib import CHECKED, Speaker, VoiceLibrary

SIZES: tuple[dict[str, Any], ...] = (
    {},
    {"a": 8, "b": 8, "width": 1, "embedding": 1, "kept": 1.0},
    {"a": 40, "b": 24, "width": 7, "embedding": 3, "kept": 0.1},
    {"a": 24, "b": 16, "width": 33, "embedding": 32, "kept": 0.0, "tail": 819},
)


def features(rng: np.random.Generator, frames: int) -> Ints:
    """Return features roughly like speech: loud and changing."""
    rows = rng.normal(0, 1.0, (frames, 20)) * np.linspace(2, 0.3, 20)
    rows[:, 0] += 2
    return np.floor(rows * 1024).astype(np.int64)


def both(model: LpcnetModel, seed: int) -> tuple[LpcnetVoice, Speaker, Ints]:
    """Return a voice in numpy and in C with the same start, and further features."""
    rng = np.random.default_rng(seed)
    rows = features(rng, 14)
    past = rng.integers(-3000, 3000, 17)
    numpy_voice, c_voice = LpcnetVoice(model), VoiceLibrary(model, CHECKED).speaker()
    numpy_voice.begin(rows[:4], past)
    c_voice.begin(rows[:4], past)
    return numpy_voice, c_voice, rows[4:]


@pytest.mark.parametrize("case", range(len(SIZES)))
def test_c_speaks_what_numpy_speaks(case: int) -> None:
    model = random_voice(10 + case, **SIZES[case])
    voice, speaker, ahead = both(model, case)
    rng = np.random.default_rng(case)
    samples = (4000 * np.sin(np.arange(480) / 7) + rng.normal(0, 300, 480)).astype(np.int64)
    known = samples.reshape(3, 160)
    want = [voice.frame(row, heard) for row, heard in zip(ahead[:3], known, strict=True)]
    want += [voice.frame(row) for row in ahead[3:5]]
    got = np.concatenate([speaker.frames(ahead[:3], known), speaker.frames(ahead[3:5])])
    assert got.tolist() == np.concatenate(want).tolist()
    assert got[:480].tolist() == samples.tolist()
    assert len(set(got[480:].tolist())) > 50


def test_garbage_and_full_scale_overflow_nothing() -> None:
    model = random_voice(20)
    voice, speaker, _ = both(model, 20)
    rng = np.random.default_rng(20)
    rails = rng.choice([-32768, -1, 0, 32767], (52, 20))
    context, past = rails[:4], rng.choice([-32768, 32767], 17)
    voice.begin(context, past)
    speaker.begin(context, past)
    square = np.where(np.arange(160) % 2, 32767, -32768)[None].repeat(3, 0)
    want = [voice.frame(row, heard) for row, heard in zip(rails[4:7], square, strict=True)]
    want += [voice.frame(row) for row in rails[7:9]]
    got = np.concatenate([speaker.frames(rails[4:7], square), speaker.frames(rails[7:52])])
    assert got[:800].tolist() == np.concatenate(want).tolist()
    second = speaker.frames(rng.integers(-32768, 32768, (100, 20)))
    assert len(second) == 16000


def test_voices_side_by_side_are_the_same_as_alone() -> None:
    model = random_voice(30, tail=819)
    rng = np.random.default_rng(30)
    rows = features(rng, 12).reshape(2, 6, 20)
    past = rng.integers(-999, 999, (2, 17))
    pair = LpcnetVoices(model, 2)
    pair.begin(rows[:, :4], past)
    chances = np.zeros((2, 160, 8), np.int64)
    together, codes = pair.frame(rows[:, 4], None, chances)
    for row in range(2):
        alone = LpcnetVoice(model)
        alone.begin(rows[row, :4], past[row])
        assert together[row].tolist() == alone.frame(rows[row, 4]).tolist()
    assert chances.min() >= 819  # rarer bits never came up
    assert chances.max() <= (1 << 15) - 11
    assert codes.min() >= 0
    assert len(np.unique(codes)) > 20


def test_a_voice_begun_again_has_forgotten() -> None:
    voice, speaker, ahead = both(random_voice(40), 40)
    first = speaker.frames(ahead[:2])
    speaker.begin(ahead[:4], np.zeros(17, np.int64))
    second = speaker.frames(ahead[4:6])
    speaker.begin(ahead[:4], np.zeros(17, np.int64))
    assert speaker.frames(ahead[4:6]).tolist() == second.tolist() != first.tolist()
    voice.begin(ahead[:4], np.zeros(17, np.int64))
    again = [voice.frame(row) for row in ahead[4:6]]
    assert np.concatenate(again).tolist() == second.tolist()


def test_speaking_alone_is_begun_with_the_first_frame() -> None:
    model = random_voice(50)
    rows = features(np.random.default_rng(50), 5)
    voice = LpcnetVoice(model)
    voice.begin(rows[:1].repeat(4, 0), np.zeros(17, np.int64))
    want = [voice.frame(rows[min(t + 1, 4)]) for t in range(5)]
    assert vocoderlib.speak(model, rows).tolist() == np.concatenate(want).tolist()
    assert len(vocoderlib.speak(model, rows[:0])) == 0
    with pytest.raises(InputError, match="of shape"):
        vocoderlib.speak(model, rows[:, :19])
    with pytest.raises(InputError, match="int16"):
        vocoderlib.speak(model, rows + 40000)


def test_tables_in_c_are_those_of_numpy() -> None:
    assert codegen.TABLES_FILE.read_text() == codegen.tables_source()

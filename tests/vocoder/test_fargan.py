# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN in C against numpy: free, over known samples, and on garbage; UB in the C traps."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from quantize.integer import Ints
from quantize.nn.run import IntegerRunner
from quantize.vocoder.fargan.model import FarganModel
from quantize.vocoder.fargan.parts import OPUS, Topology
from quantize.vocoder.fargan.speak import CONTEXT, PAST, FarganVoice
from tests.support.fargan_models import SMALL, random_fargan
from tests.support.vocoder_library import garbage
from toolkit.device.build import vocoderlib
from toolkit.device.build.vocoderlib import CHECKED, Speaker, VoiceLibrary

ODD = Topology(
    conditioning=8, first=8, gru=(40, 24, 16), skip=8, noise=0, embedding=1, dense=8, conv=8
)
KINDS: dict[str, tuple[Topology, dict[str, Any]]] = {
    "small": (SMALL, {}),
    "odd": (ODD, {"whole": True}),
    "extreme": (SMALL, {"loud": 60.0}),
    "opus": (OPUS, {"whole": True}),
}


@cache
def compiled(kind: str) -> tuple[FarganModel, VoiceLibrary]:
    sizes, how = KINDS[kind]
    model = random_fargan(3, sizes, **how)
    return model, VoiceLibrary(model, CHECKED)


def both(kind: str, context: Ints, past: Ints) -> tuple[FarganVoice, Speaker]:
    """Return a voice in numpy and in C with the same start."""
    model, library = compiled(kind)
    voice, speaker = FarganVoice(model), library.speaker()
    voice.begin(context, past)
    speaker.begin(context, past)
    return voice, speaker


def features(rng: np.random.Generator, frames: int) -> Ints:
    """Return features roughly like speech, of every pitch."""
    rows = rng.normal(0, 1.0, (frames, 20)) * np.linspace(2, 0.3, 20)
    rows[:, 18] = rng.uniform(-1.6, 1.6, frames)
    return np.floor(rows * 1024).astype(np.int64)


@pytest.mark.parametrize("kind", KINDS)
def test_c_speaks_what_numpy_speaks(kind: str) -> None:
    rng = np.random.default_rng(5)
    rows = features(rng, 16)
    rows[6:8, 18] = -1536, 1536  # the longest and the shortest period
    voice, speaker = both(kind, rows[2:4], rng.integers(-3000, 3000, PAST))
    samples = (4000 * np.sin(np.arange(480) / 7) + rng.normal(0, 300, 480)).astype(np.int64)
    known = samples.reshape(3, 160)
    want = [voice.frame(row, heard) for row, heard in zip(rows[4:7], known, strict=True)]
    want += [voice.frame(row) for row in rows[7:]]
    got = np.concatenate([speaker.frames(rows[4:7], known), speaker.frames(rows[7:])])
    assert got.tolist() == np.concatenate(want).tolist()
    assert got[:480].tolist() == samples.tolist()
    assert len(set(got[480:].tolist())) > 50


def test_older_frames_change_nothing() -> None:
    """So two frames are enough to begin with, where libopus takes four."""
    model, _ = compiled("small")
    rows = features(np.random.default_rng(60), 6)
    said = []
    for first in (0, 2):
        runner = IntegerRunner(model.condition)
        for row in rows[first:]:
            inputs = np.concatenate([row, model.periods[0].astype(np.int64)])
            vectors = runner.step({"features": inputs})["cond_net_fdense2"]
        said.append(vectors.tolist())
    assert said[0] == said[1]


@pytest.mark.parametrize("kind", ["small", "extreme"])
def test_garbage_and_full_scale_overflow_nothing(kind: str) -> None:
    rng = np.random.default_rng(20)
    told = rng.permutation(garbage(rng, 10)).astype(np.int64)[:104]
    past = rng.choice([-32768, 32767], PAST)
    voice, speaker = both(kind, told[2:4], past)
    square = np.where(np.arange(160) % 2, 32767, -32768)[None].repeat(2, 0)
    want = [voice.frame(row, heard) for row, heard in zip(told[4:6], square, strict=True)]
    want += [voice.frame(row) for row in told[6:16]]
    got = np.concatenate([speaker.frames(told[4:6], square), speaker.frames(told[6:])])
    assert got[: 160 * 12].tolist() == np.concatenate(want).tolist()
    assert len(got) == 16000


def test_a_voice_begun_again_has_forgotten() -> None:
    rows = features(np.random.default_rng(40), 10)
    past = np.arange(PAST)
    voice, speaker = both("small", rows[2:4], past)
    first = speaker.frames(rows[4:6])
    speaker.begin(rows[6:8], past)
    second = speaker.frames(rows[8:10])
    speaker.begin(rows[6:8], past)
    assert speaker.frames(rows[8:10]).tolist() == second.tolist() != first.tolist()
    voice.frame(rows[4])
    voice.begin(rows[6:8], past)
    again = np.concatenate([voice.frame(row) for row in rows[8:10]])
    assert again.tolist() == second.tolist()


def test_speaking_alone_is_begun_with_the_first_frame() -> None:
    model, _ = compiled("small")
    rows = features(np.random.default_rng(50), 5)
    voice = FarganVoice(model)
    voice.begin(rows[:1].repeat(CONTEXT, 0), np.zeros(PAST, np.int64))
    want = [voice.frame(rows[min(t + 1, 4)]) for t in range(5)]
    assert vocoderlib.speak(model, rows).tolist() == np.concatenate(want).tolist()

# SPDX-License-Identifier: BSD-3-Clause
"""Small random networks, the pulse voice in C, a second of speech."""

from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.nn.topologies import pitch, rdovae_encoder
from tests.support.decoder_models import random_networks, tables
from tests.support.small_models import small_model
from toolkit.call.library import build_receiver
from toolkit.common.paths import DATA
from toolkit.speech.audio import Pcm, read_speech

PACKETS = 20


@pytest.fixture(scope="module")
def receiver() -> DecoderModel:
    return DecoderModel(random_networks(), "pulse")


@pytest.fixture(scope="module")
def sender() -> EncoderModel:
    return EncoderModel(small_model(pitch(), 1), small_model(rdovae_encoder(), 1), tables())


@pytest.fixture(scope="module")
def built(receiver: DecoderModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_receiver(receiver, tmp_path_factory.mktemp("receiver"), ["-O1"])


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return read_speech(DATA / "clip.wav")[16000 : 16000 + PACKETS * 320]


class Fake:
    """Scores speech by its mean magnitude, and counts."""

    scored = 0

    def score(self, spoken: Pcm) -> float:
        """Return the score."""
        Fake.scored += 1
        return 1 + float(np.abs(spoken.astype(np.int64)).mean()) / 8192

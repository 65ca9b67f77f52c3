# SPDX-License-Identifier: BSD-3-Clause
"""The loss from integers in LPCNet, on speech that it was not trained on: the shipped clip."""

from pathlib import Path

import numpy as np
import pytest

from quantize.errors import InputError
from quantize.features.floats import extract
from quantize.networks.lpcnet import Lpcnet
from quantize.train.lpcnet import score
from quantize.vocoder.lpcnet.quantise import quantise_lpcnet
from toolkit.commands.shared.train_options import CHECKPOINTS
from toolkit.common.paths import ROOT
from toolkit.speech.audio import read_speech
from toolkit.verify.scoring.voices import read_weights

CLIP = ROOT / "toolkit" / "data" / "clip.wav"


def shipped() -> Path:
    ready = CHECKPOINTS / "lpcnet-edge.safetensors"
    return ready if ready.is_file() else CHECKPOINTS / "lpcnet-edge.state.safetensors"


@pytest.fixture(scope="module")
def clip() -> score.Recording:
    pcm = read_speech(CLIP)
    return pcm, extract(pcm, delay=0)


@pytest.fixture(scope="module")
def network() -> Lpcnet:
    return read_weights(shipped()).model


def test_integers_cost_less_than_two_per_cent(network: Lpcnet, clip: score.Recording) -> None:
    losses = score.compare(network, [clip], rows=16, frames=4)
    assert 1.0 < losses.floats < 4.5
    assert losses.cost_percent < 2.0


def test_a_coarser_voice_costs_more(network: Lpcnet, clip: score.Recording) -> None:
    speech = score.draw([clip], 8, 2)
    tensors = {name: tensor.numpy() for name, tensor in network.export().items()}
    fine = score.integer_nats(quantise_lpcnet(tensors, {"name": "fine"}, sharpness=1.0), speech)
    tensors["dual_fc.scale"] = 2 * np.round(tensors["dual_fc.scale"] / 2)
    coarse = score.integer_nats(quantise_lpcnet(tensors, {"name": "coarse"}, sharpness=1.0), speech)
    assert coarse > fine * 1.01


def test_stretches_lie_where_training_has_them(clip: score.Recording) -> None:
    pcm, features = clip
    numbered = np.arange(len(pcm) % 160, 20000 + len(pcm) % 160).astype(np.int16)
    rows = np.repeat(np.arange(125, dtype=np.float32)[:, None], 20, 1)
    speech = score.draw([(numbered, rows)], 5, 3)
    for told, heard in zip(speech.features, speech.pcm, strict=True):
        first = int(told[3, 0])
        assert told[:, 0].tolist() == list(range(first - 3, first + 4))
        assert heard[17] == numbered[160 * first - 80]
        assert len(heard) == 17 + 480
    with pytest.raises(InputError, match="no recording has"):
        score.draw([(pcm[:1600], features[:10])], 1, 15)

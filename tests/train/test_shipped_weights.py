# SPDX-License-Identifier: BSD-3-Clause
"""The weights in the repository, on the shipped clip, which no training has seen."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import quantize
import toolkit
from quantize.features import floats as features
from quantize.networks.fargan import PRESETS as FARGAN_PRESETS
from quantize.networks.fargan_checkpoint import read_fargan
from quantize.networks.fargan_voice import synthesise_many
from quantize.networks.lpcnet import PRESETS
from quantize.train.lpcnet.loop import Settings, Trainer
from quantize.train.predictor import score as predictor_score
from quantize.train.rdovae.score import evaluate, load_checkpoint

CHECKPOINTS = Path(quantize.__file__).parent / "checkpoints"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, float]]:
    """Return the scores of the shipped RDO-VAE by level."""
    torch.set_num_threads(1)
    clip = Path(toolkit.__file__).parent / "data" / "clip.wav"
    pcm = soundfile.read(clip, dtype="int16")[0]
    return evaluate(load_checkpoint(CHECKPOINTS / "rdovae.safetensors"), features.extract(pcm))


def test_the_rdovae_codes_unheard_speech_as_its_card_says(rows: list[dict[str, float]]) -> None:
    assert rows[0]["db"] < 3.0
    assert rows[9]["bits_per_s"] < 800
    assert rows[9]["db"] < 3.9
    assert rows[15]["bits_per_s"] < 420
    assert rows[15]["db"] < 5.2
    assert all(row["pitch_errors"] < 0.05 for row in rows)


def test_every_level_is_cheaper_and_coarser_than_the_one_before(
    rows: list[dict[str, float]],
) -> None:
    assert (np.diff([row["bits_per_s"] for row in rows]) < 0).all()
    assert (np.diff([row["db"] for row in rows]) > -0.02).all()


def test_the_lpcnet_state_is_one_to_go_on_from() -> None:
    trainer = Trainer(PRESETS["edge"], Settings())
    trainer.resume(CHECKPOINTS / "lpcnet-edge.state.safetensors")
    assert trainer.step > 1000
    assert trainer.average < 3.5


@pytest.mark.parametrize("name", ["predictor", "predictor-sparse"])
def test_the_predictor_foresees_more_than_holding_does(name: str) -> None:
    torch.set_num_threads(1)
    clip = Path(toolkit.__file__).parent / "data" / "clip.wav"
    pcm = soundfile.read(clip, dtype="int16")[0]
    model = predictor_score.load_checkpoint(CHECKPOINTS / f"{name}.safetensors")
    rows = predictor_score.evaluate(model, [(pcm, features.extract(pcm, delay=0))], gaps=200)
    for row in rows[:-1]:
        assert row["db"] < 0.9 * row["held_db"], row


def test_the_small_fargan_follows_the_features_of_unheard_speech() -> None:
    torch.set_num_threads(1)
    clip = Path(toolkit.__file__).parent / "data" / "clip.wav"
    told = features.extract(soundfile.read(clip, dtype="int16")[0][:48000])
    voice = read_fargan(CHECKPOINTS / "fargan-edge.safetensors", FARGAN_PRESETS["edge"])
    (spoken,) = synthesise_many(voice, [told])
    # Frame t of a voice is frame t of the features, half a frame later.
    again = features.extract(spoken)[1:]
    apart = again[:, :18] - (told[:-1, :18] + told[1:, :18])[: len(again)] / 2
    loud = told[1:, 0] > np.median(told[:, 0])
    assert 10 * np.sqrt(np.square(apart[loud]).mean()) < 3.5  # dB


def test_every_checkpoint_has_a_card_that_names_data_and_licences() -> None:
    for name in ("rdovae", "lpcnet-edge", "fargan-edge"):
        assert (CHECKPOINTS / f"{name}.md").is_file()
    for name in ("rdovae", "fargan-edge"):
        card = (CHECKPOINTS / f"{name}.md").read_text()
        who = ("Allison Smith", "June Wallack", "Carlo Flora", "Maxim Topal")
        assert all(words in card for words in (*who, "CC-BY-SA-3.0")), name

# SPDX-License-Identifier: BSD-3-Clause
"""A small training of the predictor: its gaps are what a receiver sees, it learns and resumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from quantize.errors import InputError
from quantize.features import floats
from quantize.networks.predictor import DENSE, GRU, Predictor
from quantize.nn.topologies import predictor_like
from quantize.plc import burg
from quantize.plc.heard import KNOWN
from quantize.plc.predictor import heard_inputs
from quantize.train.predictor.data import DECODED, HEARD, LOST, Gaps, Recording
from quantize.train.predictor.loop import Settings, Trainer, loss_of, train
from quantize.train.predictor.score import (
    DISTANCES,
    evaluate,
    load_checkpoint,
    save_checkpoint,
)
from toolkit.commands import train as command
from toolkit.common.paths import ROOT
from toolkit.models.importers.checkpoint import read_checkpoint

CLIP = ROOT / "toolkit" / "data" / "clip.wav"
TINY = Settings(steps=4, batch=4, save_every=1e9)


@pytest.fixture(scope="module")
def speech() -> Recording:
    pcm, _ = soundfile.read(CLIP, dtype="int16")
    return pcm, floats.extract(pcm, delay=0)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_known_frames_have_the_inputs_of_a_receiver(speech: Recording) -> None:
    pcm, features = speech
    batch = Gaps([speech], 1).batch(3, 16)
    rows = batch.inputs[:, :KNOWN].numpy()
    assert (rows[..., -1] == HEARD).all()
    for row, wanted in zip(rows, batch.features[:, :KNOWN].numpy(), strict=True):
        assert np.array_equal(row[:, burg.CEPSTRA : -1], wanted)
        at = next(i for i in range(len(features)) if np.array_equal(features[i], wanted[0]))
        samples = pcm[: (at + KNOWN) * 160].astype(np.int64)
        fixed = heard_inputs(samples, np.zeros((KNOWN, 20), np.int64)) / 1024
        assert np.abs(fixed[:, : burg.CEPSTRA] - row[:, : burg.CEPSTRA]).max() < 1e-3


def test_lost_frames_are_zeros_and_decoded_ones_have_features_only(speech: Recording) -> None:
    batch = Gaps([speech], 1).batch(0, 400)
    inputs, flags = batch.inputs[:, KNOWN:], batch.inputs[:, KNOWN:, -1]
    decoded = flags == DECODED
    assert 0.15 < decoded.any(1).float().mean() < 0.35
    assert torch.equal(inputs[decoded][:, burg.CEPSTRA : -1], batch.features[:, KNOWN:][decoded])
    assert (inputs[decoded][:, : burg.CEPSTRA] == 0).all()
    assert (inputs[flags == 0] == 0).all()
    lost = batch.lost[:, KNOWN:]
    assert (lost.sum(1) >= 2).all()
    assert not (lost.bool() & decoded).any()
    assert (batch.lost[:, :KNOWN] == 0).all()
    # Lost frames follow the decoded ones at once and without a break.
    assert torch.equal(lost.argmax(1), decoded.sum(1))
    assert lost.shape[1] == LOST


def test_a_few_steps_lower_the_loss(speech: Recording, tmp_path: Path) -> None:
    batch = Gaps([speech], 5).batch(0, 32)
    settings = replace(TINY, steps=30, batch=16, warm_up=1)
    trained = train([speech], tmp_path, settings).model
    with torch.no_grad():
        before, after = (loss_of(m, batch, settings)[0] for m in (Trainer(TINY).model, trained))
    assert after < 0.8 * before


def test_resuming_equals_never_stopping(speech: Recording, tmp_path: Path) -> None:
    whole = train([speech], tmp_path / "whole", TINY)

    def stop(trainer: Trainer) -> None:
        if trainer.step == 2:
            raise KeyboardInterrupt

    part = replace(TINY, save_every=0.0)
    with pytest.raises(KeyboardInterrupt):
        train([speech], tmp_path / "part", part, note=stop)
    resumed = train([speech], tmp_path / "part", part)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_half_of_the_blocks_of_the_grus_stay(speech: Recording, tmp_path: Path) -> None:
    trained = train([speech], tmp_path, replace(TINY, sparse_every=1, density=0.5)).model
    path = tmp_path / "predictor.safetensors"
    save_checkpoint(path, trained, {})
    layers = {layer.name: layer for layer in read_checkpoint(path).values()}
    for name, layer in layers.items():
        if "gru" in name:
            assert layer.blocks is not None, name
            assert layer.blocks.mean() == pytest.approx(0.5, abs=0.01), name
        else:
            assert layer.blocks is None, name


def test_a_checkpoint_has_the_layers_of_the_integer_predictor(tmp_path: Path) -> None:
    path = tmp_path / "predictor.safetensors"
    model = Predictor()
    save_checkpoint(path, model, {})
    graph = predictor_like(read_checkpoint(path))
    assert (graph.buffers["hidden"], graph.buffers["gru1"]) == (DENSE, GRU)
    again = load_checkpoint(path).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


def test_scores_have_a_row_for_each_distance(speech: Recording) -> None:
    rows = evaluate(Predictor(), [speech], gaps=50)
    assert [row["distance"] for row in rows] == list(DISTANCES)
    assert rows[0]["held_db"] < rows[-1]["held_db"]  # holding gets worse with the distance


def test_too_short_a_recording_is_refused(speech: Recording) -> None:
    with pytest.raises(InputError, match="no recording is as long as 31 frames"):
        Gaps([(speech[0][:1600], speech[1][:10])], 1)


def test_the_command_refuses_options_of_training_when_it_scores(tmp_path: Path) -> None:
    asked = ["predictor", "--evaluate", "--steps", "3", "--data", str(tmp_path)]
    result = CliRunner().invoke(command.command, asked)
    assert result.exit_code != 0
    assert "--steps" in str(result.exception) + result.output

# SPDX-License-Identifier: BSD-3-Clause
"""The pitch network in torch: equal to the graph, streaming, learning, resuming, exporting."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from quantize.errors import InputError
from quantize.features import floats as features
from quantize.features.pitch_inputs import PitchInputs, pitch_inputs
from quantize.networks.layers import export_layers, import_layers
from quantize.networks.pitch import Memory, PitchNet, conv2d, pitch_of, snap
from quantize.nn.run import run_float
from quantize.nn.topologies import pitch
from quantize.train.pitch import score as pitch_score
from quantize.train.pitch.data import Recording, Stretches, disturb
from quantize.train.pitch.loop import Settings, Trainer, loss_of, train
from quantize.train.pitch.score import (
    compare,
    evaluate,
    load_checkpoint,
    logits_of,
    save_checkpoint,
)
from toolkit.models.importers import load_model

TINY = Settings(steps=5, batch=2, frames=60, stretches=4, save_every=1e9)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Return four seconds of the shipped clip."""
    clip = Path(__file__).parents[2] / "toolkit" / "data" / "clip.wav"
    pcm = soundfile.read(clip, dtype="int16")[0][: 160 * 400]
    return pcm, features.extract(pcm, delay=0)


def noise(frames: int, seed: int = 0) -> PitchInputs:
    rng = np.random.default_rng(seed)
    widths = (88, 224)
    return PitchInputs(*(rng.uniform(-1, 1, (frames, w)).astype(np.float32) for w in widths))


def test_tiles_equal_a_plain_convolution() -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 7, 224)
    one, two = torch.nn.Linear(9, 4), torch.nn.Linear(36, 1)
    inner = conv2d(x, torch.zeros(2, 2, 224), one)
    outer = conv2d(inner, torch.zeros(2, 2, 4 * 224), two)
    plain = torch.tanh(
        F.conv2d(F.pad(x[:, None], (1, 1, 2, 0)), one.weight.view(4, 1, 3, 3), one.bias)
    )
    assert torch.allclose(inner.view(2, 7, 224, 4), plain.permute(0, 2, 3, 1), atol=1e-6)
    again = F.conv2d(F.pad(plain, (1, 1, 2, 0)), two.weight.view(1, 4, 3, 3), two.bias)
    assert torch.allclose(outer, torch.tanh(again)[:, 0], atol=1e-6)


def test_the_export_run_as_the_graph_says_the_same(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = PitchNet()
    save_checkpoint(tmp_path / "pitch.safetensors", model, {})
    inputs = noise(6)
    layers = load_model(tmp_path / "pitch.safetensors", pitch()).layers
    rows = dict(zip(("if_features", "xcorr_features"), inputs, strict=True))
    run = run_float(pitch(), layers, {name: x.astype(np.float64) for name, x in rows.items()})
    assert np.allclose(run.outputs["dense_final_upsampler"], logits_of(model, inputs), atol=1e-5)


@torch.no_grad()
def test_stepping_equals_the_whole_sequence() -> None:
    torch.manual_seed(3)
    model = PitchNet()
    low, xcorr = (torch.from_numpy(part[None]) for part in noise(9))
    whole, _ = model(low, xcorr)
    memory: Memory | None = None
    for t in range(9):
        one, memory = model(low[:, t : t + 1], xcorr[:, t : t + 1], memory)
        assert torch.allclose(one[:, 0], whole[:, t], atol=1e-6)


def test_a_checkpoint_comes_back_and_foreign_ones_are_refused(tmp_path: Path) -> None:
    model, path = PitchNet(), tmp_path / "pitch.safetensors"
    save_checkpoint(path, model, {})
    back = export_layers(load_checkpoint(path).layers())
    for name, value in export_layers(model.layers()).items():
        assert torch.equal(value, back[name]), name
    with pytest.raises(InputError, match="does not exist"):
        load_checkpoint(tmp_path / "none.safetensors")
    path.write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(path)
    save_file({"enc_dense1.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(InputError, match=r"lacks dense_if_upsampler_1\.weight"):
        load_checkpoint(path)


def test_the_pitch_is_the_mean_class_near_the_best() -> None:
    logits = np.full((3, 180), -50.0)
    logits[0, [60, 61]] = 3.0
    logits[1, [0, 1, 40]] = 2.0, 1.0, 1.9  # class 40 is too far to count
    logits[2, 179] = 5.0
    first = 1 / (1 + np.e)
    want = np.array([60.5, first, 179.0]) / 60 - 1.5
    assert np.allclose(pitch_of(logits), want, atol=1e-9)


def test_rounding_lets_gradients_through() -> None:
    x = torch.tensor([0.1, -0.7], requires_grad=True)
    y = snap(x)
    assert torch.allclose(127 * y, torch.tensor([13.0, -89.0]))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.tolist() == [1.0, 1.0]


def test_stretches_are_a_pool_that_the_seed_decides(recording: Recording) -> None:
    one, two = (Stretches([recording], 60, 5, seed=1) for _ in range(2))
    two.batch(7, 3)  # another history
    for a, b in zip(one.batch(4, 3), two.batch(4, 3), strict=True):
        assert a.shape[:2] == (3, 60)
        assert torch.equal(a, b)
    assert one.batch(4, 3).if_features.abs().max() <= 1
    with pytest.raises(InputError, match="no recording is as long"):
        Stretches([recording], 600, 5, seed=1)


def test_a_label_names_the_lag_that_the_input_shows(recording: Recording) -> None:
    pool = Stretches([recording], 60, 40, seed=2)
    batch = pool.batch(0, 40)
    lag = 256 / 2 ** (batch.place / 60)
    index = (256 - lag).round().long().clamp(0, 223)
    at = torch.gather(batch.xcorr, 2, index[..., None])[..., 0]
    sure = batch.weight > 0.6
    assert sure.sum() > 100
    # At wrong labels the value would be about the mean of all lags.
    assert at[sure].mean() > batch.xcorr[sure].mean() + 0.3


def test_disturbed_speech_is_still_that_speech() -> None:
    rng = np.random.default_rng(5)
    clean = np.cumsum(rng.normal(0, 300, 8000)) % 8000 - 4000
    likeness = [np.corrcoef(clean, disturb(clean, rng))[0, 1] for _ in range(30)]
    assert np.median(likeness) > 0.8
    assert min(likeness) < 0.99
    assert disturb(1e6 * clean, rng).dtype == np.int16


def test_a_few_steps_lower_the_loss(recording: Recording, tmp_path: Path) -> None:
    settings = replace(TINY, steps=15, rate=1e-2, warm_up=1)
    batch = Stretches([recording], 60, 4, settings.seed).batch(0, 4)

    def loss(model: PitchNet) -> float:
        return loss_of(model, batch, settings.spread)[0].item()

    begun = train([recording], tmp_path / "begun", replace(settings, steps=1, rate=0.0))
    trained = train([recording], tmp_path / "trained", settings)
    assert loss(trained.model) < 0.85 * loss(begun.model)


def test_resuming_equals_never_stopping(recording: Recording, tmp_path: Path) -> None:
    whole = train([recording], tmp_path / "whole", TINY)

    class Stop(Exception):
        pass

    def stop(trainer: Trainer) -> None:
        assert set(trainer.parts) == {"nats", "within_50_cents"}
        if trainer.step == 3:
            raise Stop

    part = replace(TINY, save_every=0.0)
    with pytest.raises(Stop):
        train([recording], tmp_path / "part", part, note=stop)
    resumed = train([recording], tmp_path / "part", part)
    assert resumed.step == 5
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    torch.save({"kind": "rdovae"}, tmp_path / "part" / "state.pt")
    with pytest.raises(InputError, match="not a training state of pitch"):
        train([recording], tmp_path / "part", TINY)


def test_scores_of_known_errors(recording: Recording) -> None:
    pcm, known = recording
    same = compare(known[:, features.PITCH], recording)
    assert same["within_50_cents"] == 1
    assert same["gross"] == same["octave"] == 0
    assert same["correlation"] == pytest.approx(same["tracker_correlation"], abs=0.01)
    octave = compare(known[:, features.PITCH] - 1, recording)
    assert octave["octave"] == octave["gross"] == 1
    assert octave["within_50_cents"] == 0
    voiceless = known.copy()
    voiceless[:, features.CORRELATION] = -0.4
    with pytest.raises(InputError, match="no voiced frame"):
        compare(known[:, features.PITCH], (pcm, voiceless))


SHIPPED = Path(pitch_score.__file__).parents[2] / "checkpoints" / "pitch.safetensors"


def test_the_shipped_network_hears_the_clip(clip: Path) -> None:
    pcm = soundfile.read(clip, dtype="int16")[0][: 160 * 600]
    recording = pcm, features.extract(pcm, delay=0)
    found = evaluate(load_checkpoint(SHIPPED), recording, pitch_inputs(pcm, delay=0), 300)
    assert found["within_50_cents"] > 0.95
    assert found["gross"] < 0.03
    assert found["integer_same"] > 0.99


def test_upstream_weights_fit_the_torch_network(upstream: Path) -> None:
    """Upstream's weights serve comparison only: the shipped weights were trained without them."""
    model = PitchNet()
    layers = load_model(upstream / "weights" / "pitchdnn.bin", pitch()).layers
    weights = {}
    for name, layer in layers.items():
        weights[f"{name}.weight"] = torch.from_numpy(layer.matrix.astype(np.float32))
        weights[f"{name}.bias"] = torch.from_numpy(layer.bias.astype(np.float32))
    import_layers(model.layers(), weights)
    pcm = np.fromfile(upstream / "golden" / "clip.s16", "<i2")
    want = np.fromfile(upstream / "golden" / "dnn_pitch.f32", "<f4")
    got = pitch_of(logits_of(model, pitch_inputs(pcm)))
    assert np.mean(np.abs(got - want) < 1e-2) > 0.97

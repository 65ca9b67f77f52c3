# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN's training: data as it arrives, losses, and a small run that learns and resumes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner, Result

import toolkit
from quantize.errors import InputError
from quantize.features import floats as extraction
from quantize.networks.blocks import kept_mask
from quantize.networks.fargan import PRESETS, Sizes
from quantize.networks.fargan_checkpoint import read_fargan
from quantize.train.fargan import data as fargan_data
from quantize.train.fargan import loop as fargan
from quantize.train.fargan import losses as fargan_losses
from quantize.train.fargan.critics import Critics, judge, persuade
from quantize.train.fargan.data import Arrival, GapSampler, Recording, code, load_recordings
from quantize.train.fargan.loop import (
    KIND,
    PAIRS,
    Settings,
    Trainer,
    evaluate,
    losses_of,
    speak,
    train,
)
from quantize.train.rdovae.score import load_checkpoint
from quantize.train.state import save_packed
from toolkit.commands.shared.train_options import CHECKPOINTS
from toolkit.commands.train import command

SMALL = Sizes(conditioning=16, first=16, gru=(16, 16, 16), skip=16, noise=4, dense=16, conv=16)
SHORT = Settings(
    steps=4, batch=8, frames=3, warm_up=1, critics_from=2, critics_batch=8, critics_frames=3,
    save_every=1e9,
)  # fmt: skip
PLAIN = Arrival(coded=0, repeated_before=0, repeated_after=0, louder=0, hiss=0)
RDOVAE = CHECKPOINTS / "rdovae.safetensors"


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Return four seconds of the shipped clip, clean and coded."""
    clip = Path(toolkit.__file__).parent / "data" / "clip.wav"
    pcm = soundfile.read(clip, dtype="int16")[0][:64000]
    features = extraction.extract(pcm, delay=0)
    return Recording(pcm, features, code(load_checkpoint(RDOVAE), features))


@pytest.fixture(scope="module")
def sampler(recording: Recording) -> GapSampler:
    return GapSampler([recording], 1, SMALL.noise)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let critics count one step after they began to learn."""
    monkeypatch.setattr(fargan, "_CRITICS_ALONE", 1)


def test_coded_features_are_like_clean_ones_but_not_the_same(recording: Recording) -> None:
    coded, clean = recording.coded, recording.features
    assert coded is not None
    assert coded.shape == (fargan_data.VARIANTS, *clean.shape)
    whole = len(clean) // 100 * 100
    for variant in coded.astype(np.float32):
        assert np.array_equal(variant[whole:], clean[whole:].astype(np.float16))
        for second in range(0, whole, 100):
            part = slice(second, second + 100)
            error = np.abs(variant[part, :18] - clean[part, :18]).mean()
            assert 0.03 < error < 0.6
            assert np.corrcoef(variant[part, 0], clean[part, 0])[0, 1] > 0.9
    assert not np.array_equal(coded[0], coded[1])


def test_a_stretch_is_where_its_features_are(recording: Recording) -> None:
    sampler = GapSampler([recording], 3, SMALL.noise, PLAIN)
    batch = sampler.batch(0, 4, 6)
    assert batch.features.shape == (4, 8, 20)
    assert batch.target.shape == (4, 160 + 6 * 160)
    assert batch.noise.shape == (4, 24, SMALL.noise)
    assert -1 <= batch.noise.min() < -0.9 < 0.9 < batch.noise.max() <= 1
    assert torch.equal(batch.past, batch.target[:, :160])
    assert torch.equal(batch.known, batch.target[:, 160:320])
    pcm = recording.pcm / np.float32(32768)
    emphasised = pcm[1:] - np.float32(0.85) * pcm[:-1]
    for told, target in zip(batch.features.numpy(), batch.target.numpy(), strict=True):
        match = np.flatnonzero((recording.features[:-8] == told[0]).all(1))
        first = int(match[0]) + 1  # the known frame; the frame before it is the lead-in
        assert np.array_equal(recording.features[first - 1 : first + 7], told)
        begin = 160 * first - 80 - 160  # half a frame before the middle of the analysis window
        assert np.allclose(emphasised[begin - 1 :][: len(target)], target, atol=1e-6)
        assert first // 100 == (first + 6) // 100 == (first - 1) // 100  # within one payload


def test_the_draw_depends_on_the_step_alone(sampler: GapSampler) -> None:
    one, again, other = (sampler.batch(step, 4, 3) for step in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.target, other.target)


def test_levels_change_signal_and_features_together(recording: Recording) -> None:
    arrival = PLAIN._replace(louder=1)
    plain = GapSampler([recording], 3, 0, PLAIN).batch(0, 1, 6)
    loud = GapSampler([recording], 3, 0, arrival).batch(0, 1, 6)
    ratio = (loud.target.norm() / plain.target.norm()).item()
    shift = (loud.features - plain.features)[0, :, 0]
    assert shift == pytest.approx(2 * np.sqrt(18) * np.log10(ratio), abs=1e-3)
    assert torch.equal(loud.features[..., 1:], plain.features[..., 1:])


def test_frames_that_no_payload_has_are_repeated_ever_quieter(recording: Recording) -> None:
    after = PLAIN._replace(repeated_after=1)
    batch = GapSampler([recording], 3, 0, after).batch(0, 16, 8)
    for told in batch.features:
        same = (told[1:, 1:] == told[:-1, 1:]).all(1)
        missing = int(same.flip(0).long().cumprod(0).sum())
        assert 1 <= missing <= 4
        lower = (told[:-1, 0] - told[1:, 0])[-missing:]
        assert lower.sum() == pytest.approx((0, 0, 205, 205)[missing - 1] / 1024, abs=1e-5)
    before = PLAIN._replace(repeated_before=1)
    for told in GapSampler([recording], 3, 0, before).batch(0, 16, 8).features:
        assert torch.equal(told[0], told[1])


def test_heard_samples_may_carry_noise_and_targets_never(recording: Recording) -> None:
    batch = GapSampler([recording], 3, 0, PLAIN._replace(hiss=1)).batch(0, 16, 4)
    clean = GapSampler([recording], 3, 0, PLAIN).batch(0, 16, 4)
    assert torch.equal(batch.target, clean.target)
    error = (batch.past - clean.past).norm(dim=1) / clean.target[:, :320].norm(dim=1)
    assert (error > 0).all()
    assert error.max() < 0.1


def test_bad_recordings_are_refused(recording: Recording) -> None:
    with pytest.raises(InputError, match="dredkit train data"):
        GapSampler([], 1, 0)
    with pytest.raises(InputError, match="differ in length"):
        GapSampler([recording._replace(features=recording.features[:-1])], 1, 0)
    with pytest.raises(InputError, match="too short for 99"):
        GapSampler([recording], 1, 0).batch(0, 1, 99)


def test_held_out_speech_is_not_trained_on(recording: Recording, tmp_path: Path) -> None:
    for name, part in (("a", "train"), ("a", "test"), ("b", "test"), ("a", "train@0.80")):
        (tmp_path / name).mkdir(exist_ok=True)
        np.save(tmp_path / name / f"{part}.features.npy", recording.features)
        np.save(tmp_path / name / f"{part}.pcm.npy", recording.pcm)
    assert len(load_recordings(tmp_path, "train", RDOVAE, {"a": 2.0})) == 2
    assert {r.weight for r in load_recordings(tmp_path, "train", RDOVAE, {"a": 2.0})} == {2.0}
    kept = sorted(path.name for path in tmp_path.glob("*/*.coded-*.npy"))
    assert [name.split(".coded")[0] for name in kept] == ["train", "train@0.80"]
    made = (tmp_path / "a" / kept[0]).stat().st_mtime_ns
    again = load_recordings(tmp_path, "train", RDOVAE)[0]
    assert (tmp_path / "a" / kept[0]).stat().st_mtime_ns == made  # coded once
    assert again.coded is not None
    assert np.array_equal(again.coded, recording.coded)
    assert len(load_recordings(tmp_path, "test", RDOVAE)) == 2
    with pytest.raises(InputError, match="does not exist"):
        load_recordings(tmp_path, "test", tmp_path / "none.safetensors")


@pytest.mark.parametrize("rows", [3, 16, 17])
def test_the_spectral_distance_in_c_equals_plain_torch(rows: int) -> None:
    draw = torch.Generator().manual_seed(rows)
    want = 0.1 * torch.randn(rows, 1500, generator=draw)
    got = want + 0.05 * torch.randn(rows, 1500, generator=draw)
    for window, hop in fargan_losses.RESOLUTIONS:
        weight = fargan_losses.frame_weights(1 + 1500 // hop, window, hop, 320, 320, 1.0)
        plain = got.clone().requires_grad_()
        expected = fargan_losses.distance(plain, want, weight, window, hop)
        expected.backward()
        fast = got.clone().requires_grad_()
        found = fargan_losses._Distance.apply(fast, want, weight, window, hop)
        (2 * found).backward()
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)
        assert (fast.grad - 2 * plain.grad).norm() < 2e-3 * plain.grad.norm()


def test_the_first_samples_after_real_ones_count_more() -> None:
    weight = fargan_losses.frame_weights(40, 64, 16, 320, 160, 1.0)
    assert weight.mean().item() == pytest.approx(1)
    assert weight[:18].eq(0).all()  # depend on nothing that was spoken
    assert weight[19] == weight[29] == 2 * weight[30] == 2 * weight[39] > 0
    want = torch.randn(2, 640, generator=torch.Generator().manual_seed(1))
    assert fargan_losses.spectral(want, want, 320).item() < 1e-6
    early, late = want.clone(), want.clone()
    early[:, 330:430] *= 0.5
    late[:, 510:610] *= 0.5
    assert fargan_losses.spectral(early, want, 320) > fargan_losses.spectral(late, want, 320)


def test_losses_that_are_no_numbers_are_one_line() -> None:
    bad = torch.full((2, 700), float("nan"))
    with pytest.raises(InputError, match="use a smaller --rate"):
        fargan_losses.spectral(bad, torch.zeros(2, 700), 320)


def test_critics_learn_to_tell_and_their_gradients_go_where_they_should() -> None:
    torch.manual_seed(1)
    critics = Critics(channels=4)
    optimiser = torch.optim.Adam(critics.parameters(), lr=1e-2)
    real = torch.sin(torch.arange(800) / 5).repeat(2, 1)
    spoken = 0.3 * torch.randn(2, 800)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss, inner = judge(critics, real, spoken, 0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    heard = spoken.clone().requires_grad_()
    critics.zero_grad()
    fooled, apart = persuade(critics, heard, inner, 0)
    (fooled + apart).backward()
    assert fooled.item() > 0.5
    assert apart.item() > 0
    assert heard.grad is not None
    assert heard.grad.abs().sum() > 0
    assert all(p.grad is None for p in critics.parameters())
    assert all(p.requires_grad for p in critics.parameters())


def test_a_few_steps_lower_the_loss(sampler: GapSampler) -> None:
    trainer = Trainer(SMALL, replace(SHORT, rate=5e-3, critics_from=1000))
    fixed = sampler.batch(0, 8, 3)

    def loss() -> float:
        with torch.no_grad():
            return losses_of(speak(trainer.model, fixed), fixed, SHORT)[1].item()

    before = loss()
    for step in range(40):
        trainer.advance(sampler.batch(step % 4, 8, 3))
    assert loss() < 0.8 * before
    assert set(trainer.averages) == {"spectral"}
    assert evaluate(trainer.smoothed(), sampler, batches=1, size=8) > 0


def test_rates_warm_up_change_with_critics_and_anneal() -> None:
    settings = Settings(
        steps=1000, rate=1e-3, persuaded_rate=1e-4, warm_up=10, anneal=100, critics_from=500
    )
    trainer = Trainer(SMALL, settings)

    def rates(step: int) -> tuple[float, float]:
        trainer.step = step
        return trainer.rate()

    assert rates(0)[0] == pytest.approx(1e-4)
    assert rates(400)[0] == pytest.approx(1e-3)
    assert rates(500)[0] == pytest.approx(1e-5)
    assert rates(600) == pytest.approx((1e-4, settings.critics_rate))
    assert rates(950) == pytest.approx((5e-5, settings.critics_rate / 2))
    assert rates(999)[0] == pytest.approx(1e-4 / 50)


def test_resuming_equals_never_stopping(sampler: GapSampler, tmp_path: Path) -> None:
    settings = replace(
        SHORT, steps=6, density=0.5, sparse_from=0, sparse_to=2, sparse_every=1, int8_from=4
    )
    whole = train(sampler, tmp_path / "whole", SMALL, settings)
    for steps in (1, 3, 6):
        part = train(sampler, tmp_path / "part", SMALL, replace(settings, steps=steps))
    assert part.step == whole.step == 6
    for name in ("model", "critics"):
        want, got = (getattr(t, name).state_dict() for t in (whole, part))
        assert all(torch.equal(want[key], got[key]) for key in want)
    assert whole.averages == part.averages
    assert {"spectral", "judge", "fooled", "matching"} == set(whole.averages)
    smooth, again = whole.smoothed().state_dict(), part.smoothed().state_dict()
    assert all(torch.equal(smooth[key], again[key]) for key in smooth)


def test_a_packed_state_goes_on_almost_as_if_nothing_happened(
    sampler: GapSampler, tmp_path: Path
) -> None:
    packed = tmp_path / "packed.safetensors"
    first = train(sampler, tmp_path / "first", SMALL, replace(SHORT, steps=3), pack=packed)
    resumed = train(sampler, tmp_path / "second", SMALL, SHORT, begin=packed)
    whole = train(sampler, tmp_path / "first", SMALL, SHORT)
    assert first.step == 3
    assert resumed.step == 4
    for name, value in whole.model.state_dict().items():
        assert torch.allclose(value, resumed.model.state_dict()[name], atol=2e-3), name
    save_packed(packed, KIND, whole.state(), PAIRS)
    again = Trainer(SMALL, SHORT)
    again.resume(packed)
    theirs, ours = again.critics.state_dict(), whole.critics.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_a_full_state_is_small_enough_to_commit(tmp_path: Path) -> None:
    trainer = Trainer(PRESETS["edge"], replace(SHORT, critics_from=0))
    for network, optimiser in (
        (trainer.model, trainer.optimiser),
        (trainer.critics, trainer.critics_optimiser),
    ):
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimiser.step()
    save_packed(tmp_path / "state.safetensors", KIND, trainer.state(), PAIRS)
    assert (tmp_path / "state.safetensors").stat().st_size < 6_000_000


def test_foreign_states_are_refused(sampler: GapSampler, tmp_path: Path) -> None:
    train(sampler, tmp_path, SMALL, replace(SHORT, steps=1))
    with pytest.raises(InputError, match="of other sizes"):
        train(sampler, tmp_path, replace(SMALL, skip=32), SHORT)
    (tmp_path / "state.pt").write_bytes(b"no")
    with pytest.raises(InputError, match="no training state"):
        train(sampler, tmp_path, SMALL, SHORT)
    with pytest.raises(InputError, match="nothing to resume from"):
        train(sampler, tmp_path / "new", SMALL, SHORT, begin=tmp_path / "none.safetensors")


def test_half_of_the_blocks_stay(sampler: GapSampler) -> None:
    settings = replace(
        SHORT, density=0.5, sparse_to=3, sparse_every=1, critics_from=99, int8_from=3
    )
    trainer = Trainer(SMALL, settings)
    for step in range(5):
        trainer.advance(sampler.batch(step, 8, 3))
    for name, weight in trainer.smoothed().int8_weights().items():
        mask = kept_mask(weight)
        if name == "sig_net_sig_dense_out":
            assert mask.all(), name
        else:
            assert mask.mean().item() == pytest.approx(0.5, abs=0.05), name
    assert trainer.model.rounded


def test_a_sparse_voice_stays_sparse(sampler: GapSampler, tmp_path: Path) -> None:
    settings = replace(SHORT, steps=3, density=0.5, sparse_to=2, sparse_every=1)
    sparse = train(sampler, tmp_path / "sparse", SMALL, settings).model
    more = replace(settings, sparse_to=0)
    further = train(sampler, tmp_path / "more", SMALL, more, voice=sparse.export()).model
    for name, weight in sparse.sparse_weights().items():
        after = further.sparse_weights()[name]
        assert torch.equal(kept_mask(weight), kept_mask(after)), name
        assert not torch.equal(weight, after), name


@pytest.fixture(scope="module")
def data(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as `dredkit train data` makes it, with the clip as its only speech."""
    folder = tmp_path_factory.mktemp("speech")
    (folder / "clip").mkdir()
    for part in ("train", "test"):
        np.save(folder / "clip" / f"{part}.pcm.npy", recording.pcm)
        np.save(folder / "clip" / f"{part}.features.npy", recording.features)
    return folder


def _run(*words: object) -> Result:
    return CliRunner().invoke(command, ["fargan", *(str(word) for word in words)])


def test_the_command_trains_exports_packs_and_evaluates(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = evaluate
    monkeypatch.setattr(fargan, "evaluate", lambda m, s: quick(m, s, batches=1, size=8))
    where = ("--data", data, "--state", tmp_path / "state", "--fresh")
    missing = _run(*where, "--evaluate")
    assert isinstance(missing.exception, InputError)
    assert "nothing to resume from" in str(missing.exception)
    voice, packed = tmp_path / "voice.safetensors", tmp_path / "packed.safetensors"
    more = ("--batch", 8, "--export", voice, "--pack", packed)
    done = _run(*where, "--steps", 1, *more, "--draw", "clip", 2, "--json", tmp_path / "1.json")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "1.json").read_text())
    assert found["steps"] == 1
    assert 0 < found["held_out"] < 3
    assert packed.stat().st_size > 1_000_000
    assert read_fargan(voice).sizes == PRESETS["edge"]
    scored = _run(*where, "--evaluate", "--json", tmp_path / "2.json")
    assert scored.exit_code == 0, scored.output
    assert json.loads((tmp_path / "2.json").read_text())["held_out"] == found["held_out"]
    other = ("--data", data, "--state", tmp_path / "other", "--batch", 8, "--steps", 1)
    begun = _run(*other, "--voice", voice)
    assert begun.exit_code == 0, begun.output
    own, mean = tmp_path / "own.safetensors", tmp_path / "mean.safetensors"
    begun_from = CHECKPOINTS / "fargan-edge.safetensors"
    twice = tmp_path / "twice.safetensors"
    two = ("--blend", voice, 0.25, "--blend", begun_from, 0.5)
    for words in ((own,), (mean, "--blend", voice, 0.25), (twice, *two)):
        exported = _run(*other[:4], "--steps", 1, "--export", *words)
        assert exported.exit_code == 0, exported.output
    mine, theirs, first = (_first_weights(path) for path in (own, voice, begun_from))
    assert not torch.equal(mine, theirs)
    assert torch.allclose(_first_weights(mean), mine + 0.25 * (theirs - mine), atol=1e-7)
    wanted = 0.25 * mine + 0.25 * theirs + 0.5 * first
    assert torch.allclose(_first_weights(twice), wanted, atol=1e-7)
    refused = _run(*other[:4], "--blend", voice, 0.75, "--blend", voice, 0.5)
    assert isinstance(refused.exception, InputError)
    assert "add up to 1.25: want at most 1" in str(refused.exception)


def _first_weights(path: Path) -> torch.Tensor:
    return next(read_fargan(path).parameters()).detach()


def test_the_command_refuses_absent_speech_and_other_voices(data: Path, tmp_path: Path) -> None:
    absent = _run("--data", tmp_path, "--state", tmp_path)
    assert isinstance(absent.exception, InputError)
    assert "dredkit train data" in str(absent.exception)
    wrong = _run("--data", data, "--state", tmp_path, "--voice", RDOVAE)
    assert isinstance(wrong.exception, InputError)
    assert "of another network" in str(wrong.exception)
    refused = _run("--data", data, "--density", 0)
    assert refused.exit_code == 2


def test_denormals_are_numbers_again_after_training() -> None:
    """Flushing is the state of a thread: whatever runs later in it would compute otherwise."""
    smallest = torch.tensor(1e-40)
    with fargan.denormals_flushed():
        assert float(smallest * 1.0) == 0.0
    assert float(smallest * 1.0) > 0.0

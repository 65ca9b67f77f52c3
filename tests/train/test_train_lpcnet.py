# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet training: the C loops against plain torch, and a small run that learns and resumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

import toolkit
from quantize.errors import InputError
from quantize.features import floats as extraction
from quantize.networks.blocks import block_mask, density_at
from quantize.networks.lpcnet import Lpcnet, Sizes
from quantize.networks.lpcnet_voice import from_mulaw, synthesise, to_mulaw
from quantize.train.lpcnet.data import SpeechSampler
from quantize.train.lpcnet.loop import (
    Settings,
    Trainer,
    batches,
    evaluate,
    loss_of,
    train,
)
from quantize.train.lpcnet.ops import sample_gru, teacher, tree_loss
from quantize.train.state import save_packed, save_state

SMALL = Sizes(conditioning=16, gru_a=32, gru_b=16, pitch=4, embedding=8)
SHORT = Settings(steps=6, batch=8, frames=2, warm_up=1, save_every=1e9)


@pytest.fixture(scope="module")
def sampler() -> SpeechSampler:
    """Return the shipped clip as the only recording."""
    clip = Path(toolkit.__file__).parent / "data" / "clip.wav"
    pcm = soundfile.read(clip, dtype="int16")[0]
    return SpeechSampler([(pcm, extraction.extract(pcm, delay=0))], 1)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _plain_gru(gates: Tensor, u: Tensor, bias: Tensor) -> Tensor:
    state, out = torch.zeros(gates.shape[1], u.shape[1]), []
    for row in gates:
        (xz, xr, xh), (sz, sr, sh) = row.chunk(3, 1), (state @ u.t() + bias).chunk(3, 1)
        z, r = torch.sigmoid(xz + sz), torch.sigmoid(xr + sr)
        state = z * state + (1 - z) * torch.tanh(xh + r * sh)
        out.append(state)
    return torch.stack(out)


@pytest.mark.parametrize(("units", "batch"), [(16, 8), (32, 8), (48, 8), (16, 32), (128, 32)])
def test_the_gru_and_its_gradients_equal_plain_torch(units: int, batch: int) -> None:
    draw = torch.Generator().manual_seed(units)
    steps, hop, gates = 9, 3, 3 * units
    exact = batch % 16 != 0  # otherwise a CPU with matrix tiles rounds factors to bfloat16

    def random(*shape: int) -> Tensor:
        return (torch.randn(*shape, generator=draw) * 0.5).requires_grad_()

    cond, dense, tables = (
        random(3, batch, gates),
        random(steps, batch, gates),
        random(3, 256, gates),
    )
    bias = random(gates)
    u = (torch.randn(gates, units, generator=draw) / units**0.5).requires_grad_()
    index = torch.randint(256, (steps, batch, 3), generator=draw, dtype=torch.uint8)
    weight = torch.randn(steps, batch, units, generator=draw)
    leaves = (cond, dense, tables, u, bias)

    picked = sum(tables[k][index[:, :, k].long()] for k in range(3))
    plain = _plain_gru(cond.repeat_interleave(hop, 0) + dense + picked, u, bias)
    want = torch.autograd.grad((plain * weight).sum(), leaves)
    fused = sample_gru(cond, u, bias, steps, dense=dense, tables=tables, index=index)
    got = torch.autograd.grad((fused * weight).sum(), leaves)
    assert torch.allclose(fused, plain, atol=2e-6 if exact else 5e-2)
    for one, other in zip(got, want, strict=True):
        assert (one - other).norm() < (1e-4 if exact else 2e-2) * other.norm()


def test_the_tree_loss_and_its_gradients_equal_plain_torch() -> None:
    draw = torch.Generator().manual_seed(1)
    x, w, b, a = (
        torch.randn(*shape, generator=draw).requires_grad_()
        for shape in ((20, 3, 16), (256, 2, 16), (256, 2), (256, 2))
    )
    target = torch.randint(256, (20, 3), generator=draw, dtype=torch.uint8)
    logits = (a * torch.tanh(torch.einsum("tbu,nku->tbnk", x, w) + b)).sum(-1)
    plain = torch.zeros(())
    node = torch.ones(20, 3, dtype=torch.long)
    for depth in range(8):
        bit = (target.long() >> (7 - depth)) & 1
        chosen = logits.gather(2, node[..., None])[..., 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        plain = plain + loss(chosen, bit.float())
        node = 2 * node + bit
    want = torch.autograd.grad(plain, (x, w, b, a))
    fused = tree_loss(x, w, b, a, target)
    got = torch.autograd.grad(fused, (x, w, b, a))
    assert fused.item() == pytest.approx(plain.item(), rel=1e-5)
    for one, other in zip(got, want, strict=True):
        assert torch.allclose(one, other, atol=1e-6, rtol=1e-3)


def test_without_noise_the_teacher_rebuilds_the_signal() -> None:
    rng = np.random.default_rng(2)
    signal = (1000 * np.sin(np.arange(16 + 320) / 9)[None] + rng.normal(0, 20, (8, 336))).astype(
        "f4"
    )
    lpc = np.zeros((8, 2, 16), np.float32)
    lpc[:, :, 0] = -0.9
    index, target = teacher(signal, lpc, np.zeros((8, 320), np.int8))
    past = signal[0, 15]
    for t in range(320):
        assert abs(int(index[t, 0, 0]) - to_mulaw(past)) <= 1
        prediction = 0.9 * past
        assert abs(int(index[t, 0, 1]) - to_mulaw(prediction)) <= 1
        past = prediction + from_mulaw(int(target[t, 0]))
        excitation = abs(signal[0, 16 + t] - prediction)
        half_step = 0.5 * (np.log(256) / 128) * (1.05 * excitation + 129)
        assert abs(past - signal[0, 16 + t]) < half_step
    assert torch.equal(index[1:, :, 2], target[:-1])


def test_mu_law_codes_return_themselves() -> None:
    assert [to_mulaw(from_mulaw(code)) for code in range(256)] == list(range(256))
    assert from_mulaw(128) == 0


def test_a_few_steps_lower_the_loss(sampler: SpeechSampler) -> None:
    trainer = Trainer(SMALL, replace(SHORT, rate=1e-2))
    fixed = sampler.batch(0, 8, 2)
    before = loss_of(trainer.model, fixed).item()
    for step in range(12):
        trainer.advance(sampler.batch(step, 8, 2))
    after = loss_of(trainer.model, fixed).item()
    assert before == pytest.approx(np.log(256), abs=0.6)  # as good as guessing
    assert after < before - 0.3
    assert evaluate(trainer.model, sampler, batches=1, size=8) < before


def test_the_rate_warms_up_falls_and_anneals() -> None:
    trainer = Trainer(SMALL, Settings(steps=1000, rate=1e-3, decay=1e-3, warm_up=10, anneal=100))

    def rate(step: int) -> float:
        trainer.step = step
        return trainer.rate()

    assert rate(0) == pytest.approx(1e-4)
    assert rate(500) == pytest.approx(1e-3 / 1.5)
    assert rate(950) == pytest.approx(0.5e-3 / 1.95)
    assert rate(999) == pytest.approx(1e-5 / 1.999)


def test_workers_make_the_same_batches(sampler: SpeechSampler) -> None:
    want = [sampler.batch(step, 8, 2) for step in range(2, 6)]
    for workers in (0, 2):
        got = list(batches(sampler, 2, SHORT, workers))
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert all(torch.equal(x, y) for x, y in zip(one, other, strict=True))
    assert list(batches(sampler, 7, SHORT)) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_one_line() -> None:
    with pytest.raises(InputError, match="torch finds no GPU here; take --device cpu"):
        Trainer(SMALL, SHORT, "cuda")


def test_resuming_equals_never_stopping(sampler: SpeechSampler, tmp_path: Path) -> None:
    settings = replace(SHORT, sparse_from=1, sparse_to=5, sparse_every=1, int8_from=4)
    whole = train(sampler, tmp_path / "whole", SMALL, settings)
    train(sampler, tmp_path / "part", SMALL, replace(settings, steps=3))
    resumed = train(sampler, tmp_path / "part", SMALL, settings)
    assert resumed.step == whole.step == 6
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_packed_state_goes_on_almost_as_if_nothing_happened(
    sampler: SpeechSampler, tmp_path: Path
) -> None:
    first = train(sampler, tmp_path / "first", SMALL, replace(SHORT, steps=3))
    packed = tmp_path / "small.state.safetensors"
    save_packed(packed, "lpcnet", first.state())
    assert packed.stat().st_size < 0.75 * (tmp_path / "first" / "state.pt").stat().st_size
    resumed = train(sampler, tmp_path / "second", SMALL, SHORT, begin=packed)
    whole = train(sampler, tmp_path / "first", SMALL, SHORT)
    assert resumed.step == 6
    for name, value in whole.model.state_dict().items():
        assert torch.allclose(value, resumed.model.state_dict()[name], atol=2e-3), name
    packed.write_bytes(packed.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a training state, or damaged"):
        train(sampler, tmp_path / "third", SMALL, SHORT, begin=packed)


def test_the_recurrent_weights_end_as_sparse_as_asked(sampler: SpeechSampler) -> None:
    settings = replace(SHORT, sparse_from=1, sparse_to=4, sparse_every=1)
    trainer = Trainer(SMALL, settings)
    for step in range(6):
        trainer.advance(sampler.batch(step, 8, 2))
    pairs = list(zip(trainer.model.a.weight.chunk(3), SMALL.density, strict=True))
    for weight, density in [*pairs, (trainer.model.a_to_b.weight, SMALL.density_b)]:
        blocks = weight.reshape(-1, 8, 8, 4).abs().sum((1, 3))
        assert (blocks > 0).float().mean().item() == pytest.approx(density, abs=0.03)


def test_what_was_dropped_grows_again(sampler: SpeechSampler, tmp_path: Path) -> None:
    settings = replace(SHORT, sparse_from=1, sparse_to=5, sparse_every=1)
    trainer = train(sampler, tmp_path / "one", SMALL, settings)
    dropped = trainer.model.a.weight == 0
    assert dropped.any()
    save_packed(tmp_path / "begin.safetensors", "lpcnet", trainer.state())
    later = replace(SHORT, steps=8, sparse_from=100, sparse_to=200)
    begin = tmp_path / "begin.safetensors"
    kept = train(sampler, tmp_path / "two", SMALL, later, begin=begin)
    assert (kept.model.a.weight[dropped] == 0).all()
    grown = train(sampler, tmp_path / "three", SMALL, later, begin=begin, regrow=True)
    assert (grown.model.a.weight[dropped] != 0).float().mean() > 0.9


def test_density_falls_from_one_to_the_target() -> None:
    values = [density_at(step, 0.2, 100, 200) for step in (0, 100, 150, 200, 900)]
    assert values == pytest.approx([1, 1, 0.3, 0.2, 0.2])


def test_the_mask_keeps_the_strongest_blocks() -> None:
    weight = torch.full((16, 8), 0.1)
    weight[8:, 4:] = 1
    mask = block_mask(weight, 0.25)
    assert mask[8:, 4:].min() == 1
    assert mask.sum() == 32


def test_the_voice_speaks_and_repeats_itself(sampler: SpeechSampler) -> None:
    torch.manual_seed(3)
    model = Lpcnet(SMALL)
    features = np.array(sampler.recordings[0][1][100:103])
    pcm = synthesise(model, features, seed=4)
    assert pcm.dtype == np.int16
    assert pcm.shape == (480,)
    assert np.array_equal(pcm, synthesise(model, features, seed=4))
    assert not np.array_equal(pcm, synthesise(model, features, seed=5))


def test_the_voice_computes_what_training_computes(sampler: SpeechSampler) -> None:
    """The same network, stepped in numpy with the teacher's codes, gives the states of training."""
    torch.manual_seed(5)
    model = Lpcnet(SMALL)
    batch = sampler.batch(3, 8, 2)
    with torch.no_grad():
        cond = model.condition(batch.features).transpose(0, 1).contiguous()
        gates = model.cond_to_a(cond).repeat_interleave(160, 0)
        tables = model.tables()
        gates = gates + sum(tables[k][batch.heard[:, :, k].long()] for k in range(3))
        a = _plain_gru(gates, model.a.weight, model.a.bias)
        dense = model.a_to_b(a) + model.cond_to_b(cond).repeat_interleave(160, 0)
        b = _plain_gru(dense, model.b.weight, model.b.bias)
        tree = (model.tree_weight, model.tree_bias, model.tree_scale)
        want = tree_loss(b, *tree, batch.target).item()
        assert loss_of(model, batch).item() == pytest.approx(want, rel=1e-5)


def test_foreign_and_damaged_states_are_one_line(sampler: SpeechSampler, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(b"garbage")
    with pytest.raises(InputError, match="is no training state"):
        train(sampler, tmp_path, SMALL, SHORT)
    save_state(path, "rdovae", {})
    with pytest.raises(InputError, match="not a training state of lpcnet"):
        train(sampler, tmp_path, SMALL, SHORT)
    save_state(path, "lpcnet", {"step": 1})
    with pytest.raises(InputError, match="no LPCNet sizes"):
        train(sampler, tmp_path, SMALL, SHORT)
    save_state(path, "lpcnet", Trainer(replace(SMALL, gru_a=48), SHORT).state())
    with pytest.raises(InputError, match="of other sizes"):
        train(sampler, tmp_path, SMALL, SHORT)
    with pytest.raises(InputError, match="multiples of 8 and 16"):
        loss_of(Lpcnet(SMALL), sampler.batch(0, 4, 2))
    with pytest.raises(InputError, match="differ in length"):
        SpeechSampler([(np.zeros(1600, np.int16), np.zeros((9, 20), np.float32))], 1)


def test_what_ships_is_the_mean_of_the_last_steps_and_as_sparse(sampler: SpeechSampler) -> None:
    settings = replace(SHORT, sparse_from=1, sparse_to=4, sparse_every=1, smoothing=0.5)
    trainer = Trainer(SMALL, settings)
    seen = []
    for step in range(6):
        trainer.advance(sampler.batch(step, 8, 2))
        seen.append(trainer.model.dense1.weight.detach().clone())
    want = seen[0]
    for weight in seen[1:]:
        want = 0.5 * want + 0.5 * weight
    smooth = trainer.smoothed()
    assert torch.allclose(smooth.dense1.weight, want, atol=1e-6)
    assert not torch.equal(smooth.dense1.weight, seen[-1])
    assert torch.equal(smooth.a.weight != 0, trainer.mask != 0)
    again = Trainer(SMALL, settings)
    assert torch.equal(again.smoothed().dense1.weight, again.model.dense1.weight)

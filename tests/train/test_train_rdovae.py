# SPDX-License-Identifier: BSD-3-Clause
"""A small RDO-VAE training: it learns, resumes exactly, and refuses foreign files by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from quantize.errors import InputError
from quantize.networks.blocks import kept_blocks
from quantize.networks.rdovae import DENSITY, RdovaeEncoder
from quantize.train.fake_quant import int8_rows, quantised
from quantize.train.rdovae import rate
from quantize.train.rdovae.loop import (
    RATES,
    Rdovae,
    Settings,
    Trainer,
    distortion,
    first_prices,
    loss_of,
    packets,
    train,
)
from quantize.train.rdovae.score import (
    evaluate,
    freeze,
    load_checkpoint,
    save_checkpoint,
    thaw,
)
from quantize.train.recordings import Sampler, load_features
from quantize.train.state import load_state, save_state
from toolkit.common.paths import ROOT
from toolkit.models.importers.checkpoint import read_checkpoint

SHIPPED = ROOT / "quantize" / "checkpoints" / "rdovae.safetensors"
TINY = Settings(steps=6, batch=2, frames=100, save_every=1e9)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Return six seconds of features that move like speech: slow, correlated, partly voiced."""
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 0.15, (600, 20)), 0)
    features = np.asarray(walk - walk.mean(0), np.float32)
    features[:, 18] = np.clip(0.3 * features[:, 18], -1.5, 1.48)
    features[:, 19] = np.clip(features[:, 19], -0.5, 0.5)
    return features


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_few_steps_lower_the_loss(speech: np.ndarray, tmp_path: Path) -> None:
    settings = replace(TINY, steps=20, rate=1e-2, warm_up=1)
    batch = torch.from_numpy(speech[:200].copy())[None]

    def loss(model: Rdovae) -> float:
        draw = torch.Generator().manual_seed(5)
        prices = first_prices()
        return loss_of(model, batch, prices, settings, draw, hard=True)[0].item()

    begun = train([speech], tmp_path / "begun", replace(settings, steps=1, rate=0.0))
    trained = train([speech], tmp_path / "trained", settings)
    assert loss(trained.model) < 0.9 * loss(begun.model)


def test_resuming_equals_never_stopping(speech: np.ndarray, tmp_path: Path) -> None:
    whole = train([speech], tmp_path / "whole", TINY)
    seen: list[int] = []

    class Stop(Exception):
        pass

    def stop(trainer: Trainer) -> None:
        seen.append(trainer.step)
        if trainer.step == 4:
            raise Stop

    part = replace(TINY, save_every=0.0)  # saves after every step: 3 are kept, step 4 is lost
    with pytest.raises(Stop):
        train([speech], tmp_path / "part", part, note=stop)
    resumed = train([speech], tmp_path / "part", part, note=lambda t: seen.append(t.step))
    assert resumed.step == 6
    assert seen == [1, 2, 3, 4, 4, 5, 6]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_packets_pair_each_latent_with_its_four_frames() -> None:
    frames = torch.arange(200.0)[None, :, None].repeat(1, 1, 20)
    steps = torch.arange(100.0)[None, :, None]
    target, latents, states = packets(frames, steps, steps)
    assert target.shape == (2, 25, 80)
    # Encoder step p has frames 2p and 2p + 1; its chunk is 2p + 1, 2p, 2p - 1, 2p - 2.
    for packet in range(2):
        assert states[packet, 0] == latents[packet, 0, 0] == 49 + 50 * packet
        for chunk in range(25):
            step = latents[packet, chunk, 0]
            got = target[packet, chunk].view(4, 20)[:, 0]
            assert got.tolist() == [2 * step + 1 - k for k in range(4)]


def test_the_level_law_is_the_wire_s() -> None:
    law = rate.level_law(torch.tensor([6, 9, 0]), torch.tensor([5, 3, 0]), 26)
    want = [min(15, 6 + (8 * c + 8) // 16) for c in range(26)]
    assert law[0].tolist() == want
    assert law[1].tolist() == [min(15, 9 + (4 * c + 8) // 16) for c in range(26)]
    assert law[2].tolist() == [0] * 26


def test_bits_are_those_of_the_laplace_code() -> None:
    table = rate.Table(*(torch.tensor([value]) for value in (1.0, 0.0, 0.25, 0.5)))
    got = rate.bits(torch.tensor([0.0, 1.0, -3.0]), table)
    chances = torch.tensor([0.5, 0.25 * 0.75, 0.25 * 0.75 * 0.25**2])
    assert torch.allclose(got, -torch.log2(chances))


def test_fitted_tables_code_their_symbols_well() -> None:
    rng = torch.Generator().manual_seed(1)
    size = (torch.rand(20000, generator=rng).log() / np.log(0.4)).floor() + 1
    sign = torch.where(torch.rand(20000, generator=rng) < 0.5, -1.0, 1.0)
    symbols = (size * sign * (torch.rand(20000, generator=rng) < 0.3))[:, None]
    p0, r = rate.fit(torch.cat([symbols, torch.zeros_like(symbols)], 1))
    assert p0[0] / 256 == pytest.approx(0.7, abs=0.01)
    assert r[0] / 256 == pytest.approx(0.4, abs=0.02)
    assert (p0[1].item(), r[1].item()) == (255, 0)  # always zero, so the payload skips it


def test_int8_rows_are_int8_and_pairs_fit_129() -> None:
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(2))
    rounded = int8_rows(weight)
    pairs = (weight[:, 0::2] + weight[:, 1::2]).abs().amax(1) / 129
    step = torch.maximum(weight.abs().amax(1) / 127, pairs)[:, None]
    codes = rounded / step
    assert torch.allclose(codes, codes.round(), atol=1e-3)
    assert codes.abs().max() <= 127.001
    assert (codes[:, 0::2] + codes[:, 1::2]).abs().max() <= 130.01  # 129, and half a step each


def test_rounded_weights_are_put_back() -> None:
    linear = torch.nn.Linear(8, 8)
    before = linear.weight.detach().clone()
    with quantised([linear.weight]):
        assert not torch.equal(linear.weight, before)
    assert torch.equal(linear.weight, before)


def test_pitch_errors_count_where_there_is_voice() -> None:
    want = torch.zeros(1, 20)
    got = want.clone()
    got[0, 18] = 0.3
    silent, voiced = want.clone(), want.clone()
    silent[0, 19], voiced[0, 19] = -0.5, 0.5
    quiet = distortion(got + silent, silent, Settings())
    assert distortion(got + voiced, voiced, Settings()) > 50 * quiet


def test_a_checkpoint_round_trips_and_scores(speech: np.ndarray, tmp_path: Path) -> None:
    torch.manual_seed(7)
    frozen = freeze(Rdovae(), Sampler([speech], 100, 1), batches=1)
    path = tmp_path / "rdovae.safetensors"
    save_checkpoint(path, frozen, {"steps": "0"})
    loaded = load_checkpoint(path)
    assert torch.equal(loaded.encoder.zdense.weight, frozen.encoder.zdense.weight)
    rows = evaluate(loaded, speech)
    assert rows == evaluate(frozen, speech)
    assert [row["level"] for row in rows] == list(range(16))
    assert all(row["bits_per_s"] >= 0 and row["db"] > 0 for row in rows)


def test_foreign_and_damaged_files_are_one_line(speech: np.ndarray, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    state.write_bytes(b"not a training state")
    with pytest.raises(InputError, match="is no training state") as caught:
        train([speech], tmp_path, TINY)
    assert "\n" not in str(caught.value)
    save_state(state, "lpcnet", {"model": {}})
    with pytest.raises(InputError, match="not a training state of rdovae"):
        train([speech], tmp_path, TINY)
    save_state(state, "rdovae", {"model": {}, "optimiser": {}, "step": 1})
    with pytest.raises(InputError, match="of another network"):
        train([speech], tmp_path, TINY)
    with pytest.raises(InputError, match="does not exist"):
        load_state(tmp_path / "none.pt", "rdovae")
    model = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="does not exist"):
        load_checkpoint(model)
    model.write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="not a safetensors"):
        load_checkpoint(model)


def test_a_checkpoint_without_tables_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from quantize.networks.layers import export_layers
    from quantize.networks.rdovae import RdovaeDecoder

    layers = {**RdovaeEncoder().layers(), **RdovaeDecoder().layers()}
    path = tmp_path / "model.safetensors"
    save_file(export_layers(layers), path)
    with pytest.raises(InputError, match="no quantiser table latent_scale"):
        load_checkpoint(path)


def test_missing_speech_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dredkit train data"):
        load_features(tmp_path, "train")


def test_training_drops_blocks_down_to_their_share(speech: np.ndarray, tmp_path: Path) -> None:
    trained = train([speech], tmp_path, replace(TINY, sparse_every=1, sparse_share=0.5))
    for name, weight in trained.model.sparse_weights().items():
        kept = kept_blocks(weight)
        assert kept.float().mean() == pytest.approx(DENSITY[name], abs=1 / kept.numel()), name
    dense = trained.model.layers()["enc_gru1_recurrent"].weight
    assert kept_blocks(dense).all()


def test_a_checkpoint_marks_the_kept_blocks(speech: np.ndarray, tmp_path: Path) -> None:
    trained = train([speech], tmp_path, replace(TINY, sparse_every=1, sparse_share=0.5))
    path = tmp_path / "made.safetensors"
    save_checkpoint(path, freeze(trained.model, Sampler([speech], 100, 1), batches=1), {})
    layers = read_checkpoint(path)
    for name, density in DENSITY.items():
        blocks = layers[name].blocks
        assert blocks is not None
        assert blocks.mean() == pytest.approx(density, abs=1 / blocks.size)
    assert layers["enc_zdense"].blocks is None


def test_prices_rise_where_a_level_spends_too_much() -> None:
    made = Trainer(TINY)
    before = made.prices.clone()
    rates = torch.tensor(RATES)
    rates[3] *= 1.5
    rates[8] = 0  # was not drawn
    rates[12] *= 0.5
    made._set_prices(rates)
    change = made.prices - before
    assert change[3] == pytest.approx(0.5 * TINY.price_rate, rel=1e-3)
    assert change[12] == pytest.approx(-0.5 * TINY.price_rate, rel=1e-3)
    others = [level for level in range(16) if level not in (3, 12)]
    assert torch.all(change[others] == 0)


def test_starting_from_a_checkpoint_changes_no_symbol(speech: np.ndarray) -> None:
    shipped = load_checkpoint(SHIPPED)
    model = Rdovae()
    thaw(model, shipped)
    steps = torch.from_numpy(speech[:200].copy()).reshape(1, -1, 40)
    with torch.no_grad():
        old, _, _ = shipped.encoder(steps)
        new, _, _ = model.encoder(steps)
        table = model.latent_table.table()
        for level in (0, 7, 15):
            want = shipped.symbols("latent", old, level)
            got = torch.floor(0.5 + rate.squeeze(new, table.at(torch.tensor(level))))
            coded = shipped.table("latent").r[level] > 0
            assert torch.equal(got[..., coded], want[..., coded])


def test_a_packed_state_goes_on(speech: np.ndarray, tmp_path: Path) -> None:
    packed = tmp_path / "rdovae.state.safetensors"
    half = replace(TINY, sparse_every=1, sparse_share=0.5)
    begun = train([speech], tmp_path / "a", replace(half, steps=4), pack=packed)
    resumed = train([speech], tmp_path / "b", replace(half, steps=4), packed=packed)
    assert resumed.step == 4
    for name, value in begun.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert torch.equal(begun.prices, resumed.prices)
    gone_on = train([speech], tmp_path / "b", half)
    assert gone_on.step == 6

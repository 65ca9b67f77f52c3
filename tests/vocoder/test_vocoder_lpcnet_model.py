# SPDX-License-Identifier: BSD-3-Clause
"""The quantised LPCNet as a file, refused files, and the exact tables of the sample loop."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantize.errors import InputError
from quantize.networks.lpcnet import Lpcnet, Sizes
from quantize.networks.lpcnet_voice import from_mulaw, to_mulaw
from quantize.vocoder.lpcnet import cells
from quantize.vocoder.lpcnet.check import check
from quantize.vocoder.lpcnet.model import LpcnetModel
from quantize.vocoder.lpcnet.parts import BlockMatrix
from quantize.vocoder.lpcnet.quantise import quantise_lpcnet
from tests.support.lpcnet_models import random_tensors, random_voice

SOURCE = {"name": "a test"}


def test_codes_are_those_of_the_float_voice() -> None:
    x = np.arange(-70000, 70001)
    some = np.concatenate(
        [x[::37], cells.LEVELS, cells.LEVELS - 1, -cells.LEVELS, 1 - cells.LEVELS]
    )
    assert cells.encoded(some).tolist() == [to_mulaw(float(value)) for value in some]
    floats = np.array([from_mulaw(code) for code in range(256)])
    assert np.abs(cells.DECODED - floats).max() <= 0.5
    assert cells.encoded(cells.DECODED).tolist() == list(range(256))


def test_activations_are_near_and_bounded() -> None:
    pre = np.arange(-(12 << 14), 12 << 14, 7)
    real = pre / 2.0**14
    assert np.abs(cells.tanh(pre, 14) / 2.0**15 - np.tanh(real)).max() < 1 / 512 + 1e-4
    assert np.abs(cells.sigmoid(pre, 14) / 2.0**15 - 1 / (1 + np.exp(-real))).max() < 1 / 1000
    assert cells.tanh(pre, 14).max() == -cells.tanh(pre, 14).min() == 32746


def test_a_state_stays_between_the_old_one_and_the_candidate() -> None:
    rng = np.random.default_rng(1)
    state = rng.choice([-32746, -1, 0, 1, 32746], (50, 8))
    for _ in range(20):
        gates, products = rng.integers(-(1 << 18), 1 << 18, (2, 50, 24))
        state = cells.gru(gates, products, state, 14)
        assert np.abs(state).max() <= 32746


def test_thresholds_leave_both_tails_out() -> None:
    draws = [cells.threshold(draw, 819) for draw in (0, 1, 16384, 32767)]
    assert draws == [819, 819, 16384, 31948]
    assert [cells.threshold(draw, 0) for draw in (0, 77, 32767)] == [0, 77, 32767]


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    model = random_voice(1)
    path = tmp_path / "voice.dkv"
    model.save(path)
    again = LpcnetModel.load(path)
    assert again.to_bytes() == model.to_bytes() == path.read_bytes()
    assert again.hash == model.hash != random_voice(2).hash
    assert again.source["name"] == "seed 1"
    assert again.a.macs == 32 * int(again.a.blocks.sum()) < again.a.weights.size


def test_weights_of_the_float_network_are_taken() -> None:
    network = Lpcnet(Sizes(conditioning=8, gru_a=16, gru_b=16, pitch=3, embedding=4))
    tensors = {name: tensor.numpy() for name, tensor in network.export().items()}
    model = quantise_lpcnet(tensors, SOURCE)
    assert (model.units_a, model.units_b, model.pitch.shape) == (16, 16, (225, 3))
    tables = model.tables * model.table_scale.astype(float) / 2.0 ** (7 + model.frac)
    error = np.abs(tables - network.tables().detach().numpy())
    assert np.all(error <= model.table_scale * 0.501 / 2.0 ** (7 + model.frac))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("gru_a_recurrent.weight", np.zeros((48, 17)), "want 3 n x n, n in eights"),
        ("dual_fc.scale", np.zeros((256, 3)), r"dual_fc.scale is \[256, 3\]"),
        ("embed_signal.weight", np.zeros((256, 47)), "embed_signal.weight is"),
        ("feature_conv2.weight", np.zeros((12, 35)), "feature_conv2"),
        ("gru_b_recurrent.weight", np.full((24, 8), 9.0), "a weight of the GRUs reaches 9"),
        ("gru_a_input.bias", np.full(48, np.nan), "NaN or infinite"),
        ("embed_prediction.weight", np.full((256, 48), 1e4), "an embedding is too large"),
        ("gru_a_recurrent.bias", np.full(48, 1e7), "a bias reaches"),
        ("dual_fc.bias", np.full((256, 2), 1e6), "dual_fc.weight reaches"),
    ],
)
def test_weights_that_are_no_voice_are_refused(name: str, value: Any, words: str) -> None:
    tensors = random_tensors(3)
    tensors[name] = value
    with pytest.raises(InputError, match=words):
        quantise_lpcnet(tensors, SOURCE)
    del tensors[name]
    with pytest.raises(InputError, match=f"no {name}"):
        quantise_lpcnet(tensors, SOURCE)


def _outside(model: LpcnetModel) -> BlockMatrix:
    blocks = model.a.blocks.copy()
    blocks[np.unravel_index(np.argmax(blocks), blocks.shape)] = False
    return replace(model.a, blocks=blocks)


def test_damaged_models_are_refused() -> None:
    model = random_voice(4)
    wide = model.table_scale.copy()
    wide[0] = -32768
    for changed, words in (
        (replace(model, tail=9000), "tail is 9000"),
        (replace(model, frac=10), "frac is 10"),
        (replace(model, a=_outside(model)), "outside the kept blocks"),
        (replace(model, tables=model.tables[:2]), "tables is int8"),
        (replace(model, pitch=model.pitch.astype(np.int32)), "pitch is int32"),
        (replace(model, table_scale=wide), "reaches -32768"),
        (replace(model, condition=random_voice(4, width=13, b=16).condition), "does not belong"),
        (replace(model, a_bias=np.full_like(model.a_bias, 2**31 - 1)), "GRU A: a sum can reach"),
        (replace(model, tree_bias=np.full_like(model.tree_bias, 2**31 - 1)), "the tree: a sum"),
    ):
        with pytest.raises(InputError, match=words):
            check(changed)
        with pytest.raises(InputError, match=r"^here: .*again$"):
            LpcnetModel.from_bytes(changed.to_bytes(), "here")


def test_other_files_are_refused(tmp_path: Path) -> None:
    data = random_voice(5).to_bytes()
    for bad in (b"", b"x" * 100, data[:-1], data.replace(b"dredkit-lpcnet-1", b"dredkit-lpcnet-9")):
        with pytest.raises(InputError, match="here"):
            LpcnetModel.from_bytes(bad, "here")
    with pytest.raises(InputError, match="without 'tables'"):
        LpcnetModel.from_bytes(data.replace(b'"tables"', b'"tablex"'), "here")
    with pytest.raises(InputError, match="no such quantised voice"):
        LpcnetModel.load(tmp_path / "none")

# SPDX-License-Identifier: BSD-3-Clause
"""A quantised FARGAN: its file, what it refuses, and the pieces of its arithmetic."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantize.errors import InputError
from quantize.vocoder.fargan import cells
from quantize.vocoder.fargan.model import FarganModel
from quantize.vocoder.fargan.parts import EMBEDDING, OPUS
from quantize.vocoder.fargan.quantise import quantise_fargan
from quantize.vocoder.voices import networks_of, read_voice, voice_bytes, voice_name
from tests.support.fargan_models import SMALL, random_fargan, random_layers


def test_a_file_gives_the_model_back(tmp_path: Path) -> None:
    model = random_fargan(1)
    model.save(tmp_path / "voice")
    again = FarganModel.load(tmp_path / "voice")
    assert again.to_bytes() == model.to_bytes()
    assert again.topology == SMALL
    assert read_voice(voice_bytes(model), "it").to_bytes() == model.to_bytes()  # type: ignore[union-attr]
    assert voice_name(model) == "fargan"
    assert [n.graph.name for n in networks_of(model)] == ["fargan_condition", "fargan_step"]


def test_int8_weights_stay_as_they_are() -> None:
    layers = random_layers(2, OPUS, whole=True)
    model = quantise_fargan(layers, {"name": "it"})
    kept = 0
    for network in model.networks:
        for name, matrix in network.matrices.items():
            if layers[name].int8 is not None:
                assert np.array_equal(matrix.weights, layers[name].int8)
                kept += 1
    assert kept == 16
    assert 4 * sum(m.macs for m in model.step.matrices.values()) == 2_985_280


def test_what_is_no_voice_is_refused() -> None:
    layers = random_layers(4)
    for name in ("sig_net_gru2_recurrent", "cond_net_fdense1", EMBEDDING):
        rest = {key: layer for key, layer in layers.items() if key != name}
        with pytest.raises(InputError, match=f"it: layer {name} is missing"):
            quantise_fargan(rest, {"name": "it"})
    short = replace(layers[EMBEDDING], matrix=layers[EMBEDDING].matrix[1:], bias=np.zeros(223))
    with pytest.raises(InputError, match="has 223 rows, expected 224"):
        quantise_fargan({**layers, EMBEDDING: short}, {"name": "it"})
    loud = replace(layers[EMBEDDING], matrix=layers[EMBEDDING].matrix * 1000)
    with pytest.raises(InputError, match="want less than 32"):
        quantise_fargan({**layers, EMBEDDING: loud}, {"name": "it"})
    with pytest.raises(InputError, match="a layer of 12: want multiples of 8"):
        quantise_fargan(random_layers(5, replace(SMALL, skip=12)), {"name": "it"})
    with pytest.raises(InputError, match="6 noise inputs: want a multiple of 4"):
        quantise_fargan(random_layers(5, replace(SMALL, noise=6)), {"name": "it"})


def test_a_damaged_file_is_refused() -> None:
    model = random_fargan(6)
    other = random_fargan(6, replace(SMALL, conv=24))
    for wrong, message in (
        (replace(model, condition=other.step), "are not FARGAN's: no 'features'"),
        (replace(model, periods=model.periods[1:]), r"int16\[223, 3\], expected int16\[224, 3\]"),
        (replace(model, periods=model.periods.astype(np.int32)), "embedding is int32"),
        (replace(model, step=random_fargan(6, replace(SMALL, conditioning=24)).step), "of one"),
    ):
        with pytest.raises(InputError, match=message):
            FarganModel.from_bytes(wrong.to_bytes(), "it")
    with pytest.raises(InputError, match="not a quantised FARGAN"):
        FarganModel.from_bytes(b"nothing", "it")


def test_gain_and_its_reciprocal_keep_their_bounds() -> None:
    logarithm = np.arange(-32768, 32768)
    mantissa, exponent = cells.gain(logarithm)
    found = mantissa * 2.0 ** (exponent - 14)
    exact = np.exp(logarithm / 2048)
    inside = (exact > 2**-16) & (exact < 64)
    assert np.abs(found / exact - 1)[inside].max() < 2**-13
    assert found[0] == 2**-16
    assert 63.9 < found[-1] < 64
    factor, shift = cells.reciprocal(mantissa, exponent)
    product = factor * 2.0 ** (3 - shift) * (exact + 1e-5)
    assert np.abs(product - 1)[(exact > 6.2e-5) & inside].max() < 2**-10
    assert np.abs(product - 1)[(exact > 2**-9) & inside].max() < 2**-11
    assert (shift.min(), shift.max(), factor.max()) == (1, 20, 4096)


def test_a_period_repeats_as_often_as_it_is_short() -> None:
    history = np.arange(256)
    assert cells.repeated(history, np.array(256)).tolist() == [0, 0, *range(42)]
    assert cells.repeated(history, np.array(100)).tolist() == list(range(154, 198))
    want = [222, 223, *range(224, 256), *range(224, 234)]
    assert cells.repeated(history, np.array(32)).tolist() == want


def test_noise_is_uniform() -> None:
    values, state = cells.drawn(1, 4000)
    more, _ = cells.drawn(state, 4)
    assert values.min() == -127
    assert values.max() == 127
    assert abs(values.mean()) < 3
    assert abs(values.std() - 73.6) < 2
    again, _ = cells.drawn(1, 4004)
    assert again.tolist() == [*values, *more]

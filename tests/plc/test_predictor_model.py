# SPDX-License-Identifier: BSD-3-Clause
"""A predictor from its weights into a receiver's file, in upstream's size and in a smaller one."""

from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.errors import InputError
from quantize.nn.topologies import predictor, rdovae_decoder_init
from quantize.plc.predictor import read_predictor
from quantize.plc.quantise import quantise_predictor
from tests.support.decoder_models import random_networks
from tests.support.small_models import small_model, small_weights
from toolkit.models.importers import SHIPPED, load_model, load_predictor
from toolkit.models.importers.checkpoint import write_checkpoint

SMALL = predictor(40, 24)


def test_a_smaller_predictor_is_read_in_its_own_size(tmp_path: Path) -> None:
    checkpoint = tmp_path / "own.safetensors"
    write_checkpoint(checkpoint, small_weights(SMALL, 1, 0.3), "a test")
    found = load_predictor(checkpoint)
    assert found is not None
    pcm = np.random.default_rng(3).integers(-3000, 3000, 160 * 60).astype(np.int16)
    model, rows = quantise_predictor(found.layers, pcm, found.source)
    assert model.graph == SMALL
    assert [row.name for row in rows] == [node.name for node in SMALL.nodes]
    assert min(row.snr_db for row in rows) > 20


def test_layers_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "own.safetensors"
    layers = small_weights(SMALL, 1, 0.3)
    layers["plc_gru2_input"] = small_weights(predictor(40, 32), 1, 0.3)["plc_gru2_input"]
    write_checkpoint(checkpoint, layers, "a test")
    with pytest.raises(InputError, match="plc_gru2_input is 96x32, the network needs 72x24"):
        load_predictor(checkpoint)


def test_other_weights_have_no_predictor() -> None:
    assert load_predictor(SHIPPED) is None
    with pytest.raises(InputError, match=r"plc_dense_in is missing.*the predictor of gaps"):
        load_model(SHIPPED, predictor())


def test_a_receivers_file_keeps_the_predictor(tmp_path: Path) -> None:
    for model in (None, small_model(SMALL, 5)):
        made = DecoderModel(random_networks(), "pulse", model)
        made.save(tmp_path / "receiver.dkq")
        again = DecoderModel.load(tmp_path / "receiver.dkq")
        assert again.to_bytes() == made.to_bytes()
        assert (again.predictor is None) == (model is None)


def test_another_network_is_no_predictor() -> None:
    data = small_model(rdovae_decoder_init(), 1).to_bytes()
    with pytest.raises(InputError, match="the file: holds another network than predictor"):
        read_predictor(data, "the file")

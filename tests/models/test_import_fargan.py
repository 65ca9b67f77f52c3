# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit import` of FARGAN: a blob and C tables end in the same checkpoint, int8 unchanged."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from quantize.errors import InputError
from quantize.nn.weights import Weights
from quantize.vocoder.fargan.parts import EMBEDDING, OPUS
from quantize.vocoder.fargan.quantise import quantise_fargan
from tests.support.blobs import F32, Record, blob, records_of
from tests.support.fargan_models import random_layers
from tests.support.opus_sources import network_source
from toolkit.commands.import_ import command
from toolkit.models.importers.dnnw import read_records
from toolkit.models.importers.fargan import read_fargan_layers

UNBIASED = [f"sig_net_gru{k}_{part}" for k in (1, 2, 3) for part in ("input", "recurrent")]


def release_layers() -> dict[str, Weights]:
    """Return layers as a release has them: the embedding lies, and GRUs have no bias."""
    layers = random_layers(8, OPUS, whole=True)
    for name in UNBIASED:
        old = layers[name]
        layers[name] = Weights(name, old.matrix, np.zeros(len(old.bias)), old.int8, old.scale)
    table = layers[EMBEDDING].matrix.T
    return {**layers, EMBEDDING: Weights(EMBEDDING, table, np.zeros(len(table)))}


def subias(layer: Weights) -> Record:
    assert layer.int8 is not None
    assert layer.scale is not None
    values = layer.bias - layer.scale * layer.int8.astype(np.int64).sum(axis=1)
    return Record(f"{layer.name}_subias", F32, values.astype("<f4").tobytes())


def release_records(layers: dict[str, Weights]) -> list[Record]:
    records = []
    for layer in layers.values():
        own = records_of(layer)
        if layer.int8 is not None:
            own.append(subias(layer))
        if layer.name in UNBIASED:
            own = [record for record in own if not record.name.endswith("_bias")]
        records += own
    return records


@pytest.fixture(scope="module")
def blob_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "fargan.bin"
    path.write_bytes(blob(release_records(release_layers())))
    return path


def test_blob_c_tables_and_import_give_one_voice(blob_file: Path, tmp_path: Path) -> None:
    (tmp_path / "dnn").mkdir()
    records = read_records(blob_file.read_bytes(), "it")
    (tmp_path / "dnn" / "fargan_data.c").write_text(network_source(records, "fargan"))
    hashes = set()
    for source, name in ((blob_file, "a"), (tmp_path / "dnn", "b")):
        output = tmp_path / f"{name}.safetensors"
        words = [str(source), "--output", str(output), "--json", "-"]
        done = CliRunner().invoke(command, words)
        assert done.exit_code == 0, done.stderr
        assert list(json.loads(done.stdout)["networks"]) == ["fargan"]
        assert "fargan: 20 layers" in done.stderr
        hashes.add(quantise_fargan(read_fargan_layers(output)[0], {"name": "it"}).hash)
    found, source_facts = read_fargan_layers(blob_file)
    hashes.add(quantise_fargan(found, {"name": "it"}).hash)
    assert len(hashes) == 1
    assert source_facts["kind"] == "opus-blob"
    for name, layer in release_layers().items():
        if layer.int8 is not None:
            assert np.array_equal(found[name].int8, layer.int8)  # type: ignore[arg-type]


def test_a_missing_bias_is_only_taken_for_none_where_it_is_none(tmp_path: Path) -> None:
    layers = release_layers()
    name = "sig_net_skip_dense"
    records = [r for r in release_records(layers) if r.name != f"{name}_bias"]
    path = tmp_path / "cut.bin"
    path.write_bytes(blob(records))
    with pytest.raises(InputError, match=f"record {name}_bias is missing"):
        read_fargan_layers(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(blob([Record("dec_dense1_bias", F32, b"\0" * 32)]))
    with pytest.raises(InputError, match="an Opus blob of DRED's decoder, not FARGAN"):
        read_fargan_layers(other)
    text = tmp_path / "other.txt"
    text.write_text("words")
    with pytest.raises(InputError, match="is a text file, not FARGAN"):
        read_fargan_layers(text)


def test_upstream(upstream: Path) -> None:
    layers, _ = read_fargan_layers(upstream / "weights" / "fargan.bin")
    model = quantise_fargan(layers, {"name": "it"})
    assert model.topology == OPUS
    assert np.array_equal(
        model.step.matrices["sig_net_skip_dense"].weights, layers["sig_net_skip_dense"].int8
    )  # type: ignore[arg-type]

# SPDX-License-Identifier: BSD-3-Clause
"""The reader of Opus blobs, on a good blob and on blobs that are wrong in every way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantize.errors import InputError
from quantize.nn.graph import Graph
from quantize.nn.topologies import rdovae_decoder, rdovae_decoder_init, rdovae_encoder
from quantize.nn.weights import Weights
from tests.support.blobs import F32, GRAPH, I32, INT8, LAYERS, Record, blob, index_bytes, records_of
from toolkit.models.importers import SHIPPED, load_model
from toolkit.models.importers.dnnw import read_blob, read_records

RECORDS = [record for layer in LAYERS.values() for record in records_of(layer)]
NAMES = [record.name for record in RECORDS]
COLS = {shape.name: shape.cols for shape in GRAPH.matrices()}


def with_record(name: str, /, **change: Any) -> list[Record]:
    """Return the good blob's records with one of them changed."""
    return [replace(r, **change) if r.name == name else r for r in RECORDS]


def same(a: Weights, b: Weights) -> bool:
    pairs = [(a.matrix, b.matrix), (a.bias, b.bias), (a.int8, b.int8), (a.scale, b.scale)]
    return all(np.array_equal(x, y) for x, y in [*pairs, (a.blocks, b.blocks)])  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "net.bin"


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_model(path, GRAPH)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_good_blob(file: Path) -> None:
    file.write_bytes(blob(RECORDS))
    read = read_blob(file, COLS)
    assert list(read) == list(COLS)
    assert all(same(read[name], LAYERS[name]) for name in COLS)
    model = load_model(file, GRAPH)
    assert model.layers["last"].matrix.shape == (5, 24)
    assert (model.source["name"], model.source["kind"]) == ("net.bin", "opus-blob")
    assert len(model.source["sha256"]) == 64


def test_records_of_other_networks_are_left_alone(file: Path) -> None:
    file.write_bytes(blob([*RECORDS, Record("other_weights_int8", INT8, b"\1" * 7)]))
    assert list(read_blob(file, COLS)) == list(COLS)


def test_truncated_at_every_byte(file: Path) -> None:
    content = blob(RECORDS)
    boundaries = {len(blob(RECORDS[:n])) for n in range(len(RECORDS))}
    for length in range(len(content)):
        if length in boundaries and length > 0:
            read_records(content[:length], "whole records")
            continue
        with pytest.raises(InputError, match=r"truncated|empty file"):
            read_records(content[:length], "cut")
    for length in boundaries:
        message = refused(file, content[:length])
        assert "missing" in message or "empty file" in message


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.integers(0, len(blob(RECORDS)) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_read(file: Path, at: int, flip: int) -> None:
    content = bytearray(blob(RECORDS))
    content[at] ^= flip
    file.write_bytes(content)
    try:
        model = load_model(file, GRAPH)
    except InputError:
        return
    for layer in model.layers.values():
        assert np.isfinite(layer.matrix).all()
        assert np.isfinite(layer.bias).all()


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(InputError):
        read_records(data, "noise")
    with pytest.raises(InputError):
        read_records(b"DNNw" + data[:60], "noise after the magic")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            with_record("first_bias", magic=b"DNNx"),
            r"not an Opus 'DNNw' weight blob \(it begins b'DNNx'\)",
        ),
        (
            with_record("last_scale", magic=b"wNND"),
            r"no record at byte \d+ \(its magic is b'wNND'\)",
        ),
        (with_record("last_scale", version=1), "version 1, type 0; this reader knows version 0"),
        (with_record("last_scale", kind=4), "type 4"),
        (with_record("last_scale", kind=-1), "type -1"),
        (with_record("last_scale", name="last scale"), "record 'last scale' at byte"),
        (with_record("last_scale", name=""), "record '' at byte"),
        (with_record("last_scale", name="\xff\xfe"), "version 0, type 0"),
        (with_record("last_scale", size=-1), "record last_scale: sizes -1/64 make no sense"),
        (with_record("last_scale", size=65), "sizes 65/64 make no sense"),
        (with_record("last_scale", block=-64), "sizes 32/-64 make no sense"),
        (with_record("last_scale", block=32), "sizes 32/32 make no sense"),
        (with_record("last_scale", block=128), "sizes 32/128 make no sense"),
        (
            with_record("last_scale", size=2**31 - 64, block=2**31 - 64),
            "truncated in record last_s",
        ),
        (with_record("last_scale", size=31), "31 bytes are no whole float32 array"),
        ([*RECORDS, RECORDS[3]], f"record {NAMES[3]} appears twice"),
    ],
)
def test_bad_records(file: Path, records: list[Record], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_records(blob(records), "blob")
    refused(file, blob(records))


@pytest.mark.parametrize("name", NAMES)
def test_each_record_is_needed(file: Path, name: str) -> None:
    message = refused(file, blob([record for record in RECORDS if record.name != name]))
    assert "missing" in message or "entries" in message


@pytest.mark.parametrize("name", NAMES)
def test_each_record_has_its_type(file: Path, name: str) -> None:
    right = next(record.kind for record in RECORDS if record.name == name)
    for kind in {F32, I32, INT8} - {right}:
        records = with_record(name, kind=kind)
        assert f"record {name} has type" in refused(file, blob(records))


@pytest.mark.parametrize("name", NAMES)
def test_each_record_has_its_size(file: Path, name: str) -> None:
    payload = next(record.payload for record in RECORDS if record.name == name)
    for other in (payload[:-4], payload + payload[:4], payload[:4], b""):
        message = refused(file, blob(with_record(name, payload=other)))
        assert name.split("_")[0] in message


def bits(value: float) -> bytes:
    return np.array([value], "<f4").tobytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", [r.name for r in RECORDS if r.kind == F32])
def test_numbers_are_finite(file: Path, name: str, value: float) -> None:
    payload = next(record.payload for record in RECORDS if record.name == name)
    refused_at = blob(with_record(name, payload=bits(value) + payload[4:]))
    file.write_bytes(refused_at)
    with pytest.raises(InputError, match=r"NaN or infinite|non-finite"):
        load_model(file, GRAPH)


def test_scales_are_not_negative(file: Path) -> None:
    payload = bits(-0.5) + b"\0" * 28
    assert "negative" in refused(file, blob(with_record("last_scale", payload=payload)))


INDEX = [1, 0, 2, 4, 0, 0]  # three groups of eight outputs over eight inputs


@pytest.mark.parametrize(
    ("index", "blocks", "message"),
    [
        ([1, 0, 2, 4, 8, 0], 3, "input position 8 is out of range 0..8"),
        ([1, 0, 2, 4, -4, 0], 3, "input position -4 is out of range"),
        ([1, 2, 2, 4, 0, 0], 3, "input position 2 is out of range"),
        ([1, 0, 2, 4, 6, 0], 3, "input position 6 is out of range"),
        ([1, 0, 2, 4, 2**31 - 4, 0], 3, "input position 2147483644 is out of range"),
        ([1, 0, 2, 4, 4, 0], 3, "output group 1 names input 4 twice"),
        ([1, 0, 2, 4, 0, 1], 3, "entry 5 announces 1 blocks, more than there are"),
        ([1, 0, 9, 4, 0, 0], 3, "entry 2 announces 9 blocks, more than there are"),
        ([-1, 0, 2, 4, 0, 0], 3, "entry 0 announces -1 blocks"),
        ([1, 0, 2, 4, 0], 3, "ends before output group 2"),
        ([], 3, "ends before output group 0"),
        (INDEX, 2, "names more blocks than gru_recurrent_weights_int8 holds"),
        (INDEX, 4, "3 blocks indexed, 4 stored"),
        ([*INDEX, 0], 3, "3 blocks indexed, 3 stored"),
    ],
)
def test_bad_sparse_indices(file: Path, index: list[int], blocks: int, message: str) -> None:
    def sparse(entries: list[int], stored: int) -> bytes:
        records = with_record("gru_recurrent_weights_idx", payload=index_bytes(entries))
        data = bytes(range(32)) * stored
        name = "gru_recurrent_weights_int8"
        return blob([replace(r, payload=data) if r.name == name else r for r in records])

    file.write_bytes(sparse(INDEX, 3))
    kept = load_model(file, GRAPH).layers["gru_recurrent"].blocks
    assert kept is not None
    assert kept.tolist() == [[True, False], [True, True], [False, False]]
    assert message in refused(file, sparse(index, blocks))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; give an Opus 'DNNw' blob"):
        load_model(tmp_path / "none.bin", GRAPH)
    with pytest.raises(InputError, match=r"is a folder, not a file; .* of a release's folder"):
        load_model(tmp_path, GRAPH)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF....WAVEfmt ", b"\x7fELF" + b"\0" * 99, b"{}", b"\0" * 640]
)
@pytest.mark.parametrize("name", ["net.bin", "net.safetensors"])
def test_something_else(tmp_path: Path, name: str, content: bytes) -> None:
    message = refused(tmp_path / name, content)
    assert "not " in message or "empty file" in message


def test_upstream_blob(upstream: Path) -> None:
    model = load_model(upstream / "weights" / "rdovae_enc.bin", rdovae_encoder())
    wide = {name for name, layer in model.layers.items() if layer.int8 is None}
    assert wide == {"enc_dense1"}
    sparse = {name for name, layer in model.layers.items() if layer.blocks is not None}
    assert sparse
    assert all("gru" in name or "dense" in name or "conv" in name for name in sparse)


def test_upstream_decoder_blob(upstream: Path) -> None:
    path = upstream / "weights" / "rdovae_dec.bin"
    layers = load_model(path, rdovae_decoder_init()).layers | (
        load_model(path, rdovae_decoder()).layers
    )
    assert len(layers) == 29
    assert {n for n, w in layers.items() if w.int8 is None} == {"dec_dense1", "dec_hidden_init"}
    dense = {n for n, w in layers.items() if w.blocks is None}
    assert {"dec_glu1", "dec_conv5", "dec_gru3_recurrent"} <= dense
    assert {"dec_output", "dec_gru_init", "dec_gru5_input", "dec_conv_dense2"}.isdisjoint(dense)


@pytest.mark.parametrize("graph", [rdovae_decoder_init(), rdovae_decoder()])
def test_shipped_decoder(graph: Graph) -> None:
    layers = load_model(SHIPPED, graph).layers
    assert list(layers) == [shape.name for shape in graph.matrices()]


@pytest.mark.parametrize("name", ["rdovae_dec", "fargan", "plc", "pitchdnn"])
def test_foreign_upstream_blobs(upstream: Path, name: str) -> None:
    with pytest.raises(InputError, match="layer enc_dense1 is missing; is it another model"):
        load_model(upstream / "weights" / f"{name}.bin", rdovae_encoder())


def test_truncated_upstream_blob(upstream: Path, tmp_path: Path) -> None:
    content = (upstream / "weights" / "rdovae_enc.bin").read_bytes()
    path = tmp_path / "cut.bin"
    for length in range(0, len(content), 9973):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            load_model(path, rdovae_encoder())

# SPDX-License-Identifier: BSD-3-Clause
"""The quantised model's file: round trip, a stable hash, and one clear line for any damage."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save, save_file

from quantize.errors import InputError
from quantize.nn.graph import Activation, Dense, Graph, Slice
from quantize.nn.model import QuantisedMatrix, QuantisedModel
from quantize.nn.run import IntegerRunner
from tests.support.small_models import small_model
from toolkit.models.importers import SHIPPED


@pytest.fixture(scope="module")
def model() -> QuantisedModel:
    return small_model()


def plain_model() -> QuantisedModel:
    """Return a model of counted-up integers: no library's random numbers or rounding change it."""
    graph = Graph(
        "plain",
        ("x",),
        ("y",),
        {"x": 3, "y": 2},
        (Dense("only", Slice("x", 0, 3), Slice("y", 0, 2), Activation.LINEAR),),
    )
    matrix = QuantisedMatrix(
        name="only",
        weights=np.arange(6, dtype=np.int16).reshape(2, 3),
        bias=np.array([7, -8], np.int32),
        multiplier=np.array([16384, 32767], np.int16),
        shift=np.array([15, 20], np.uint8),
        scale=np.array([0.5, 0.25]),
        blocks=None,
        acc_bound=12 * 32768 + 8,
    )
    return QuantisedModel(graph, "a8w8", {"x": 10, "y": 6}, {"only": matrix}, {"name": "plain"})


def test_round_trip(model: QuantisedModel, tmp_path: Path) -> None:
    path = tmp_path / "new" / "m.dkq"
    model.save(path)
    loaded = QuantisedModel.load(path)
    assert (loaded.graph, loaded.scheme, loaded.frac) == (model.graph, model.scheme, model.frac)
    assert loaded.source == model.source
    assert list(loaded.matrices) == list(model.matrices)
    for name, matrix in model.matrices.items():
        for part in fields(matrix):
            mine, theirs = getattr(matrix, part.name), getattr(loaded.matrices[name], part.name)
            assert type(mine) is type(theirs)
            assert np.array_equal(mine, theirs)
            assert getattr(mine, "dtype", None) == getattr(theirs, "dtype", None)
    assert any(matrix.blocks is not None for matrix in loaded.matrices.values())
    assert loaded.to_bytes() == path.read_bytes()
    assert loaded.hash == model.hash == hashlib.sha256(path.read_bytes()).hexdigest()


def test_saving_leaves_nothing_else(model: QuantisedModel, tmp_path: Path) -> None:
    path = tmp_path / "m.dkq"
    path.write_bytes(b"older")
    model.save(path)
    assert [item.name for item in tmp_path.iterdir()] == ["m.dkq"]
    assert path.read_bytes() == model.to_bytes()


def test_hash_is_fixed() -> None:
    """Generated code and reports carry this hash, so a change of format must be intended."""
    assert plain_model().hash == (
        "72dc9c415eabd20325ce11b2a1166961f40f27f7e9e16c85ab8e137487aa782a"
    )


def test_hash_is_the_same_in_any_process(tmp_path: Path) -> None:
    small_model().save(tmp_path / "m.dkq")
    code = (
        "import sys, pathlib; from quantize.nn.model import QuantisedModel; "
        "print(QuantisedModel.load(pathlib.Path(sys.argv[1])).hash)"
    )
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "m.dkq")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.strip() == small_model().hash


def test_hash_tells_models_apart(model: QuantisedModel) -> None:
    matrix = model.matrices["out"]
    weights = matrix.weights.copy()
    weights[0, 0] ^= 1
    other = {**model.matrices, "out": replace(matrix, weights=weights)}
    hashes = {
        model.hash,
        replace(model, matrices=other).hash,
        replace(model, source={"name": "elsewhere"}).hash,
        replace(model, frac={**model.frac, "side": 3}).hash,
        plain_model().hash,
    }
    assert len(hashes) == 5


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        QuantisedModel.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_no_file(tmp_path: Path) -> None:
    assert "no such quantised model; run `dredkit quantize` first" in refused(tmp_path / "none")
    assert "is a folder, not a file; run `dredkit quantize` first" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"RIFF1234WAVEfmt ", b"{}", b"\xff" * 99])
def test_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.dkq"
    path.write_bytes(content)
    assert "not a quantised model" in refused(path)


def test_a_float_checkpoint(tmp_path: Path) -> None:
    save_file({"a.weight": np.ones((2, 2), np.float32)}, tmp_path / "a", {"source": "us"})
    assert "not a dredkit-quantised-1 file" in refused(tmp_path / "a")
    assert "not a dredkit-quantised-1 file" in refused(SHIPPED)


def test_truncated_anywhere(model: QuantisedModel, tmp_path: Path) -> None:
    content = model.to_bytes()
    path = tmp_path / "m.dkq"
    for length in {*range(0, len(content), 61), 7, 8, 9, len(content) - 1}:
        path.write_bytes(content[:length])
        assert "not a quantised model" in refused(path)
    path.write_bytes(content + b"\0")
    assert "not a quantised model" in refused(path)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.data())
def test_a_changed_byte_is_refused_or_runs(
    model: QuantisedModel, tmp_path: Path, data: st.DataObject
) -> None:
    """Every model that loads obeys all limits that the arithmetic relies on."""
    content = bytearray(model.to_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "m.dkq"
    path.write_bytes(content)
    try:
        loaded = QuantisedModel.load(path)
    except InputError:
        return
    (name,) = loaded.graph.inputs
    runner = IntegerRunner(loaded)
    for _ in range(3):
        outputs = runner.step({name: np.full(loaded.graph.buffers[name], -32768)})
        assert all(np.abs(y).max() <= 32768 for y in outputs.values())


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def rewritten(model: QuantisedModel, path: Path, change: Change) -> Path:
    """Return the model's file after `change(header, arrays)`."""
    model.save(path)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["dredkit"])
        arrays = {key: file.get_tensor(key).copy() for key in file.keys()}  # noqa: SIM118
    change(header, arrays)
    path.write_bytes(save(arrays, {"dredkit": json.dumps(header)}))
    return path


def set_array(name: str, make: Callable[[Any], Any]) -> Change:
    return lambda _, arrays: arrays.__setitem__(name, make(arrays[name]))


def put(name: str, value: Any) -> Change:
    return lambda header, _: header.__setitem__(name, value)


def drop(name: str) -> Change:
    return lambda header, arrays: (arrays if name in arrays else header).pop(name)


def at_first(value: Any) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array.flat[0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("format", "dredkit-quantised-0"), "not a dredkit-quantised-1 file"),
        (put("scheme", "a4w2"), "scheme a4w2 is not one of a8w8"),
        (drop("scheme"), "header is damaged"),
        (drop("graph"), "header is damaged"),
        (put("graph", {}), "not a dredkit graph"),
        (put("graph", 7), "not a dredkit graph"),
        (drop("frac"), "header is damaged"),
        (put("frac", []), "header is damaged"),
        (put("frac", {"features": 10}), "one format for each input and output"),
        (put("frac", {"features": 10, "latents": 3, "side": 16}), "outside 0 to 15"),
        (put("frac", {"features": -1, "latents": 3, "side": 3}), "outside 0 to 15"),
        (drop("source"), "header is damaged"),
        (put("source", "x"), "header is damaged"),
        (put("acc_bound", {}), "layer first is incomplete: no 'first'"),
        (drop("gru1_input.weights"), "layer gru1_input is incomplete: no 'gru1_input.weights'"),
        (drop("conv2.shift"), "layer conv2 is incomplete: no 'conv2.shift'"),
        (set_array("out.weights", lambda w: w[:, :-1]), r"out: weights is int8\[5, 39\], expected"),
        (set_array("out.weights", lambda w: w.astype(np.int16)), r"int16\[5, 40\], expected int8"),
        (set_array("first.weights", lambda w: w.astype(np.int8)), "int8.* expected int16"),
        (set_array("out.bias", lambda b: b[:-1]), r"bias is int32\[4\], expected int32\[5\]"),
        (set_array("out.bias", lambda b: b.astype(np.int64)), "bias is int64"),
        (set_array("out.multiplier", at_first(16383)), "out: a requantise factor is out of range"),
        (set_array("out.multiplier", at_first(-1)), "a requantise factor is out of range"),
        (set_array("out.shift", at_first(0)), "a requantise factor is out of range"),
        (set_array("out.shift", at_first(47)), "a requantise factor is out of range"),
        (set_array("out.bias", at_first(2**31 - 1)), "out: its accumulator can reach"),
        (set_array("out.bias", at_first(-(2**31))), "out: its accumulator can reach"),
        (set_array("gru1_recurrent.blocks", lambda b: b[:-1]), "gru1_recurrent: blocks is bool"),
        (set_array("gru1_recurrent.blocks", np.zeros_like), "blocks do not fit its weights"),
    ],
)
def test_damage_is_named(
    model: QuantisedModel, tmp_path: Path, change: Change, message: str
) -> None:
    path = rewritten(model, tmp_path / "m.dkq", change)
    with pytest.raises(InputError, match=message):
        QuantisedModel.load(path)
    refused(path)


def test_unchanged_rewrite_loads(model: QuantisedModel, tmp_path: Path) -> None:
    path = rewritten(model, tmp_path / "m.dkq", lambda *_: None)
    assert QuantisedModel.load(path).hash == model.hash


def test_a_bound_below_the_truth_is_refused(model: QuantisedModel, tmp_path: Path) -> None:
    def change(header: dict[str, Any], _: dict[str, Any]) -> None:
        header["acc_bound"]["out"] -= 1

    assert "its accumulator can reach" in refused(rewritten(model, tmp_path / "m", change))

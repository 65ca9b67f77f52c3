# SPDX-License-Identifier: BSD-3-Clause
"""Our arithmetic against the public interpreter (LiteRT, reference kernels), to the last bit."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import quantize.litert.export
from quantize import integer
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.litert.export import Mismatch, cross_check, export, open_interpreter
from quantize.litert.graph import StepExporter, Value, int8_filters
from quantize.nn.graph import Activation, Dense, Graph, Gru, Slice
from quantize.nn.model import QuantisedMatrix, QuantisedModel
from quantize.nn.quantizer import prove_accumulator, quantise
from quantize.nn.topologies import pitch, rdovae_decoder, rdovae_decoder_init, rdovae_encoder
from tests.support.small_models import gated_graph, small_graph, small_model
from toolkit.cli import group
from toolkit.models.importers import SHIPPED
from toolkit.models.importers.dnnw import read_blob
from toolkit.models.quantise import CLIP, quantise_file
from toolkit.stages.stage import stage_of

EVERY = np.arange(-32768, 32768)
EDGES = np.array([-32768, -32767, -16384, -255, -2, -1, 0, 1, 2, 3, 255, 16384, 32766, 32767])


def in_litert(build: Callable[..., Value], *inputs: tuple[Ints, int]) -> Ints:
    """Run in LiteRT the operators that `build(exporter, *values)` appends; inputs have a frac."""
    exporter = StepExporter(small_model())
    values = [exporter.activation(f"input{i}", len(x), frac) for i, (x, frac) in enumerate(inputs)]
    out = build(exporter, *values)
    names = {f"input{i}": value.tensor for i, value in enumerate(values)}
    interpreter = open_interpreter(exporter.file.finish(names, {"out": out.tensor}))
    for value, (x, _) in zip(values, inputs, strict=True):
        interpreter.set_tensor(value.tensor, x.astype(np.int16).reshape(1, 1, 1, -1))
    interpreter.invoke()
    result: Ints = interpreter.get_tensor(out.tensor).ravel().astype(np.int64)
    return result


def pairs() -> tuple[Ints, Ints]:
    rng = np.random.default_rng(2)
    a, b = (grid.ravel() for grid in np.meshgrid(EDGES, EVERY[::97]))
    random = rng.integers(-32768, 32768, (2, 50000))
    return np.concatenate([a, b, random[0]]), np.concatenate([b, a, random[1]])


def test_tanh_of_every_input() -> None:
    got = in_litert(lambda e, x: e.curve(schema.BuiltinOperator.TANH, "y", x), (EVERY, 12))
    assert np.array_equal(got, integer.tanh(EVERY))


def test_sigmoid_of_every_input() -> None:
    got = in_litert(lambda e, x: e.curve(schema.BuiltinOperator.LOGISTIC, "y", x), (EVERY, 12))
    assert np.array_equal(got, integer.sigmoid(EVERY))


def test_narrow_of_every_input() -> None:
    got = in_litert(lambda e, x: e.narrow("y", x), (EVERY, 15))
    assert np.array_equal(got, integer.narrow(EVERY))


def test_one_minus_every_gate() -> None:
    gate = np.arange(32768)
    got = in_litert(lambda e, x: e.one_minus("y", x), (gate, 15))
    assert np.array_equal(got, integer.INT16_MAX - gate)


@pytest.mark.parametrize("frac", [12, 15])
def test_mul_q15(frac: int) -> None:
    a, b = pairs()
    got = in_litert(lambda e, x, y: e.mul("y", x, y), (a, 15), (b, frac))
    assert np.array_equal(got, integer.mul_q15(a, b))


@pytest.mark.parametrize("frac", [12, 15])
def test_add16(frac: int) -> None:
    a, b = pairs()
    got = in_litert(lambda e, x, y: e.add("y", x, y), (a, frac), (b, frac))
    assert np.array_equal(got, integer.add16(a, b))


def one_layer(matrix: QuantisedMatrix, x: Ints) -> Mismatch | None:
    """Cross-check a model of one linear layer with int16 weights on rows x."""
    parts = Slice("x", 0, matrix.cols), Slice("y", 0, matrix.rows)
    graph = Graph(
        "one",
        ("x",),
        ("y",),
        {"x": matrix.cols, "y": matrix.rows},
        (Dense(matrix.name, *parts, Activation.LINEAR),),
    )
    model = QuantisedModel(graph, "a8w8", {"x": 12, "y": 10}, {matrix.name: matrix}, {"name": "t"})
    return cross_check(model, x)


def matrix_of(weights: Any, bias: Any, multiplier: Any, shift: Any) -> QuantisedMatrix:
    w, b = np.asarray(weights, np.int16), np.asarray(bias, np.int32)
    bound = prove_accumulator("m", w, b.astype(np.int64), 32768)
    factors = np.asarray(multiplier, np.int16), np.asarray(shift, np.uint8)
    return QuantisedMatrix("m", w, b, *factors, np.ones(len(w)), None, bound)


@pytest.mark.parametrize("multiplier", [16384, 16385, 20021, 32766, 32767])
def test_requantise_at_every_shift(multiplier: int) -> None:
    rng = np.random.default_rng(multiplier)
    for shifts, bias_peak in ((np.arange(1, 15), 20000), (np.arange(15, 47), 2**31 - 2**26)):
        rows = len(shifts)
        weights = rng.integers(-3, 4, (rows, 6)) * (1 if bias_peak == 20000 else 100)
        bias = rng.integers(-bias_peak, bias_peak, rows)
        matrix = matrix_of(weights, bias, np.full(rows, multiplier), shifts)
        x = np.concatenate([rng.choice(EDGES, (10, 6)), rng.integers(-32768, 32768, (30, 6))])
        if bias_peak == 20000:
            x = np.clip(x, -8000, 8000)
            matrix = replace(matrix, acc_bound=min(matrix.acc_bound, 2**16))
        assert one_layer(matrix, x) is None


def test_result_beyond_int32_is_refused() -> None:
    matrix = matrix_of([[1000]], [2**30], [32767], [1])
    with pytest.raises(InputError, match="layer m: its outputs can exceed int32"):
        one_layer(matrix, np.zeros((1, 1), np.int64))


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=12))
def test_filters_add_up_to_the_weights(values: list[int]) -> None:
    weights = np.array([values], np.int16)
    filters = int8_filters(weights)
    assert np.array_equal(filters.astype(np.int64).sum(axis=(1, 2)), weights)
    assert np.abs(filters.astype(np.int64)).max() <= 127


@pytest.mark.parametrize("gain", [0.05, 1.0, 6.0, 40.0])
def test_random_models(gain: float) -> None:
    rng = np.random.default_rng(int(gain * 100))
    x = np.concatenate(
        [
            rng.integers(-32768, 32768, (20, 12)),
            np.full((8, 12), -32768),
            rng.choice(EDGES, (20, 12)),
            np.full((8, 12), 32767),
            rng.integers(-3, 4, (20, 12)),
        ]
    )
    for seed in range(3):
        assert cross_check(small_model(seed=seed, gain=gain), x) is None


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 20.0), st.floats(0.001, 200.0))
def test_any_small_model(seed: int, gain: float, peak: float) -> None:
    x = np.random.default_rng(seed).integers(-32768, 32768, (12, 12))
    assert cross_check(small_model(seed=seed, gain=gain, peak=peak), x) is None


@pytest.mark.parametrize("gain", [0.05, 1.0, 6.0, 40.0])
def test_gated_models(gain: float) -> None:
    rng = np.random.default_rng(int(gain * 100))
    x = np.concatenate([rng.integers(-32768, 32768, (20, 8)), rng.choice(EDGES, (20, 8))])
    for seed in range(3):
        assert cross_check(small_model(gated_graph(), seed=seed, gain=gain), x) is None


def test_a_convolution_over_a_line_is_refused() -> None:
    model = small_model(pitch())
    with pytest.raises(InputError, match=r"conv2d_1 is a convolution over a line"):
        export(model)


@pytest.mark.parametrize("build", [rdovae_encoder, rdovae_decoder, rdovae_decoder_init])
def test_random_networks_with_sparse_layers(build: Callable[[], Graph]) -> None:
    graph = build()
    model = small_model(graph, seed=3, gain=2.0)
    (name,) = graph.inputs
    x = np.random.default_rng(4).integers(-32768, 32768, (40, graph.buffers[name]))
    sparse = any(matrix.blocks is not None for matrix in model.matrices.values())
    assert sparse == any(isinstance(node, Gru) for node in graph.nodes)
    assert cross_check(model, x) is None


@pytest.fixture(scope="module")
def shipped() -> QuantisedModel:
    return quantise_file(SHIPPED, CLIP)[0]


def test_shipped_checkpoint_on_the_shipped_clip(shipped: QuantisedModel) -> None:
    inputs = stage_of(shipped).inputs(CLIP)
    assert len(inputs) >= 150
    assert cross_check(shipped, inputs) is None


def test_upstream_weights_on_golden_features(upstream: Path) -> None:
    graph = rdovae_encoder()
    cols = {shape.name: shape.cols for shape in graph.matrices()}
    weights = read_blob(upstream / "weights" / "rdovae_enc.bin", cols)
    golden = np.fromfile(upstream / "golden" / "features.f32", "<f4").reshape(-1, 36)[:, :20]
    peaks = {"features": float(np.abs(golden).max()), "latents": 200.0, "initial_state": 200.0}
    model = quantise(graph, weights, peaks, {"name": "upstream"})
    x = integer.to_fixed(golden.reshape(-1, 40), model.frac["features"])
    assert len(x) == 500
    assert cross_check(model, x) is None


def test_a_difference_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    weights = model.matrices["conv2"].weights.copy()
    weights[3, :8] = np.where(weights[3, :8] > 0, -90, 90)  # the tap of two steps ago
    matrix = replace(model.matrices["conv2"], weights=weights, acc_bound=2**30)
    wrong = export(replace(model, matrices={**model.matrices, "conv2": matrix}))
    monkeypatch.setattr(quantize.litert.export, "export", lambda _: wrong)
    found = cross_check(model, np.random.default_rng(1).integers(-9000, 9000, (9, 12)))
    assert found is not None
    assert (found.node, found.step, found.element) == ("conv2", 2, 3)
    assert found.got != found.want
    assert str(found).startswith(f"layer conv2, step 2, element 3: LiteRT has {found.got}")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((3, 11), np.int64), "rows of 12 values expected"),
        (np.zeros(12, np.int64), "rows of 12 values expected"),
        (np.full((1, 12), 32768), "beyond int16"),
        (np.full((1, 12), -32769), "beyond int16"),
    ],
)
def test_wrong_features(features: Ints, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cross_check(small_model(), features)


def test_slices_that_cut_a_node_are_refused() -> None:
    graph = small_graph()
    side = Dense("aside", Slice("trunk", 4, 8), Slice("side", 0, 8), Activation.LINEAR)
    model = small_model(replace(graph, nodes=(*graph.nodes[:-1], side)))
    with pytest.raises(InputError, match=r"trunk\[4:12\] is not made of whole node outputs"):
        export(model)


def test_the_file() -> None:
    model = small_model()
    content = export(model)
    assert content == export(model)
    assert content[4:8] == b"TFL3"
    packed = schema.Model.GetRootAs(content, 0)
    assert packed.Description().decode() == f"dredkit small a8w8 {model.hash}"
    for i in range(1, packed.BuffersLength()):
        data = packed.Buffers(i).DataAsNumpy()
        assert (data.__array_interface__["data"][0] - address(content)) % 16 == 0
    interpreter = open_interpreter(content)
    signature = interpreter.get_signature_list()["step"]
    assert set(signature["inputs"]) == {
        "features",
        "gru1.state",
        "gru2.state",
        "conv1.memory",
        "conv2.memory",
    }
    assert set(signature["outputs"]) == {"latents", "side", *signature["inputs"]} - {"features"}
    details = {item["name"]: item for item in interpreter.get_tensor_details()}
    assert list(details["conv2.memory"]["shape"]) == [1, 1, 1, 16]
    assert all(
        np.all(item["quantization_parameters"]["zero_points"] == 0) for item in details.values()
    )


def address(content: bytes) -> int:
    return int(np.frombuffer(content, np.uint8).__array_interface__["data"][0])


def run_export(*words: str) -> Any:
    return CliRunner().invoke(group, ["export", *words])


def test_command_writes_a_checked_file(tmp_path: Path, shipped: QuantisedModel) -> None:
    shipped.save(tmp_path / "m.dkq")
    target = tmp_path / "new" / "m.tflite"
    result = run_export(
        "--model", f"{tmp_path / 'm.dkq'}", "--output", str(target), "--json", f"{tmp_path / 'j'}"
    )
    assert result.exit_code == 0, result.output
    assert target.read_bytes() == export(shipped)
    report = json.loads((tmp_path / "j").read_text())
    assert report["model_hash"] == shipped.hash
    assert report["checked_steps"] >= 150
    assert report["first_mismatch"] is None
    assert [path.name for path in target.parent.iterdir()] == ["m.tflite"]


def test_command_writes_nothing_on_a_mismatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_model(rdovae_encoder()).save(tmp_path / "m.dkq")
    lie = Mismatch("enc_gru1", 7, 3, 1, 2)
    monkeypatch.setattr("toolkit.commands.export.cross_check", lambda *_: lie)
    result = run_export("--model", f"{tmp_path / 'm.dkq'}", "--output", f"{tmp_path / 'm.tflite'}")
    assert result.exit_code == 1
    assert "layer enc_gru1, step 7, element 3" in str(result.exception)
    assert not (tmp_path / "m.tflite").exists()

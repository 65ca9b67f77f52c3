# SPDX-License-Identifier: BSD-3-Clause
"""The quantiser: proofs hold for adversarial inputs, errors are bounded, bad input is refused."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantize import integer
from quantize.errors import InputError
from quantize.nn.calibrate import snr_db
from quantize.nn.graph import MatrixShape
from quantize.nn.model import QuantisedMatrix
from quantize.nn.quantizer import (
    HEADROOM,
    choose_frac,
    prove_accumulator,
    quantise,
    quantise_narrow,
    quantise_wide,
    requantise_parameters,
)
from quantize.nn.run import run_integer
from quantize.nn.topologies import rdovae_encoder
from quantize.nn.weights import Weights, fit
from tests.support.small_models import small_graph, small_model, small_weights
from toolkit.models.importers.dnnw import read_blob

sizes = st.tuples(st.integers(1, 6), st.integers(1, 9))
magnitudes = st.floats(-1e6, 1e6, allow_subnormal=False)


@st.composite
def layers(draw: st.DrawFn) -> Weights:
    """Draw float layers of any size and magnitude; some rows zero or tiny, biases unrelated."""
    rows, cols = draw(sizes)
    matrix = draw(arrays(np.float64, (rows, cols), elements=magnitudes))
    factor = draw(arrays(np.float64, rows, elements=st.sampled_from([0.0, 1e-9, 1e-3, 1.0])))
    bias = draw(arrays(np.float64, rows, elements=magnitudes))
    return Weights("layer", matrix * factor[:, None], bias)


def worst_accumulators(matrix: QuantisedMatrix, low: int, high: int) -> list[int]:
    """Return the largest |accumulator| of each row, with each input at an end of its range."""
    worst = []
    for row, bias in zip(matrix.weights.tolist(), matrix.bias.tolist(), strict=True):
        most = sum(max(w * low, w * high) for w in row) + bias
        least = sum(min(w * low, w * high) for w in row) + bias
        worst.append(max(abs(most), abs(least)))
    return worst


@given(layers(), st.integers(0, 15))
def test_narrow_accumulators_never_overflow(layer: Weights, frac: int) -> None:
    try:
        matrix = quantise_narrow(layer, frac)
    except InputError as error:
        assert re.search("leave no precision|scale its weights down", str(error))  # noqa: PT017
        assume(False)
    worst = max(worst_accumulators(matrix, -127, 127))
    assert worst == matrix.acc_bound <= integer.INT32_MAX


@given(layers(), st.integers(0, 15), st.integers(0, 15))
def test_wide_accumulators_never_overflow(layer: Weights, in_frac: int, out_frac: int) -> None:
    try:
        matrix = quantise_wide(layer, in_frac, out_frac)
    except InputError as error:
        assert re.search("leave no precision|scale its weights down", str(error))  # noqa: PT017
        assume(False)
    assert max(worst_accumulators(matrix, -32768, 32767)) <= matrix.acc_bound
    assert matrix.acc_bound <= integer.INT32_MAX


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(1e-3, 30.0))
def test_narrow_is_as_near_as_its_scale(seed: int, cols: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    layer = Weights("layer", rng.normal(0, gain, (5, cols)), rng.normal(0, gain, 5))
    matrix = quantise_narrow(layer, integer.PRE_FRAC)
    x = rng.integers(-127, 128, cols)
    want = (layer.matrix @ (x / 127.0) + layer.bias) * 4096
    factor_error = np.abs(want) * 2.0**-15
    weight_error = 4096 * matrix.scale * np.abs(x / 127.0).sum() / 2
    bias_error = 4096 * matrix.scale / 127.0 / 2
    error = np.abs(matrix.apply(x) - np.clip(want, -32768, 32767))
    assert np.all(error <= 0.5 + 1.01 * (factor_error + weight_error + bias_error))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(1e-3, 30.0))
def test_wide_is_as_near_as_its_scale(seed: int, cols: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    layer = Weights("layer", rng.normal(0, gain, (5, cols)), rng.normal(0, gain, 5))
    matrix = quantise_wide(layer, 10, integer.PRE_FRAC)
    x = rng.integers(-32768, 32768, cols)
    want = (layer.matrix @ (x / 1024.0) + layer.bias) * 4096
    factor_error = np.abs(want) * 2.0**-15
    weight_error = 4096 * matrix.scale * (np.abs(x / 1024.0).sum() + 1) / 2
    error = np.abs(matrix.apply(x) - np.clip(want, -32768, 32767))
    assert np.all(error <= 0.5 + 1.01 * (factor_error + weight_error))


def test_proof_refuses_what_could_overflow() -> None:
    weights = np.full((2, 3), 127, np.int8)
    limit = integer.INT32_MAX - 3 * 127 * 127
    assert prove_accumulator("l", weights, np.array([0, limit]), 127) == integer.INT32_MAX
    with pytest.raises(InputError, match=r"^layer l: its accumulator can reach 2147483648, beyond"):
        prove_accumulator("l", weights, np.array([0, limit + 1]), 127)
    with pytest.raises(InputError, match="beyond int32"):
        prove_accumulator("l", weights, np.array([0, -limit - 1]), 127)
    with pytest.raises(InputError, match="beyond int32"):
        prove_accumulator("l", np.full((1, 3), -32767, np.int16), np.zeros(1, np.int64), 32768)


@given(st.floats(2.0**-31, 2.0**14 * (1 - 2.0**-15), allow_subnormal=False))
def test_requantise_parameters_are_the_nearest(real: float) -> None:
    multipliers, shifts = requantise_parameters("layer", np.array([real]))
    multiplier, shift = int(multipliers[0]), int(shifts[0])
    assert integer.MULTIPLIER_MIN <= multiplier <= integer.MULTIPLIER_MAX
    assert integer.SHIFT_MIN <= shift <= integer.SHIFT_MAX
    assert abs(Fraction(multiplier, 2**shift) / Fraction(real) - 1) <= Fraction(1, 2**15)


@given(st.floats(0.0, 2.0**-32, allow_subnormal=True, exclude_min=True))
def test_tiny_factors_end_at_the_last_shift(real: float) -> None:
    multiplier, shift = requantise_parameters("layer", np.array([real]))
    assert shift[0] == integer.SHIFT_MAX
    assert multiplier[0] >= integer.MULTIPLIER_MIN


def test_factors_beyond_precision_name_the_row() -> None:
    with pytest.raises(InputError, match="layer l, output 2: weights of this size"):
        requantise_parameters("l", np.array([1.0, 2.0**13, 2.0**14]))


def test_zero_rows_give_their_bias() -> None:
    bias = np.array([0.0, 0.37, -1e-9, 7.99, -8.0, 100.0])
    layer = Weights("layer", np.zeros((6, 4)), bias)
    want = [0, 1516, 0, 32727, -32768, 32767]
    for matrix, peak in (
        (quantise_narrow(layer, 12), 127),
        (quantise_wide(layer, 10, 12), 32767),
    ):
        assert not matrix.weights.any()
        assert matrix.apply(np.full(4, peak)).tolist() == want


def test_a_bias_that_dwarfs_its_weights_is_kept() -> None:
    layer = Weights("layer", np.array([[1e-12, -1e-12], [0.5, 0.25]]), np.array([3.0, 0.125]))
    matrix = quantise_narrow(layer, 12)
    for x, second in ((127, 3584), (-127, -2560)):
        got = matrix.apply(np.array([x, x]))
        assert got[0] == 12288
        assert abs(int(got[1]) - second) <= 4096 * matrix.scale[1]


def test_stored_int8_is_taken_unchanged() -> None:
    int8 = np.array([[127, -128, 0, 5], [1, 2, 3, 4]], np.int8)
    scale = np.array([0.01, 0.02])
    layer = Weights("layer", int8 * scale[:, None], np.array([0.1, 0.2]), int8, scale)
    matrix = quantise_narrow(layer, 12)
    assert np.array_equal(matrix.weights, int8)
    assert np.array_equal(matrix.scale, scale)


def test_stored_scale_of_zero_means_zero_weights() -> None:
    int8 = np.array([[100, 100], [100, 100]], np.int8)
    scale = np.array([0.0, 0.01])
    layer = Weights("layer", int8 * scale[:, None], np.array([0.5, 0.0]), int8, scale)
    assert quantise_narrow(layer, 12).apply(np.array([127, 127])).tolist() == [2048, 8192]


def test_stored_int8_with_an_impossible_bias_is_refused() -> None:
    int8 = np.array([[1, 1], [1, 1]], np.int8)
    scale = np.array([1.0, 1e-9])
    layer = Weights("layer", int8 * scale[:, None], np.array([1.0, 1.0]), int8, scale)
    with pytest.raises(InputError, match="layer layer, output 1: bias too large"):
        quantise_narrow(layer, 12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": np.array([[1.0, np.nan]])}, "layer l: a weight is NaN or infinite"),
        ({"matrix": np.array([[1.0, -np.inf]])}, "layer l: a weight is NaN or infinite"),
        ({"bias": np.array([np.nan])}, "layer l: a bias is NaN or infinite"),
        ({"bias": np.zeros(2)}, r"layer l: bias is \(2,\), expected \(1,\)"),
        ({"bias": np.zeros((1, 1))}, r"layer l: bias is \(1, 1\)"),
        ({"matrix": np.zeros(2)}, "not 2-D"),
        ({"matrix": np.zeros((1, 0))}, "not 2-D"),
        ({"int8": np.zeros((1, 2), np.int8)}, "come only together"),
        ({"int8": np.zeros((2, 2), np.int8), "scale": np.ones(1)}, "int8 weights is"),
        ({"int8": np.zeros((1, 2), np.int8), "scale": np.ones(2)}, "scale is"),
        ({"int8": np.zeros((1, 2), np.int8), "scale": np.array([np.nan])}, "a scale is NaN"),
        ({"int8": np.zeros((1, 2), np.int8), "scale": np.array([-1.0])}, "a scale is negative"),
        ({"blocks": np.zeros((0, 0), bool)}, "no multiple of 8x4 blocks"),
        ({"blocks": np.zeros((1, 1), bool)}, "blocks is"),
    ],
)
def test_bad_weights_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"matrix": np.ones((1, 2)), "bias": np.ones(1)}
    with pytest.raises(InputError, match=message):
        Weights("l", **{**good, **change})


def test_weights_outside_their_blocks_are_refused() -> None:
    matrix = np.zeros((8, 8))
    matrix[7, 4] = 1.0
    Weights("l", matrix, np.zeros(8), blocks=np.array([[False, True]]))
    with pytest.raises(InputError, match="layer l: a weight outside the kept blocks is not zero"):
        Weights("l", matrix, np.zeros(8), blocks=np.array([[True, False]]))


def test_fit_wants_every_layer_in_its_shape() -> None:
    shapes = [MatrixShape("a", 8, 4, "x"), MatrixShape("b", 5, 8, "y")]
    a = Weights("a", np.ones((8, 4)), np.ones(8))
    b = Weights("b", np.arange(64.0).reshape(8, 8), np.ones(8))
    chosen = fit(shapes, {"b": b, "a": a, "other": a}, "file")
    assert [layer.name for layer in chosen] == ["a", "b"]
    assert np.array_equal(chosen[1].matrix, b.matrix[:5])  # upstream pads outputs
    with pytest.raises(InputError, match="file: layer b is missing"):
        fit(shapes, {"a": a}, "file")
    for wrong in (np.ones((8, 7)), np.ones((4, 8)), np.ones((21, 8))):
        with pytest.raises(InputError, match=f"file: layer b is {len(wrong)}x"):
            fit(shapes, {"a": a, "b": Weights("b", wrong, np.ones(len(wrong)))}, "file")
    sparse = replace(b, blocks=np.ones((1, 2), bool))
    with pytest.raises(InputError, match="a sparse layer cannot be cut to 5 outputs"):
        fit(shapes, {"a": a, "b": sparse}, "file")


@given(st.floats(0.0, 16383.0))
def test_formats_hold_the_peak_with_headroom(peak: float) -> None:
    frac = choose_frac(peak)
    assert 0 <= frac <= 15
    assert peak * HEADROOM * 2.0**frac <= 32768
    assert frac == 15 or peak * HEADROOM * 2.0 ** (frac + 1) > 32768  # no coarser than necessary


@pytest.mark.parametrize("peak", [float("nan"), float("inf"), -1.0, 16385.0, 1e30])
def test_impossible_peaks(peak: float) -> None:
    with pytest.raises(InputError, match="calibration saw a magnitude of"):
        choose_frac(peak)


def test_quantise_names_what_is_missing() -> None:
    graph = small_graph()
    weights = small_weights(graph, 1)
    del weights["gru2_recurrent"]
    with pytest.raises(InputError, match="somewhere: layer gru2_recurrent is missing"):
        quantise(
            graph,
            weights,
            dict.fromkeys(("features", "latents", "side"), 1.0),
            {"name": "somewhere"},
        )


def test_quantised_sparse_layers_stay_sparse() -> None:
    graph = small_graph()
    weights = small_weights(graph, 1)
    model = small_model(seed=1)
    for name, layer in weights.items():
        blocks = model.matrices[name].blocks
        assert (blocks is None) == (layer.blocks is None)
        if blocks is not None and layer.blocks is not None:
            assert np.array_equal(blocks, layer.blocks)
            assert model.matrices[name].macs == int(blocks.sum()) * 32


def test_quality_with_upstream_weights(upstream: Path) -> None:
    """As good as libopus' own back ends agree: latents 40 dB, states 44 dB."""
    graph = rdovae_encoder()
    cols = {shape.name: shape.cols for shape in graph.matrices()}
    weights = read_blob(upstream / "weights" / "rdovae_enc.bin", cols)

    def golden(name: str, width: int) -> Any:
        return np.fromfile(upstream / "golden" / name, "<f4").reshape(-1, width)

    features = golden("features.f32", 36)[:, :20].reshape(-1, 40)
    wanted = {
        "enc_zdense": ("latents", golden("latents.f32", 25), 40.0),
        "gdense2": ("initial_state", golden("states.f32", 50), 44.0),
    }
    peaks = {"features": float(np.abs(features).max())}
    peaks |= {buffer: float(np.abs(want).max()) for buffer, want, _ in wanted.values()}
    model = quantise(graph, weights, peaks, {"name": "upstream"})
    got = run_integer(model, integer.to_fixed(features, model.frac["features"]))
    for node, (buffer, want, least) in wanted.items():
        real = integer.to_real(got[node], model.frac[buffer])
        assert snr_db(real, want) >= least, node

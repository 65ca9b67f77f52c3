# SPDX-License-Identifier: BSD-3-Clause
"""Gated units, more taps, wide convolutions, states from outside: integers match floats."""

import numpy as np
import pytest

from quantize import integer
from quantize.errors import InputError
from quantize.nn.calibrate import calibrate, report, snr_db
from quantize.nn.graph import Activation, Conv1d, Dense, Format, Glu, Graph, Slice
from quantize.nn.quantizer import quantise
from quantize.nn.run import IntegerRunner, run_float, run_integer
from tests.support.small_models import gated_graph, small_graph, small_model, small_weights


def test_every_layer_follows_its_float() -> None:
    graph = gated_graph()
    weights = small_weights(graph, 3)
    x = np.random.default_rng(4).normal(size=(60, 8))
    model = quantise(graph, weights, calibrate(graph, weights, x), {"name": "random"})
    rows = report(model, weights, x)
    assert [row.op for row in rows].count("Glu") == 3
    assert min(row.snr_db for row in rows) > 30.0
    formats = {row.name: (row.format, row.weights) for row in rows}
    assert formats["wide"] == ("Q15", "int16")
    assert formats["glu"] == ("Q15", "int8")
    assert formats["out"] == ("Q10", "int8")


def test_a_gate_by_hand() -> None:
    graph = Graph(
        "g",
        ("x",),
        ("y",),
        {"x": 4, "y": 4},
        (Glu("glu", Slice("x", 0, 4), Slice("y", 0, 4)),),
        {"x": Format.Q15, "y": Format.Q15},
    )
    model = small_model(graph, seed=5)
    x = np.array([32767, -32768, 12345, -1])
    gate = integer.sigmoid(model.matrices["glu"].apply(integer.narrow(x)))
    assert run_integer(model, x[None])["glu"].tolist() == [integer.mul_q15(gate, x).tolist()]
    real = run_float(graph, small_weights(graph, 5), x[None] / 32768.0).outputs["glu"]
    assert snr_db(run_integer(model, x[None])["glu"] / 32768.0, real) > 35.0


@pytest.mark.parametrize(("taps", "dilation"), [(2, 1), (2, 3), (3, 1), (4, 2)])
def test_taps_reach_back_in_time(taps: int, dilation: int) -> None:
    graph = Graph(
        "g",
        ("x",),
        ("y",),
        {"x": 3, "y": 2},
        (Conv1d("c", Slice("x", 0, 3), Slice("y", 0, 2), dilation, Activation.LINEAR, taps),),
    )
    weights = small_weights(graph, 6)
    x = np.random.default_rng(7).normal(size=(20, 3))
    padded = np.concatenate([np.zeros(((taps - 1) * dilation, 3)), x])
    # The oldest tap comes first in a row of the matrix.
    seen = np.concatenate([padded[tap * dilation :][:20] for tap in range(taps)], axis=1)
    want = seen @ weights["c"].matrix.T + weights["c"].bias
    assert np.allclose(run_float(graph, weights, x).outputs["c"], want)
    model = quantise(graph, weights, {"x": 4.0, "y": 8.0}, {"name": "random"})
    got = run_integer(model, integer.to_fixed(x, model.frac["x"]))["c"]
    assert snr_db(integer.to_real(got, model.frac["y"]), want) > 60.0


def test_states_are_taken_from_outside() -> None:
    model = small_model(seed=2)
    rng = np.random.default_rng(8)
    state = rng.integers(-32768, 32768, 8)
    x = rng.integers(-9000, 9000, (3, 12))
    plain, given = run_integer(model, x), run_integer(model, x, {"gru1": state})
    assert not np.array_equal(plain["gru1"][0], given["gru1"][0])
    weights = small_weights(small_graph(), 2)
    real = x / 2.0 ** model.frac["features"]
    floats = run_float(small_graph(), weights, real, {"gru1": state / 32768.0}).outputs["gru1"]
    assert snr_db(given["gru1"] / 32768.0, floats) > 30.0
    runner = IntegerRunner(model)
    runner.step({"features": x[0]})
    runner.reset({"gru1": state})
    assert np.array_equal(runner.step({"features": x[0]})["gru1"], given["gru1"][0])


def test_a_given_format_holds_what_was_seen() -> None:
    graph = gated_graph()
    weights = small_weights(graph, 1)
    peaks = {"features": 1.0, "sound": 31.9}
    assert quantise(graph, weights, peaks, {"name": "r"}).frac["sound"] == 10
    with pytest.raises(InputError, match=r"a magnitude of 32.0 in sound: beyond Q10"):
        quantise(graph, weights, {**peaks, "sound": 32.0}, {"name": "r"})


def test_dense_layers_on_q15_have_int16_weights() -> None:
    graph = Graph(
        "g",
        ("x",),
        ("y",),
        {"x": 3, "h": 5, "y": 2},
        (
            Dense("a", Slice("x", 0, 3), Slice("h", 0, 5), Activation.TANH),
            Dense("b", Slice("h", 0, 5), Slice("y", 0, 2), Activation.LINEAR),
        ),
        {"h": Format.Q15},
    )
    assert small_model(graph).matrices["b"].is_wide

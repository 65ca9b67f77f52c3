# SPDX-License-Identifier: BSD-3-Clause
"""The comparison names the first difference, and missing values do not pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.verify.compare import Comparison, Int16s, Mismatch, compare, split_trace

LAYERS = ("dense", "gru", "out")


def tables(steps: int = 6, size: int = 4) -> dict[str, Int16s]:
    """Return three layers [steps, size]; all values differ."""
    count = len(LAYERS) * steps * size
    values = np.arange(count, dtype=np.int16).reshape(len(LAYERS), steps, size)
    return dict(zip(LAYERS, values.copy(), strict=True))


def compared(got: dict[str, Int16s], want: dict[str, Int16s]) -> Comparison:
    return compare("board", LAYERS, got, want)


def test_equal_runs_have_every_value_compared() -> None:
    assert compared(tables(), tables()) == Comparison(3 * 6 * 4, 0, None)


def test_one_value_is_named_with_both_sides() -> None:
    got = tables()
    got["gru"][3, 2] = -7
    want = int(tables()["gru"][3, 2])
    found = compared(got, tables())
    assert found == Comparison(72, 1, Mismatch("board", "gru", 3, 2, -7, want))
    assert str(found.first) == f"board: layer gru, step 3, element 2: got -7, want {want}"


def test_an_earlier_step_comes_before_an_earlier_layer() -> None:
    got = tables()
    got["dense"][4, 0] += 1
    got["out"][2, 3] += 1
    found = compared(got, tables())
    assert found.mismatches == 2
    assert found.first is not None
    assert (found.first.layer, found.first.step, found.first.element) == ("out", 2, 3)


def test_within_a_step_the_order_of_computation_decides() -> None:
    got = tables()
    got["out"][2, 0] += 1
    got["gru"][2, 3] += 1
    got["gru"][2, 1] += 1
    first = compared(got, tables()).first
    assert first is not None
    assert (first.layer, first.step, first.element) == ("gru", 2, 1)


@given(
    st.sets(
        st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 3)),
        min_size=1,
        max_size=10,
    )
)
def test_the_first_mismatch_is_the_least_of_step_layer_element(
    places: set[tuple[int, int, int]],
) -> None:
    got, want = tables(), tables()
    for step, layer, element in places:
        got[LAYERS[layer]][step, element] ^= 1
    found = compared(got, want)
    assert found.mismatches == len(places)
    assert found.first is not None
    first = (found.first.step, LAYERS.index(found.first.layer), found.first.element)
    assert first == min(places)
    assert found.first.got == got[found.first.layer][first[0], first[2]]
    assert found.first.want == want[found.first.layer][first[0], first[2]]


@pytest.mark.parametrize(
    ("shape", "missing", "where"),
    [((4, 4), 8, (4, 0)), ((6, 3), 6, (0, 3)), ((0, 4), 24, (0, 0)), ((0,), 24, (0, 0))],
)
def test_a_missing_step_or_element_is_a_mismatch(
    shape: tuple[int, ...], missing: int, where: tuple[int, int]
) -> None:
    got, want = tables(), tables()
    cut = got["gru"][tuple(slice(n) for n in shape)]
    got["gru"] = cut if len(shape) == 2 else np.zeros(shape, np.int16)
    found = compared(got, want)
    value = int(want["gru"][where])
    assert found == Comparison(72, missing, Mismatch("board", "gru", *where, None, value))
    assert str(found.first).endswith(f"got nothing, want {value}")


def test_a_surplus_step_is_a_mismatch() -> None:
    found = compared(tables(steps=7, size=4), {name: t[:6] for name, t in tables(7).items()})
    assert found.mismatches == 3 * 4
    assert found.values == 3 * 7 * 4
    assert found.first is not None
    assert (found.first.layer, found.first.step, found.first.want) == ("dense", 6, None)


def test_a_difference_before_a_missing_end_is_the_first() -> None:
    got = tables()
    got["out"] = got["out"][:5]
    got["out"][1, 1] += 1
    first = compared(got, tables()).first
    assert first is not None
    assert (first.step, first.element) == (1, 1)


def test_a_missing_layer_is_a_mismatch() -> None:
    got = tables()
    del got["gru"]
    found = compared(got, tables())
    assert found.mismatches == 24
    assert found.first is not None
    assert found.first.layer == "gru"


def test_runs_of_no_steps_compare_nothing() -> None:
    empty = {name: np.zeros((0, 4), np.int16) for name in LAYERS}
    assert compared(empty, empty) == Comparison(0, 0, None)


def test_extremes_of_int16_differ() -> None:
    low = {name: np.full((1, 1), -32768, np.int16) for name in LAYERS}
    high = {name: np.full((1, 1), 32767, np.int16) for name in LAYERS}
    assert compared(high, low).first == Mismatch("board", "dense", 0, 0, 32767, -32768)


def test_a_trace_is_cut_into_its_layers() -> None:
    steps = [np.array([1, 2, -3, 4, 5], "<i2"), np.array([6, 7, 8, 9, -32768], "<i2")]
    layers = split_trace([step.tobytes() for step in steps], [("a", 2), ("b", 3)])
    assert layers["a"].tolist() == [[1, 2], [6, 7]]
    assert layers["b"].tolist() == [[-3, 4, 5], [8, 9, -32768]]


def test_no_trace_gives_layers_of_no_steps() -> None:
    layers = split_trace([], [("a", 2), ("b", 3)])
    assert {name: table.shape for name, table in layers.items()} == {"a": (0, 2), "b": (0, 3)}

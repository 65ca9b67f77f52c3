# SPDX-License-Identifier: BSD-3-Clause
"""quantize/integer.py against exact fractions, definitions and the true curves."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize import integer

EVERY = np.arange(-32768, 32768)
int16s = st.integers(-32768, 32767)
q15s = st.integers(-32767, 32767)


def one(value: int) -> integer.Ints:
    return np.array([value], np.int64)


def round_half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def clip16(value: int) -> int:
    return max(-32768, min(32767, value))


@given(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(integer.MULTIPLIER_MIN, integer.MULTIPLIER_MAX),
    st.integers(integer.SHIFT_MIN, integer.SHIFT_MAX),
)
def test_requantise_rounds_once(acc: int, multiplier: int, shift: int) -> None:
    exact = round_half_up(Fraction(acc * multiplier, 2**shift))
    got = integer.requantise(one(acc), one(multiplier), one(shift))
    assert int(got[0]) == clip16(exact)


def test_requantise_takes_a_factor_per_row() -> None:
    got = integer.requantise(
        np.array([3, -3, 5]), np.array([16384, 16384, 32767]), np.array([15, 15, 1])
    )
    assert got.tolist() == [2, -1, 32767]  # 1.5 up, -1.5 up, saturated


def test_shift_max_is_the_last_that_matters() -> None:
    far = np.array([-(2**31), 2**31 - 1])
    factor = np.full(2, integer.MULTIPLIER_MAX)
    at_max = integer.requantise(far, factor, np.full(2, integer.SHIFT_MAX))
    assert np.abs(at_max).max() <= 1
    assert not integer.requantise(far, factor, np.full(2, integer.SHIFT_MAX + 2)).any()


def test_narrow_of_every_q15() -> None:
    got = integer.narrow(EVERY)
    assert got.tolist() == [round_half_up(Fraction(127 * int(x), 32768)) for x in EVERY]
    assert (got.min(), got.max()) == (-127, 127)
    assert np.all(np.diff(got) >= 0)


def doubling_high_mul(x: int, multiplier: int) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul: x * multiplier / 2^31, half away from zero.

    The published formula: a nudge of 2^30 (1 - 2^30 below zero), then truncating division.
    """
    product = x * multiplier
    nudge = 2**30 if product >= 0 else 1 - 2**30
    quotient = abs(product + nudge) // 2**31
    return quotient if product + nudge >= 0 else -quotient


def divide_by_pot(x: int, exponent: int) -> int:
    """gemmlowp's RoundingDivideByPOT: half away from zero."""
    quotient = floor(Fraction(abs(x), 2**exponent) + Fraction(1, 2))
    return quotient if x >= 0 else -quotient


@given(int16s, int16s)
def test_mul_q15_is_tflites_double_rounding(a: int, b: int) -> None:
    want = clip16(divide_by_pot(doubling_high_mul(a * b, 2**30), 14))
    got = int(integer.mul_q15(one(a), one(b))[0])
    assert got == want
    assert got == int(integer.mul_q15(one(b), one(a))[0])
    if (a, b) != (-32768, -32768):
        assert abs(Fraction(a * b, 2**15) - got) <= Fraction(1, 2) + Fraction(1, 2**15)


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [
        (-32768, -32768, 32767),
        (32767, 32767, 32766),
        (-32768, 32767, -32767),
        (-32768, 1, -1),
        (16384, 1, 1),
        (-16384, 1, -1),
        (-16383, 1, 0),  # not the mirror image of the next
        (16383, 1, 1),  # 0.49997: the first rounding raises it to a half
        (0, -32768, 0),
    ],
)
def test_mul_q15_at_its_edges(a: int, b: int, product: int) -> None:
    want = clip16(divide_by_pot(doubling_high_mul(a * b, 2**30), 14))
    assert want == int(integer.mul_q15(one(a), one(b))[0]) == product


@given(int16s, int16s)
def test_add16_saturates(a: int, b: int) -> None:
    assert int(integer.add16(one(a), one(b))[0]) == clip16(a + b)


def test_the_table() -> None:
    table = integer.SIGMOID_TABLE
    true = 65536.0 / (1.0 + np.exp(-np.arange(256) / 24.0))
    assert (len(table), table[0], table[-1]) == (256, 32768, 65535)
    assert np.all(np.diff(table) >= 0)
    assert np.abs(table - true).max() < 1.2
    # A checksum of the table inside LiteRT 2.3; every entry of that table was measured.
    assert int(np.sum(table * np.arange(1, 257))) == 2123733574


def test_tanh_of_every_input() -> None:
    got = integer.tanh(EVERY)
    assert np.all(np.diff(got) >= 0)
    assert np.array_equal(got[1:][::-1], -got[1:])  # odd
    assert (got.min(), got.max()) == (-32767, 32767)
    error = np.abs(got - 32768 * np.tanh(EVERY / 4096))
    assert error.max() < 1.5


def test_sigmoid_of_every_input() -> None:
    got = integer.sigmoid(EVERY)
    assert np.all(np.diff(got) >= 0)
    assert np.array_equal(got[1:][::-1], 32768 - got[1:])
    assert (got.min(), got.max()) == (11, 32757)  # the ends of Q12: sigmoid(-8), sigmoid(8)
    error = np.abs(got - 32768 / (1 + np.exp(-EVERY / 4096)))
    assert error.max() < 1.1


@given(st.lists(int16s, min_size=6, max_size=6), st.lists(q15s, min_size=2, max_size=2))
def test_gru_stays_between_its_state_and_the_new_value(gates: list[int], state: list[int]) -> None:
    """s' = z s + (1 - z) h is a mean of two values in [-1, 1], so the state cannot grow."""
    a, u, s = np.array(gates), np.array(gates[::-1]), np.array(state)
    new = integer.gru_update(a, u, s)
    z = integer.sigmoid(integer.add16(a[:2], u[:2]))
    r = integer.sigmoid(integer.add16(a[2:4], u[2:4]))
    h = integer.tanh(integer.add16(a[4:], integer.mul_q15(r, u[4:])))
    want = (z * s + (32767 - z) * h) / 32768
    assert np.abs(new - want).max() <= 1.01
    assert np.all(new <= np.maximum(s, h) + 1)
    assert np.all(new >= np.minimum(s, h) - 1)


def test_gru_gates_in_the_order_z_r_h() -> None:
    state = np.array([20000])
    high, low, none = 32767, -32768, 0
    update = integer.gru_update
    # z open: the state stays; z shut: the candidate replaces it (8 is the largest gate input).
    assert abs(int(update(np.array([high, 0, low]), np.zeros(3, int), state)[0]) - 20000) <= 32
    shut = int(update(np.array([low, none, high]), np.zeros(3, int), state)[0])
    assert shut >= 32750
    # r shut: the state's share does not reach the candidate; r open: it does.
    from_state = np.array([0, 0, high])
    assert abs(int(update(np.array([low, low, none]), from_state, state)[0])) <= 128
    assert int(update(np.array([low, high, none]), from_state, state)[0]) >= 32700


@given(st.floats(-40, 40), st.integers(0, 15))
def test_to_fixed_is_the_nearest(value: float, frac: int) -> None:
    got = integer.to_fixed(np.array([value]), frac)
    exact = Fraction(value) * 2**frac
    assert int(got[0]) == clip16(round_half_up(exact))
    assert integer.to_real(got, frac)[0] == float(Fraction(int(got[0]), 2**frac))


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1))
def test_saturate16(values: list[int]) -> None:
    assert integer.saturate16(np.array(values)).tolist() == [clip16(v) for v in values]

# SPDX-License-Identifier: BSD-3-Clause
"""The portable C kernels against quantize/integer.py: random shapes, tails, extremes, all inputs.

The library is built with the trapping undefined-behaviour sanitizer, so that an overflow in a
kernel ends the test instead of passing by luck.
"""

import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize import integer
from quantize.nn.model import QuantisedMatrix
from tests.support.kernel_cases import random_input, random_matrix
from toolkit.codegen.packing.pack import block_index, stored_weights
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import LIBRARY, PORTABLE_FLAG, room

ROOT = Path(__file__).resolve().parents[2]


class Kernels:
    """The kernels as functions on numpy arrays."""

    def __init__(self, library: Path) -> None:
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations("nn/nn.h", "nn/batch.h"))
        self.lib: Any = self.ffi.dlopen(str(library))
        self._kept: list[Any] = []

    def array(self, kind: str, values: Any) -> Any:
        data = self.ffi.new(f"{kind}[]", [int(v) for v in np.asarray(values).reshape(-1)] or 1)
        self._kept.append(data)
        return data

    def fields(self, m: QuantisedMatrix) -> list[Any]:
        weights = self.array("int16_t" if m.is_wide else "int8_t", stored_weights(m))
        index = [] if m.is_wide else [self.ffi.NULL]
        if m.blocks is not None:
            index = [self.array("uint8_t", block_index(m))]
        rest = [self.array("int32_t", m.bias), self.array("int16_t", m.multiplier)]
        return [weights, *index, *rest, self.array("uint8_t", m.shift), m.rows, m.cols]

    def matvec(self, m: QuantisedMatrix, x: Any) -> list[int]:
        struct = self.ffi.new("dk_matrix16 *" if m.is_wide else "dk_matrix8 *", self.fields(m))
        y = self.ffi.new("int16_t[]", m.rows)
        call = self.lib.dk_matvec16 if m.is_wide else self.lib.dk_matvec8
        call(struct, self.array("int16_t" if m.is_wide else "int8_t", x), y)
        self._kept.clear()
        return list(y)

    def in_place(self, name: str, values: Any) -> list[int]:
        data = self.array("int16_t", values)
        getattr(self.lib, name)(data, len(values))
        self._kept.clear()
        return list(data)


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    library = tmp_path_factory.mktemp("kernels") / "kernels.so"
    subprocess.run(
        ["gcc", "-std=c11", "-O2", "-shared", "-fPIC", "-fsanitize=undefined"]
        + ["-fsanitize-undefined-trap-on-error", f"-I{LIBRARY}", PORTABLE_FLAG, "-o", str(library)]
        + [str(source) for source in room("nn")],
        check=True,
    )
    return Kernels(library)


EVERY_INT16 = np.arange(-32768, 32768)


def test_tanh_on_every_input(kernels: Kernels) -> None:
    assert kernels.in_place("dk_tanh", EVERY_INT16) == integer.tanh(EVERY_INT16).tolist()


def test_sigmoid_on_every_input(kernels: Kernels) -> None:
    assert kernels.in_place("dk_sigmoid", EVERY_INT16) == integer.sigmoid(EVERY_INT16).tolist()


def test_narrow_on_every_input(kernels: Kernels) -> None:
    x8 = kernels.ffi.new("int8_t[]", len(EVERY_INT16))
    kernels.lib.dk_narrow(kernels.array("int16_t", EVERY_INT16), len(EVERY_INT16), x8)
    assert list(x8) == integer.narrow(EVERY_INT16).tolist()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 21), cols=st.integers(1, 67))
def test_dense_matches(kernels: Kernels, seed: int, rows: int, cols: int) -> None:
    m = random_matrix(seed, rows, cols, "dense")
    x = random_input(seed, cols, -127, 127)
    assert kernels.matvec(m, x) == m.apply(x).tolist()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 21), cols=st.integers(1, 67))
def test_wide_matches(kernels: Kernels, seed: int, rows: int, cols: int) -> None:
    m = random_matrix(seed, rows, cols, "wide")
    x = random_input(seed, cols, -32768, 32767)
    assert kernels.matvec(m, x) == m.apply(x).tolist()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), groups=st.integers(1, 6), columns=st.integers(1, 40))
def test_sparse_matches(kernels: Kernels, seed: int, groups: int, columns: int) -> None:
    m = random_matrix(seed, 8 * groups, 4 * columns, "sparse")
    x = random_input(seed, 4 * columns, -127, 127)
    assert kernels.matvec(m, x) == m.apply(x).tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.integers(1, 9), cols=st.integers(1, 33))
def test_gru_matches_over_time(kernels: Kernels, seed: int, size: int, cols: int) -> None:
    from_input = random_matrix(seed, 3 * size, cols, "dense")
    from_state = random_matrix(seed + 7, 3 * size, size, "dense")
    layer = [kernels.fields(from_input), kernels.fields(from_state), size]
    gru = kernels.ffi.new("dk_gru *", layer)
    c_state = kernels.ffi.new("int16_t[]", size)
    gates = kernels.ffi.new("int16_t[]", 6 * size)
    state8 = kernels.ffi.new("int8_t[]", size)
    state = np.zeros(size, np.int64)
    for step in range(12):
        x = random_input(seed + step, cols, -127, 127)
        kernels.lib.dk_gru_step(gru, kernels.array("int8_t", x), c_state, gates, state8)
        a, u = from_input.apply(x), from_state.apply(integer.narrow(state))
        state = integer.gru_update(a, u, state)
        assert list(c_state) == state.tolist()
    kernels._kept.clear()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(["dense", "sparse"]),
    steps=st.integers(1, 9),
    apart=st.integers(0, 5),
)
def test_a_batch_of_products_matches(
    kernels: Kernels, seed: int, kind: str, steps: int, apart: int
) -> None:
    rng = np.random.default_rng(seed)
    rows, cols = (8 * int(n) if kind == "sparse" else int(n) for n in rng.integers(1, 9, 2))
    m = random_matrix(seed, rows, cols, kind)
    x = np.array([random_input(seed + step, cols + apart, -127, 127) for step in range(steps)])
    want = [m.apply(row[:cols]).tolist() for row in x]
    struct = kernels.ffi.new("dk_matrix8 *", kernels.fields(m))
    data = kernels.array("int8_t", x)
    y_apart = rows + apart
    y = kernels.ffi.new("int16_t[]", y_apart * steps)
    for sign, first in ((1, 0), (-1, (steps - 1) * y_apart)):
        at = kernels.ffi.addressof(y, first)
        kernels.lib.dk_matvec8_batch(struct, steps, data, cols + apart, at, sign * y_apart)
        found = np.array(list(y)).reshape(steps, y_apart)
        assert found[::sign, :rows].tolist() == want
        assert not found[:, rows:].any()
    kernels._kept.clear()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.integers(1, 9), steps=st.integers(1, 5))
def test_a_gru_goes_the_same_steps_at_once(
    kernels: Kernels, seed: int, size: int, steps: int
) -> None:
    from_input = random_matrix(seed, 3 * size, 7, "dense")
    from_state = random_matrix(seed + 7, 3 * size, size, "dense")
    layer = [kernels.fields(from_input), kernels.fields(from_state), size]
    gru = kernels.ffi.new("dk_gru *", layer)
    state = random_input(seed, size, -32768, 32767)
    c_state = kernels.array("int16_t", state)
    gates = kernels.ffi.new("int16_t[]", 3 * size * (steps + 1))
    state8, out = kernels.ffi.new("int8_t[]", size), kernels.ffi.new("int16_t[]", size * steps)
    x = np.array([random_input(seed + step, 9, -127, 127) for step in range(steps)])
    data = kernels.array("int8_t", x)
    kernels.lib.dk_gru_batch(gru, steps, data, 9, c_state, gates, state8, out)
    for step in range(steps):
        a, u = from_input.apply(x[step, :7]), from_state.apply(integer.narrow(state))
        state = integer.gru_update(a, u, state)
        assert list(out)[step * size : (step + 1) * size] == state.tolist()
    assert list(c_state) == state.tolist()
    kernels._kept.clear()


def test_gate_on_pairs(kernels: Kernels) -> None:
    rng = np.random.default_rng(1)
    ends = np.array([0, 1, 255, 16384, 32766, 32767])
    gates = np.append(np.repeat(ends, 200), rng.integers(0, 32768, 5000))
    x = np.append(rng.integers(-32768, 32768, 6198), [-32768, 32767])
    data = kernels.array("int16_t", gates)
    kernels.lib.dk_gate(data, kernels.array("int16_t", x), len(x))
    assert list(data) == integer.mul_q15(gates, x).tolist()


@pytest.mark.parametrize("taps", [2, 3, 5])
@pytest.mark.parametrize(("dilation", "count"), [(1, 1), (1, 5), (2, 4), (3, 7)])
@pytest.mark.parametrize("kind", ["int8_t", "int16_t"])
def test_conv1d_window_is_the_past(
    kernels: Kernels, taps: int, dilation: int, count: int, kind: str
) -> None:
    size = int(kind[3:-2]) // 8
    memory = kernels.ffi.new(f"{kind}[]", (taps - 1) * dilation * count)
    window = kernels.ffi.new(f"{kind}[]", taps * count)
    steps = 3 * taps * dilation
    rows = np.arange(steps * count).reshape(steps, count) * 77 % 127 + 1
    nothing = np.zeros(count, int)
    for t, row in enumerate(rows):
        x = kernels.array(kind, row)
        kernels.lib.dk_conv1d_window(memory, taps, dilation, x, count * size, window)
        times = [t - tap * dilation for tap in reversed(range(taps))]
        want = np.concatenate([rows[time] if time >= 0 else nothing for time in times])
        assert list(window) == want.tolist()

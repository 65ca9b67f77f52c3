# SPDX-License-Identifier: BSD-3-Clause
"""Each ISA's kernels on emulated cores against quantize/integer.py, to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from quantize import integer
from quantize.nn.model import QuantisedMatrix
from quantize.nn.quantizer import quantise_narrow, quantise_wide
from quantize.nn.weights import Weights
from tests.support.compilers import slack
from tests.support.kernel_board import CORES, KernelBoard, built, equal
from tests.support.kernel_cases import random_input, random_matrix
from toolkit.codegen.constants import chords as chord_tables
from toolkit.codegen.packing.pack import plain_tables, tables

CASES = 120


@pytest.fixture(scope="module", params=CORES)
def board(request: pytest.FixtureRequest) -> KernelBoard:
    return KernelBoard(CORES[request.param], built(request.param))


def shapes(kind: str) -> list[tuple[int, int, int]]:
    """Return (seed, rows, cols): small shapes with every tail, and some shapes of real networks."""
    rng = np.random.default_rng(3)
    found = []
    for seed in range(CASES):
        rows, cols = int(rng.integers(1, 22)), int(rng.integers(1, 68))
        found.append(
            (seed, 8 * (rows % 7 + 1), 4 * cols) if kind == "sparse" else (seed, rows, cols)
        )
    large = {"sparse": (64, 1000), "dense": (25, 544), "wide": (64, 40)}[kind]
    return [*found, (CASES, *large)]


@pytest.mark.parametrize("kind", ["dense", "sparse", "wide"])
def test_products(board: KernelBoard, kind: str, tmp_path: Path) -> None:
    low, high = (-32768, 32767) if kind == "wide" else (-127, 127)
    want, names = [], []
    for seed, rows, cols in shapes(kind):
        m = random_matrix(seed, rows, cols, kind)
        x = random_input(seed, cols, low, high)
        board.matvec(m, x, skew=seed % 4)
        want.append(m.apply(x))
        names.append(f"{kind} {rows}x{cols}, seed {seed}")
    equal(board.run(tmp_path), want, names)


def test_blocks_far_apart(board: KernelBoard, tmp_path: Path) -> None:
    """An index of bytes holds any distance between blocks, up to the widest."""
    rng = np.random.default_rng(15)
    want = []
    for cols in (260, 1024):
        kept = np.zeros((7, cols // 4), bool)
        kept[0, [0, -1]] = kept[1, [5, -1]] = kept[2, [0, 63]] = kept[3, [0, 64]] = True
        kept[4, -1] = kept[5, [0, 1, 33, 60]] = True
        weights = rng.normal(size=(56, cols)) * np.kron(kept, np.ones((8, 4)))
        m = quantise_narrow(Weights("far", weights, rng.normal(size=56), blocks=kept), 12)
        x = rng.integers(-127, 128, cols)
        board.matvec(m, x)
        want.append(m.apply(x))
    equal(board.run(tmp_path), want, ["260 columns", "1024 columns"])


def odd_matrices() -> list[QuantisedMatrix]:
    """Return matrices that packing must leave plain or treat specially."""
    rng = np.random.default_rng(5)
    full = np.sign(rng.normal(size=(5, 600)))
    tiny = rng.normal(size=(6, 20)) * np.array([[1e-7, 1e-5, 1e-3, 1.0, 0.0, 0.0]]).T
    biased = np.array([0.5, -0.5, 0.25, 3.0, 5.0, 0.0])
    cases = {
        "large sums": (full, np.zeros(5)),
        "many columns": (np.sign(rng.normal(size=(3, 1100))), np.ones(3)),
        "tiny rows": (tiny, biased),
        "rows of zeros": (tiny[3:] * np.array([[0.0, 1.0, 1.0]]).T, np.array([-9.0, 9.0, 1e-9])),
        "bias dwarfs weights": (tiny[:3], np.array([7.0, -7.0, 7.0])),
    }
    return [
        quantise_narrow(Weights(name, matrix, bias), 12) for name, (matrix, bias) in cases.items()
    ]


def test_matrices_apart(board: KernelBoard, tmp_path: Path) -> None:
    want, names = [], []
    for m in odd_matrices():
        for seed in range(4):
            x = random_input(seed, m.cols, -127, 127)
            board.matvec(m, x)
            want.append(m.apply(x))
            names.append(m.name)
    equal(board.run(tmp_path), want, names)


def test_packing_leaves_plain_what_it_cannot_prove() -> None:
    members = {m.name: set(tables(m, "simd32")) for m in odd_matrices()}
    plain = set(plain_tables(odd_matrices()[0]))
    assert members["rows of zeros"] == {"weights"}
    assert members["large sums"] == members["many columns"] == members["tiny rows"] == plain
    assert members["bias dwarfs weights"] == plain


def test_dot_products_take_any_number_of_columns() -> None:
    members = {m.name: set(tables(m, "dotprod")) for m in odd_matrices()}
    plain = set(plain_tables(odd_matrices()[0]))
    assert members["rows of zeros"] == members["large sums"] == {"weights"}
    assert members["many columns"] == {"weights"}
    assert members["tiny rows"] == members["bias dwarfs weights"] == plain


def test_blocks_for_dot_products_come_in_pairs() -> None:
    blocks = np.array([[True, False, True, True], [False] * 4, [False, True, False, True]])
    weights = np.kron(blocks, np.ones((8, 4)))
    m = quantise_narrow(Weights("pairs", weights, np.zeros(24), blocks=blocks), 12)
    packed = tables(m, "dotprod")
    assert packed["index"].tolist() == [2, 0, 1]
    stream = packed["weights"]
    assert len(stream) == 3 * 16 + 3 * 18
    assert stream[[8, 9, 26, 27]].tolist() == [0, 8, 12, 0]  # columns; the last block is padding
    assert not stream[36:44].any()
    assert stream[76:78].tolist() == [4, 12]


EVERY_INT16 = np.arange(-32768, 32768)


def test_functions_of_every_input(board: KernelBoard, tmp_path: Path) -> None:
    parts = [EVERY_INT16, *(EVERY_INT16[k : 2 * k] for k in range(1, 9))]
    want: list[np.ndarray] = []
    for skew, part in enumerate(parts):
        board.in_place("TANH", part, skew % 2)
        board.in_place("SIGMOID", part, skew % 2)
        board.narrow(part, skew % 4)
        want += [integer.tanh(part), integer.sigmoid(part), integer.narrow(part)]
    equal(
        board.run(tmp_path), want, [f"function {i % 3} of part {i // 3}" for i in range(len(want))]
    )


def test_gru_updates(board: KernelBoard, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    want, names = [], []
    ends = np.array([-32768, -32767, -1, 0, 1, 16384, 32767])
    for size in (*range(1, 12), 64, 3000):
        gates = rng.integers(-32768, 32768, 6 * size) // rng.choice([1, 2, 8], 6 * size)
        state = rng.integers(-32768, 32768, size)
        if size % 3 == 0:
            gates[:] = rng.choice(ends, 6 * size)
            state[:] = rng.choice(ends, size)
        board.gru_update(gates, state)
        want.append(integer.gru_update(gates[: 3 * size], gates[3 * size :], state))
        names.append(f"{size} units")
    equal(board.run(tmp_path), want, names)


def test_gates(board: KernelBoard, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    want, names = [], []
    # Every int16 with gates whose products round differently, and short vectors.
    for gate in (0, 1, 16383, 16384, 32767):
        gates = np.full(65536, gate)
        board.gate(gates, EVERY_INT16)
        want.append(integer.mul_q15(gates, EVERY_INT16))
        names.append(f"gate {gate}")
    for count in range(1, 20):
        gates, x = rng.integers(0, 32768, count), rng.integers(-32768, 32768, count)
        board.gate(gates, x, count % 2)
        want.append(integer.mul_q15(gates, x))
        names.append(f"{count} gates")
    equal(board.run(tmp_path), want, names)


MOST_A_MAC = {
    "cortex-m4": 0.95,
    "cortex-m7": 0.95,
    "cortex-m33": 0.95,
    "cortex-m55": 0.15,
    "cortex-a7": 0.265,
    "cortex-a53": 0.265,
    "cortex-a72": 0.265,
    "cortex-a76": 0.10,
}
# SDOT takes two instructions a block, and finding its inputs takes one and a half more.
MOST_MORE_WHEN_SPARSE = {"cortex-a7": 1.28, "cortex-a76": 1.53}
# With a tenth of the blocks kept, the fixed cost of every eight rows weighs more, and so do the
# blocks that pad the last step.
MOST_MORE_AT_A_TENTH = {
    "cortex-m4": 1.37,
    "cortex-m7": 1.37,
    "cortex-m33": 1.38,
    "cortex-m55": 1.74,
    "cortex-a7": 1.78,
    "cortex-a53": 1.61,
    "cortex-a72": 1.63,
    "cortex-a76": 2.03,
}


def test_instructions_a_mac(board: KernelBoard, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    weights = rng.normal(size=(384, 384))
    x = rng.integers(-127, 128, 384)
    bias = np.zeros(384)
    matrices = [quantise_narrow(Weights("dense", weights, bias), 12)]
    for share in (0.5, 0.1):
        blocks = rng.random((48, 96)) < share
        kept = weights * np.kron(blocks, np.ones((8, 4)))
        matrices.append(quantise_narrow(Weights("sparse", kept, bias, blocks=blocks), 12))
    board.counting = True
    for m in matrices:
        board.matvec(m, x)
    costs = board.instructions(tmp_path)
    board.counting = False
    of_dense, of_sparse, of_few = (cost / m.macs for cost, m in zip(costs, matrices, strict=True))
    core = next(name for name, core in CORES.items() if core == board.core)
    assert 0.5 * MOST_A_MAC[core] < of_dense <= MOST_A_MAC[core]
    assert of_sparse <= MOST_MORE_WHEN_SPARSE.get(core, 1.25) * of_dense
    assert of_few <= MOST_MORE_AT_A_TENTH[core] * of_dense


# Instructions of the other kernels, rounded up: for a MAC with int16 weights, of a convolution
# with 1 channel and with 4 channels, then for a value or a unit.
MOST_OF_OTHERS = {
    "cortex-m4": (1.40, 2.90, 1.73, 7.6, 7.6, 4.5, 45.0, 6.6),
    "cortex-m7": (1.39, 2.90, 1.75, 7.6, 7.6, 4.5, 45.5, 7.6),
    "cortex-m33": (1.40, 4.80, 3.30, 10.7, 10.7, 4.9, 69.0, 8.7),
    "cortex-m55": (0.32, 1.21, 0.79, 2.9, 2.4, 0.56, 21.3, 3.5),
    "cortex-a7": (0.40, 0.89, 0.65, 6.5, 5.4, 1.04, 23.6, 2.2),
    "cortex-a53": (0.39, 0.69, 0.51, 5.3, 4.8, 0.43, 19.0, 1.9),
    "cortex-a72": (0.39, 0.70, 0.52, 5.1, 4.6, 0.43, 18.9, 1.9),
    "cortex-a76": (0.43, 0.69, 0.51, 5.0, 4.5, 0.54, 18.8, 2.1),
}


def test_instructions_of_the_others(board: KernelBoard, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    pieces = []
    board.counting = True
    m = quantise_wide(Weights("wide", rng.normal(size=(384, 384)), np.zeros(384)), 10, 12)
    board.matvec(m, rng.integers(-3000, 3000, 384))
    pieces.append(m.macs)
    for channels in (1, 4):
        size = 224 * channels
        m = quantise_wide(Weights("conv", rng.normal(size=(4, 9 * channels)), np.zeros(4)), 10, 12)
        board.conv2d(m, rng.integers(-3000, 3000, 2 * size), rng.integers(-3000, 3000, size), 224)
        pieces.append(m.macs * 224)
    values = rng.integers(-32768, 32768, 1024)
    board.in_place("TANH", values)
    board.in_place("SIGMOID", values)
    board.narrow(values)
    board.gru_update(rng.integers(-32768, 32768, 6 * 256), values[:256])
    board.gate(np.abs(values) % 32768, values)
    costs = np.array(board.instructions(tmp_path)) / [*pieces, 1024, 1024, 1024, 256, 1024]
    board.counting = False
    core = next(name for name, core in CORES.items() if core == board.core)
    most = np.array(MOST_OF_OTHERS[core]) * slack(board.core.family.compiler, 1.4)
    assert np.all(costs <= most), costs.round(3).tolist()


@pytest.mark.parametrize("channels", [1, 4])
def test_convolutions_along_a_line(board: KernelBoard, channels: int, tmp_path: Path) -> None:
    want, names = [], []
    for seed, width in enumerate([1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 25, 33, 224]):
        m = random_matrix(seed, 1 + seed % 5, 9 * channels, "wide")
        lines = random_input(seed, 3 * channels * width, -32768, 32767)
        past, x = lines[: 2 * channels * width], lines[2 * channels * width :]
        board.conv2d(m, past, x, width)
        times = np.zeros((channels, 3, width + 2), np.int64)
        times[:, :, 1:-1] = lines.reshape(3, channels, width).transpose(1, 0, 2)
        patches = np.stack([times[:, :, k : k + width] for k in range(3)], axis=2)
        want.append(m.apply(patches.reshape(9 * channels, width)).reshape(-1))
        names.append(f"{channels} channels of {width}")
    equal(board.run(tmp_path), want, names)


def test_chords_are_those_of_the_model() -> None:
    assert chord_tables.FILE.read_text() == chord_tables.source()

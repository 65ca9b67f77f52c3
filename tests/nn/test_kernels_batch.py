# SPDX-License-Identifier: BSD-3-Clause
"""Each ISA's products of several vectors at once on emulated cores, to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from quantize.nn.quantizer import quantise_narrow
from quantize.nn.weights import Weights
from tests.nn.test_kernels_boards import odd_matrices, shapes
from tests.support.compilers import slack
from tests.support.kernel_board import CORES, KernelBoard, built
from tests.support.kernel_cases import random_input, random_matrix

GAP = int(np.array([0xA5A5], np.uint16).view(np.int16)[0])  # between rows of outputs


@pytest.fixture(scope="module", params=CORES)
def board(request: pytest.FixtureRequest) -> KernelBoard:
    return KernelBoard(CORES[request.param], built(request.param))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_batches(board: KernelBoard, kind: str, tmp_path: Path) -> None:
    """Counts of vectors, distances between rows and the order of outputs may be any."""
    rng = np.random.default_rng(13)
    want, names = [], []
    matrices = [random_matrix(seed, rows, cols, kind) for seed, rows, cols in shapes(kind)]
    for seed, m in enumerate(matrices + (odd_matrices() if kind == "dense" else [])):
        steps = 1 + seed % 6
        apart = m.cols + int(rng.choice([0, 0, 1, 4, 8]))
        wide = m.rows + int(rng.choice([0, 1, 3]))
        sign = int(rng.choice([-1, 1]))
        rows = [random_input(seed + step, apart, -127, 127) for step in range(steps)]
        x = np.array([rows[int(k)] for k in rng.integers(0, steps, steps)])
        board.batch(m, x, apart, sign * wide, skew=seed % 4)
        found = np.full((steps, wide), GAP)
        found[:, : m.rows] = [m.apply(row[: m.cols]) for row in x]
        want.append(found[::sign].reshape(-1).tolist())
        names.append(f"{steps} times {kind} {m.rows}x{m.cols}, seed {seed}")
    got = board.run(tmp_path)
    assert len(got) == len(want)
    for name, have, wish in zip(names, got, want, strict=True):
        assert have == wish, name


# Instructions for four vectors at once, as a share of those for one at a time: dense, and 8x4
# blocks, whose inputs Helium gathers first. Without a dot product, NEON keeps its single-vector
# kernel for some rows.
MOST_OF_ONE_BY_ONE = {
    "cortex-m4": (0.96, 0.93),
    "cortex-m7": (0.96, 0.95),
    "cortex-m33": (0.98, 1.02),
    "cortex-m55": (0.94, 1.08),
    "cortex-a76": (0.85, 0.77),
}


def test_instructions_of_a_batch(board: KernelBoard, tmp_path: Path) -> None:
    """Reading weights less often saves instructions, or costs only so many more."""
    rng = np.random.default_rng(11)
    weights = rng.normal(size=(192, 384))
    blocks = rng.random((24, 96)) < 0.5
    kept = weights * np.kron(blocks, np.ones((8, 4)))
    bias = np.zeros(192)
    matrices = [
        quantise_narrow(Weights("dense", weights, bias), 12),
        quantise_narrow(Weights("sparse", kept, bias, blocks=blocks), 12),
    ]
    x = rng.integers(-127, 128, (4, 384))
    board.counting = True
    for m in matrices:
        board.matvec(m, x[0])
        board.batch(m, x, 384, 192)
    costs = board.instructions(tmp_path)
    board.counting = False
    core = next(name for name, core in CORES.items() if core == board.core)
    most = MOST_OF_ONE_BY_ONE.get(core, (1.03, 1.03))
    for one, four, share in zip(costs[::2], costs[1::2], most, strict=True):
        assert four <= 4 * one * share * slack(board.core.family.compiler, 1.05)

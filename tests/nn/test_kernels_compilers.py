# SPDX-License-Identifier: BSD-3-Clause
"""The property tests of the 64-bit kernels, compiled by other compilers.

Kernels with inline assembly depend on how a compiler chooses registers: gcc 14's early-ra once
put inputs into registers that the assembly overwrites, where gcc 12 did not.
"""

import re
import shlex
import shutil
from collections.abc import Sequence

import pytest

from tests.nn.test_kernels_batch import test_batches as test_batches
from tests.nn.test_kernels_boards import test_blocks_far_apart as test_blocks_far_apart
from tests.nn.test_kernels_boards import (
    test_convolutions_along_a_line as test_convolutions_along_a_line,
)
from tests.nn.test_kernels_boards import (
    test_functions_of_every_input as test_functions_of_every_input,
)
from tests.nn.test_kernels_boards import test_gates as test_gates
from tests.nn.test_kernels_boards import test_gru_updates as test_gru_updates
from tests.nn.test_kernels_boards import test_matrices_apart as test_matrices_apart
from tests.nn.test_kernels_boards import test_products as test_products
from tests.support.kernel_board import AARCH64, CORES, KernelBoard, build

GCC = "aarch64-linux-gnu-gcc"
# Releases are tried with these compilers, wherever they are installed.
WANTED = (f"{GCC}-12", f"{GCC}-13", f"{GCC}-14", "clang-14", "clang-19")
VERSIONS = range(11, 30)
C_LIBRARY = "/usr/aarch64-linux-gnu/include"  # clang does not look for its headers


def compilers(more: Sequence[str]) -> list[str]:
    """Return commands: the wanted compilers, other versions on the PATH, and `more`."""
    found = [name for n in VERSIONS for name in (f"{GCC}-{n}", f"clang-{n}") if shutil.which(name)]
    return list(dict.fromkeys([*WANTED, *found, *more]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "compiled" not in metafunc.fixturenames:
        return
    cores = [name for name, core in CORES.items() if core.family is AARCH64]
    pairs = [(core, cc) for cc in compilers(metafunc.config.getoption("--cc")) for core in cores]
    metafunc.parametrize("compiled", pairs, indirect=True, ids="|".join, scope="module")


@pytest.fixture(scope="module")
def compiled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> KernelBoard:
    """Return a core with the kernels that one compiler made."""
    name, written = request.param
    command = shlex.split(written)
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on the PATH")
    if re.search(r"clang(-\d+)?$", command[-1]):
        command += ["--target=aarch64-linux-gnu", f"-isystem{C_LIBRARY}"]
    folder = tmp_path_factory.mktemp(name)
    return KernelBoard(CORES[name], build(CORES[name], folder, command))


@pytest.fixture(scope="module")
def board(compiled: KernelBoard) -> KernelBoard:
    return compiled


def test_compilers_are_found_once_and_added() -> None:
    found = compilers(["wrapper gcc", "clang-19"])
    assert len(found) == len(set(found))
    assert [*WANTED, "wrapper gcc"] == [name for name in found if name in {*WANTED, "wrapper gcc"}]

# SPDX-License-Identifier: BSD-3-Clause
"""What an ISA falls back to: one table, which Python and CMake both follow."""

import subprocess
from pathlib import Path

import pytest

from toolkit.codegen.board import board_cmake
from toolkit.isas import ISAS, NN, chain, kernel_files
from toolkit.targets import ROOT, load_target, target_names

CMAKE = """
cmake_minimum_required(VERSION 3.25)
project(kernels NONE)
set(CMAKE_SOURCE_DIR "{root}")
include("{root}/cmake/kernels.cmake")
dredkit_kernels(kernels "{isas}")
list(JOIN kernels "\\n" lines)
file(WRITE "${{CMAKE_BINARY_DIR}}/chosen" "${{lines}}")
"""


def test_every_chain_ends_with_portable_c() -> None:
    assert chain("dotprod") == ("dotprod", "neon", "c")
    assert all(chain(isa)[0] == isa and chain(isa)[-1] == "c" for isa in ISAS)


def test_every_isa_has_every_kernel_once() -> None:
    portable = {path.name for path in [*NN.glob("*.c"), *(NN / "c").glob("*.c")]}
    for isa in ISAS:
        names = [path.name for path in kernel_files(isa)]
        assert len(names) == len(set(names))
        assert portable <= set(names), isa


@pytest.mark.parametrize("isa", ISAS)
def test_cmake_chooses_the_same(isa: str, tmp_path: Path) -> None:
    project = CMAKE.format(root=ROOT, isas=";".join(chain(isa)))
    (tmp_path / "CMakeLists.txt").write_text(project, encoding="utf-8")
    subprocess.run(
        ["cmake", "-G", "Ninja", "-B", "b"], cwd=tmp_path, capture_output=True, check=True
    )
    chosen = sorted(map(Path, (tmp_path / "b" / "chosen").read_text(encoding="utf-8").split()))
    assert chosen == kernel_files(isa)


def test_boards_are_told_their_chain() -> None:
    assert 'set(DREDKIT_ISAS "dotprod;neon;c")' in board_cmake(load_target("virt-a76"))
    assert {load_target(name).isa for name in target_names()} <= set(ISAS)

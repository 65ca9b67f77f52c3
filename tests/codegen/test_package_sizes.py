# SPDX-License-Identifier: BSD-3-Clause
"""The sizes in dredkit/config.h are what the build's compiler says, whatever its flags."""

import shutil
from pathlib import Path

import pytest

from toolkit.codegen.package.sizes import Measured, measure_sizes
from toolkit.common.errors import ToolError

HEADER = """\
#pragma once
enum small { ONE };
struct packed { void *pointer; enum small small; char byte; };
typedef char nine[9];
"""
PACKED = Measured("DK_PACKED_BYTES", "room/objects.h", "struct packed")
NINE = Measured("DK_NINE_BYTES", "room/objects.h", "nine")


@pytest.fixture
def include(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "objects.h").write_text(HEADER)
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "packed"),
    [([], 16), (["-flto"], 16), (["-fshort-enums"], 16), (["-g", "-Os"], 16)],
)
def test_sizes_are_multiples_of_eight(include: Path, flags: list[str], packed: int) -> None:
    found = measure_sizes("gcc", flags, [include], [PACKED, NINE])
    assert found == {"DK_PACKED_BYTES": packed, "DK_NINE_BYTES": 16}


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no compiler for 32-bit Arm")
def test_the_targets_compiler_decides(include: Path) -> None:
    flags = ["-mcpu=cortex-m0plus", "-mthumb", "-fshort-enums"]
    found = measure_sizes("arm-none-eabi-gcc", flags, [include], [PACKED])
    assert found == {"DK_PACKED_BYTES": 8}  # a pointer of 4 bytes, an enum of 1, a byte


def test_what_cannot_be_measured_gives_one_line(include: Path) -> None:
    with pytest.raises(ToolError, match=r"no-such-gcc is missing"):
        measure_sizes("no-such-gcc", [], [include], [NINE])
    with pytest.raises(ToolError, match=r"gcc: cannot measure.*room/other\.h") as error:
        measure_sizes("gcc", [], [include], [Measured("X", "room/other.h", "int")])
    assert "\n" not in str(error.value)

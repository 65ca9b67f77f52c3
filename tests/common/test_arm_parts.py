# SPDX-License-Identifier: BSD-3-Clause
"""The part of the Arm compiler that ./run unpacks is enough for every board.

tar leaves out whatever toolkit/data/arm-unused.txt matches and all below it; `*` matches no slash.
"""

import re
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from toolkit.common.paths import DATA
from toolkit.targets.cores import cores
from toolkit.targets.target import load_target, target_names

PATTERNS = [
    re.compile(re.escape(line).replace(r"\*", "[^/]*").replace(r"\[cg\]", "[cg]"))
    for line in (DATA / "arm-unused.txt").read_text().splitlines()
]
PREFIX = "arm-none-eabi-"
MEASURING = [board for core in cores().values() if (board := core.measuring_board())]
TARGETS = {board.name: board for board in [*map(load_target, target_names()), *MEASURING]}
BOARDS = [name for name, board in TARGETS.items() if board.toolchain.prefix == PREFIX]


def left_out(path: str) -> bool:
    """Tell whether tar leaves out a file of a package, named from /."""
    below = PurePosixPath(path.lstrip("/"))
    return any(
        pattern.fullmatch("./" + str(part))
        for part in (below, *below.parents)
        for pattern in PATTERNS
    )


def asked(*options: str) -> str:
    """Return what the compiler answers."""
    done = subprocess.run([f"{PREFIX}gcc", *options], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_there_are_boards() -> None:
    assert {"mps3-an547", "mps2-an500", "mps2-an505", "netduinoplus2", "virt-a7"} <= set(BOARDS)
    assert {"mps2-an385", "mps2-an386"} <= set(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_what_a_board_links_is_kept(name: str) -> None:
    flags = TARGETS[name].toolchain.cpu_flags
    for library in ("libc.a", "libgcc.a"):
        folder = asked(*flags, "-print-multi-directory")
        path = Path(asked(*flags, f"-print-file-name={library}"))
        assert path.is_file()
        kept = str(path)[str(path).index(folder) :]
        for root in ("/usr/lib/gcc/arm-none-eabi/12.2.1", "/usr/lib/arm-none-eabi/newlib"):
            assert not left_out(f"{root}/{kept}")


@pytest.mark.parametrize(
    "path",
    [
        "/usr/bin/arm-none-eabi-gcc",
        "/usr/bin/arm-none-eabi-objdump",
        "/usr/lib/gcc/arm-none-eabi/14.2.1/cc1",
        "/usr/lib/gcc/arm-none-eabi/14.2.1/include/arm_mve.h",
        "/usr/lib/gcc/arm-none-eabi/14.2.1/liblto_plugin.so",
        "/usr/lib/arm-none-eabi/newlib/thumb/v8-m.main+fp/hard/libc.a",
        "/usr/include/newlib/string.h",
    ],
)
def test_what_every_board_needs_is_kept(path: str) -> None:
    assert not left_out(path)


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/gcc/arm-none-eabi/14.2.1/libgcc.a",  # of another ISA: no silent mix
        "/usr/lib/gcc/arm-none-eabi/14.2.1/cc1plus",
        "/usr/lib/gcc/arm-none-eabi/14.2.1/thumb/v7e-m+fp/softfp/libgcc.a",
        "/usr/lib/gcc/arm-none-eabi/14.2.1/thumb/v8.1-m.main+pacbti+mve/bp/hard/libgcc.a",
        "/usr/lib/arm-none-eabi/newlib/libc.a",
        "/usr/lib/arm-none-eabi/newlib/thumb/v7e-m/nofp/libc_nano.a",
    ],
)
def test_what_no_board_needs_is_left_out(path: str) -> None:
    assert left_out(path)

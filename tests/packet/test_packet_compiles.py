# SPDX-License-Identifier: BSD-3-Clause
"""packet.h in a product: every compiler, warnings as errors, C++, and few names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.packet_native import SOURCES, WARNINGS
from toolkit.targets.sources import INCLUDES, LIBRARY, VERSION

STRICT = ("-Wsign-conversion", "-Wcast-qual", "-fshort-enums", "-Os")
ARM = ("arm-none-eabi-gcc", "-mthumb")
COMPILERS: dict[str, tuple[str, ...]] = {
    "gcc": ("gcc",),
    "gcc-lto": ("gcc", "-flto"),
    "clang": ("clang",),
    "clang-19": ("clang-19",),
    "m0plus": (*ARM, "-mcpu=cortex-m0plus"),
    "m4": (*ARM, "-mcpu=cortex-m4"),
    "m33": (*ARM, "-mcpu=cortex-m33"),
    "a64": ("aarch64-linux-gnu-gcc",),
}
PUBLIC = ("packet", "status", "version")
# What a C library or the compiler's own library always has.
FOREIGN = ("memcpy", "memmove", "memset", "memcmp", "__aeabi_")

PROGRAM = """\
#include "dredkit/packet.h"
#include "dredkit/version.h"
int main()
{
    uint8_t packet[40 + DK_PACKET_OVERHEAD] = {0x48, 'f', 'r', 'a', 'm', 'e'};
    const uint8_t payload[3] = {1, 2, 3};
    dk_packet_found found;
    const int32_t size =
        dk_packet_add(packet, 6, sizeof packet, payload, sizeof payload, &dk_packet_libopus_1_6);
    if (size != 14) {
        return 1;
    }
    const int32_t bytes =
        dk_packet_find(packet, static_cast<size_t>(size), dk_packet_framings, 2, &found);
    return bytes == 3 && found.payload[2] == 3 && dk_version() == DK_VERSION ? 0 : 2;
}
"""


def includes() -> list[str]:
    return [f"-I{path}" for path in INCLUDES]


def compiler(name: str) -> tuple[str, ...]:
    command = COMPILERS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return command


def compiled(name: str, folder: Path) -> list[Path]:
    made = []
    for source in (*SOURCES, VERSION):
        made.append(folder / f"{source.stem}.o")
        command = [*compiler(name), *WARNINGS, *STRICT, *includes(), "-c", str(source)]
        subprocess.run([*command, "-o", str(made[-1])], check=True)
    return made


@pytest.mark.parametrize("name", COMPILERS)
def test_every_compiler_takes_it_without_a_warning(name: str, tmp_path: Path) -> None:
    assert len(compiled(name, tmp_path)) == len(SOURCES) + 1


@pytest.mark.parametrize("name", ["gcc", "m0plus", "m4"])
def test_it_needs_four_functions_of_libc(name: str, tmp_path: Path) -> None:
    prefix = compiler(name)[0].removesuffix("gcc")
    made = compiled(name, tmp_path)
    listed = subprocess.run(
        [f"{prefix}nm", "--format=posix", "-g", *map(str, made)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    symbols = [line.split()[:2] for line in listed.splitlines() if len(line.split()) > 1]
    defined = {symbol for symbol, kind in symbols if kind != "U"}
    needed = {symbol for symbol, kind in symbols if kind == "U"} - defined
    assert {"dk_packet_add", "dk_packet_find", "dk_version"} <= defined
    assert {symbol for symbol in defined if not symbol.startswith("dk_")} == set()
    assert {symbol for symbol in needed if not symbol.startswith(FOREIGN)} == set()


def test_it_takes_2_kb_of_flash(tmp_path: Path) -> None:
    """docs/INTEGRATE.md says so, of a Cortex-M4 and -Os."""
    prefix = compiler("m4")[0].removesuffix("gcc")
    made = [str(path) for path in compiled("m4", tmp_path)]
    told = subprocess.run(
        [f"{prefix}size", "-t", *made], capture_output=True, text=True, check=True
    )
    code, data, zeros = map(int, told.stdout.splitlines()[-1].split()[:3])
    assert 1500 < code < 2150
    assert data == zeros == 0


@pytest.mark.parametrize("name", ["g++", "clang++"])
def test_cpp_calls_it(name: str, tmp_path: Path) -> None:
    """C++ takes each public header alone, with its own include path only, and runs the library."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    public = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{LIBRARY / 'include'}"]
    for header in PUBLIC:
        subprocess.run(
            [name, *public, "-fsyntax-only", "-x", "c++", "-"],
            input=f'#include "dredkit/{header}.h"\n', text=True, check=True,
        )  # fmt: skip
    main, program = tmp_path / "main.cc", tmp_path / "program"
    main.write_text(PROGRAM)
    made = compiled("gcc", tmp_path)
    command = [name, *public, "-fshort-enums", str(main), *map(str, made), "-o", str(program)]
    subprocess.run(command, check=True)
    assert subprocess.run([str(program)], check=False).returncode == 0

# SPDX-License-Identifier: BSD-3-Clause
"""On every ISA each kernel is compiled once, chosen by the compiler's macros from one file list."""

import subprocess
from pathlib import Path

import pytest

from toolkit.codegen.board import board_cmake
from toolkit.common.paths import ROOT
from toolkit.targets.isas import ISAS, chain
from toolkit.targets.sources import LIBRARY, room, signal_files, voice_files
from toolkit.targets.target import load_target, target_names

CMAKE = """
cmake_minimum_required(VERSION 3.25)
project(kernels NONE)
set(CMAKE_SOURCE_DIR "{root}")
include("{root}/cmake/library.cmake")
dredkit_room(rooms {rooms})
dredkit_voice(voice {voice})
list(JOIN rooms "\\n" rooms)
list(JOIN voice "\\n" voice)
file(WRITE "${{CMAKE_BINARY_DIR}}/rooms" "${{rooms}}")
file(WRITE "${{CMAKE_BINARY_DIR}}/voice" "${{voice}}")
"""


def test_every_chain_ends_with_portable_c() -> None:
    assert chain("dotprod") == ("dotprod", "neon", "c")
    assert all(chain(isa)[0] == isa and chain(isa)[-1] == "c" for isa in ISAS)


def test_variants_lie_the_same_way_in_every_room() -> None:
    for name in ("nn", "dsp", "vocoder"):
        portable = {path.name for path in (LIBRARY / name / "c").glob("*.c")}
        assert portable, name
        for folder in (path for path in (LIBRARY / name).iterdir() if path.is_dir()):
            assert folder.name in ISAS, folder
            assert {path.name for path in folder.glob("*.c")} <= portable, folder


def test_every_variant_stands_between_its_macros() -> None:
    for path in room("nn", "dsp", "vocoder"):
        if path.parent.name in ISAS and path.parent.name != "c":
            macro = ISAS[path.parent.name].macro
            assert f"#if defined({macro})" in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("voice", ["pulse", "lpcnet"])
def test_cmake_takes_the_same_files(voice: str, tmp_path: Path) -> None:
    project = CMAKE.format(root=ROOT, rooms="nn dsp features", voice=voice)
    (tmp_path / "CMakeLists.txt").write_text(project, encoding="utf-8")
    subprocess.run(
        ["cmake", "-G", "Ninja", "-B", "b"], cwd=tmp_path, capture_output=True, check=True
    )
    for name, files in (("rooms", [*room("nn"), *signal_files()]), ("voice", voice_files(voice))):
        found = (tmp_path / "b" / name).read_text(encoding="utf-8").splitlines()
        assert sorted(map(Path, found)) == sorted(files)


def test_boards_are_told_their_isa() -> None:
    assert 'set(DREDKIT_ISA "dotprod")' in board_cmake(load_target("virt-a76"))
    assert {load_target(name).isa for name in target_names()} <= set(ISAS)

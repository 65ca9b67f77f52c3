# SPDX-License-Identifier: BSD-3-Clause
"""Each compiler that is installed takes a package without a warning, and its program runs.

The program is tests/programs/foreign_app in C++, with enums of the smallest size, and with
link-time optimisation where the compiler is gcc. It must write what gcc's own program writes.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.packages import WARNINGS, archive, package
from toolkit.common.paths import ROOT
from toolkit.models.quantise import CLIP
from toolkit.speech.audio import read_speech

APP = ROOT / "tests" / "programs" / "foreign_app"
PROGRAM = [APP / f"{name}.cpp" for name in ("main", "gru", "stand_in", "host")]
HOST = (*(f"gcc-{n}" for n in range(12, 15)), *(f"clang-{n}" for n in range(14, 20)))
A64 = "aarch64-linux-gnu"
CROSS = (*(f"{A64}-gcc-{n}" for n in range(12, 15)), *(f"clang-{n}" for n in range(14, 20)))
CORES_64 = ("cortex-a53", "cortex-a76")
C_LIBRARY = f"/usr/{A64}/include"  # clang does not look for its headers
SMALL = ("-Os", "-fshort-enums")
LTO = ("-flto", "-ffat-lto-objects")
pytestmark = pytest.mark.timeout(2400)  # each test compiles the whole library


def need(compiler: str) -> str:
    """Return the name of a compiler; skip the test without it."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not on the PATH")
    return compiler


def written(compiler: str, folder: Path, options: Sequence[str]) -> tuple[bytes, ...]:
    """Compile the library and the program, run it, and return what it writes."""
    library = archive(package("portable"), folder / "objects", options, compiler=compiler)
    cpp = need(compiler.replace("gcc", "g++").replace("clang", "clang++"))
    command = [cpp, "-std=c++17", *options, *WARNINGS, f"-I{package('portable') / 'include'}"]
    subprocess.run([*command, *PROGRAM, library, "-o", folder / "app"], check=True, cwd=folder)
    speech = read_speech(CLIP)[:32000].astype("<i2").tobytes()
    (folder / "speech.raw").write_bytes(speech)
    subprocess.run([folder / "app"], check=True, cwd=folder)
    return tuple((folder / name).read_bytes() for name in ("packets.bin", "base.raw", "played.raw"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    """Return what the program of the machine's gcc writes."""
    return written("gcc", tmp_path_factory.mktemp("gcc"), ["-O1"])


@pytest.mark.parametrize("compiler", HOST)
def test_a_compilers_program_writes_the_same(
    compiler: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    need(compiler)
    options = [*SMALL, *(LTO if "gcc" in compiler else ())]
    assert written(compiler, tmp_path, options) == request.getfixturevalue("own")


@pytest.mark.parametrize("core", CORES_64)
@pytest.mark.parametrize("compiler", CROSS)
def test_a_compiler_takes_the_64_bit_kernels(compiler: str, core: str, tmp_path: Path) -> None:
    command, options = need(compiler), [f"-mcpu={core}", "-Os"]
    if compiler.startswith("clang"):
        options += [f"--target={A64}", f"-isystem{C_LIBRARY}"]
    assert archive(package(core), tmp_path / "objects", options, compiler=command).is_file()

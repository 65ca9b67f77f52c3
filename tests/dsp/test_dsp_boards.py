# SPDX-License-Identifier: BSD-3-Clause
"""Signal processing on emulated cores: SIMD, Helium and NEON kernels equal portable C to the bit.

test_dsp_kernels.py compares portable C with the Python model.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.dsp_library import INCLUDE_FLAGS
from tests.support.fixtures.clocks import PATIENCE_S
from toolkit.common.paths import ROOT
from toolkit.targets.sources import signal_files

HERE = ROOT / "tests" / "programs" / "dsp_board"
FIRMWARE = [str(source) for source in signal_files()]
COMMON = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", *INCLUDE_FLAGS]
# These machines have code and vectors at 0, and data in the memory at 0x20000000.
LINK = ["--specs=rdimon.specs", "-Wl,--section-start=.vectors=0", "-Wl,-Ttext=0x9000"]
LINK += ["-Wl,-Tdata=0x20000000"]
CORES = {
    "mps2-an386": ["-O2", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "mps2-an500": ["-O3", "-mcpu=cortex-m7", "-mfloat-abi=soft"],
    "mps3-an547": ["-Os", "-mcpu=cortex-m55+nofp", "-mfloat-abi=hard"],
}
# Programs for Linux: compiler, emulator, options.
PROGRAMS = {
    "cortex-a53": ("aarch64-linux-gnu-gcc", "qemu-aarch64", ["-static", "-O3", "-funroll-loops"]),
    "cortex-a76": ("aarch64-linux-gnu-gcc", "qemu-aarch64", ["-static", "-O2"]),
    "cortex-a7": (
        *("arm-none-eabi-gcc", "qemu-arm"),
        ["--specs=rdimon.specs", "-O2", "-mthumb", "-mfpu=neon-vfpv4", "-mfloat-abi=hard"],
    ),
}
# The subject of each test program in tests/programs/dsp_board.
MAINS = {"main.c": "features of noise at every rate", "kernels.c": "each kernel's extremes"}


def told(*command: str | Path) -> str:
    """Return what a program prints."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what each test program prints on this machine."""
    folder = tmp_path_factory.mktemp("host")
    for main in MAINS:
        command = ["gcc", "-O2", *COMMON, str(HERE / main), *FIRMWARE, "-o", str(folder / main)]
        subprocess.run(command, check=True)
    return {main: told(folder / main) for main in MAINS}


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.mark.parametrize("main", MAINS)
@pytest.mark.parametrize("machine", CORES)
def test_a_core_computes_what_the_host_does(
    machine: str, main: str, host: dict[str, str], tmp_path: Path
) -> None:
    need("arm-none-eabi-gcc", "qemu-system-arm")
    image = tmp_path / "board.elf"
    command = ["arm-none-eabi-gcc", "-mthumb", *CORES[machine], *COMMON, *LINK]
    command += [str(HERE / "start.c"), str(HERE / main), *FIRMWARE, "-o", str(image)]
    subprocess.run(command, check=True)
    emulator = ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting"]
    assert told(*emulator, "-kernel", image) == host[main]


@pytest.mark.parametrize("main", MAINS)
@pytest.mark.parametrize("core", PROGRAMS)
def test_neon_computes_what_the_host_does(
    core: str, main: str, host: dict[str, str], tmp_path: Path
) -> None:
    compiler, emulator, options = PROGRAMS[core]
    need(compiler, emulator)
    image = tmp_path / "program"
    command = [compiler, f"-mcpu={core}", *options, *COMMON, str(HERE / main), *FIRMWARE]
    subprocess.run([*command, "-o", str(image)], check=True)
    assert told(emulator, image) == host[main]


def test_extremes_are_told_kernel_by_kernel(host: dict[str, str]) -> None:
    lines = [line.split() for line in host["kernels.c"].splitlines()]
    assert len({value for _, value in lines}) == len(lines) >= 5

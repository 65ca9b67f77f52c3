# SPDX-License-Identifier: BSD-3-Clause
"""The signal processing on emulated cores: SIMD and Helium kernels equal portable C to the bit."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.dsp_library import INCLUDES, ROOT, SOURCES

HERE = ROOT / "tests" / "dsp_board"
FIRMWARE = [str(ROOT / "firmware" / source) for source in SOURCES]
COMMON = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", *INCLUDES]
# Code and vectors at 0, data in the memory at 0x20000000, as these machines have them.
LINK = ["--specs=rdimon.specs", "-Wl,--section-start=.vectors=0", "-Wl,-Ttext=0x9000"]
LINK += ["-Wl,-Tdata=0x20000000"]
CORES = {
    "mps2-an386": ["-O2", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "mps2-an500": ["-O3", "-mcpu=cortex-m7", "-mfloat-abi=soft"],
    "mps3-an547": ["-Os", "-mcpu=cortex-m55+nofp", "-mfloat-abi=hard"],
}


def host_hash(folder: Path) -> str:
    program = folder / "host"
    subprocess.run(
        ["gcc", "-O2", *COMMON, str(HERE / "main.c"), *FIRMWARE, "-o", str(program)], check=True
    )
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("machine", CORES)
def test_a_core_computes_what_the_host_does(machine: str, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    image = tmp_path / "board.elf"
    command = ["arm-none-eabi-gcc", "-mthumb", *CORES[machine], *COMMON, *LINK]
    command += [str(HERE / "start.c"), str(HERE / "main.c"), *FIRMWARE, "-o", str(image)]
    subprocess.run(command, check=True)
    told = subprocess.run(
        ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel", str(image)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert told.stdout.strip() == host_hash(tmp_path)

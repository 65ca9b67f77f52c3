# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN on emulated cores: the kernels of each ISA speak the samples of portable C."""

import shutil
import subprocess
from pathlib import Path

import pytest

from quantize.vocoder.fargan.model import FarganModel
from tests.dsp.test_dsp_boards import CORES, LINK
from tests.support.fargan_models import random_fargan
from tests.support.fixtures.clocks import PATIENCE_S
from toolkit.common.paths import ROOT
from toolkit.device.build.vocoderlib import sources
from toolkit.targets.sources import INCLUDES

MAIN = ROOT / "tests" / "programs" / "fargan_board" / "main.c"
START = ROOT / "tests" / "programs" / "dsp_board" / "start.c"
ISA = {"mps2-an386": "simd32", "mps2-an500": "simd32", "mps3-an547": "mve"}
PROGRAMS = {"cortex-a53": "neon", "cortex-a76": "dotprod"}


def compiled(model: FarganModel, folder: Path, isa: str, command: list[str]) -> Path:
    """Compile the voice and main.c with `command` for an ISA."""
    folder.mkdir()
    program = folder / "program"
    files = [str(MAIN), *map(str, sources(model, folder, isa))]
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"]
    where = [*(f"-I{path}" for path in INCLUDES), f"-I{folder}"]
    subprocess.run([*command, *warnings, *where, *files, "-o", str(program)], check=True)
    return program


def told(*command: str | Path) -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return done.stdout


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.fixture(scope="module", params=[1.0, 0.4], ids=["dense", "sparse"])
def voice(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FarganModel, str]:
    """Return a voice and what it says on this machine."""
    model = random_fargan(7, kept=request.param)
    folder = tmp_path_factory.mktemp("voice") / "host"
    return model, told(compiled(model, folder, "c", ["gcc", "-O2"]))


@pytest.mark.parametrize("machine", CORES)
def test_microcontrollers_speak_what_the_host_does(
    voice: tuple[FarganModel, str], machine: str, tmp_path: Path
) -> None:
    need("arm-none-eabi-gcc", "qemu-system-arm")
    model, want = voice
    cross = ["arm-none-eabi-gcc", "-mthumb", *CORES[machine], *LINK, str(START)]
    image = compiled(model, tmp_path / machine, ISA[machine], cross)
    emulator = ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel"]
    assert told(*emulator, image) == want


@pytest.mark.parametrize("core", PROGRAMS)
def test_64_bit_cores_speak_what_the_host_does(
    voice: tuple[FarganModel, str], core: str, tmp_path: Path
) -> None:
    need("aarch64-linux-gnu-gcc", "qemu-aarch64")
    model, want = voice
    cross = ["aarch64-linux-gnu-gcc", "-O2", "-static", f"-mcpu={core}"]
    image = compiled(model, tmp_path / core, PROGRAMS[core], cross)
    assert told("qemu-aarch64", image) == want

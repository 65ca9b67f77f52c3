# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet on emulated cores: SIMD, Helium and NEON kernels speak the samples of portable C."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from quantize.vocoder.lpcnet.model import LpcnetModel
from tests.dsp.test_dsp_boards import CORES, LINK
from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.lpcnet_models import random_voice
from toolkit.common.paths import ROOT
from toolkit.device.build.vocoderlib import sources
from toolkit.targets.sources import INCLUDES

MAIN = ROOT / "tests" / "programs" / "lpcnet_board" / "main.c"
START = ROOT / "tests" / "programs" / "dsp_board" / "start.c"
ISA = {"mps2-an386": "simd32", "mps2-an500": "simd32", "mps3-an547": "mve"}
# Blocks per eight rows: none, odd and even counts, more than four.
VOICES: dict[str, dict[str, Any]] = {
    "small": {"a": 40, "b": 16, "kept": 0.35},
    "sparse": {"a": 8, "b": 8, "kept": 0.2},
}


def compiled(model: LpcnetModel, folder: Path, isa: str, command: list[str]) -> Path:
    """Compile the voice and main.c with `command` for an ISA."""
    folder.mkdir()
    program = folder / "program"
    files = [str(MAIN), *map(str, sources(model, folder, isa))]
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    where = [*(f"-I{path}" for path in INCLUDES), f"-I{folder}"]
    subprocess.run([*command, *warnings, *where, *files, "-o", str(program)], check=True)
    return program


@pytest.mark.parametrize("voice", VOICES)
def test_cores_speak_what_the_host_does(voice: str, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    model = random_voice(7, **VOICES[voice])
    host = compiled(model, tmp_path / "host", "c", ["gcc", "-O2"])
    want = subprocess.run([host], capture_output=True, text=True, check=True).stdout
    for machine, flags in CORES.items():
        cross = ["arm-none-eabi-gcc", "-mthumb", *flags, *LINK, str(START)]
        image = compiled(model, tmp_path / machine, ISA[machine], cross)
        told = subprocess.run(
            ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel", str(image)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        assert told.stdout == want, machine


@pytest.mark.parametrize("sizes", [*VOICES.values(), {"a": 384, "b": 32, "kept": 0.1}])
def test_a_64_bit_core_speaks_what_the_host_does(sizes: dict[str, Any], tmp_path: Path) -> None:
    """These cores also run the preset `full`, which is made for them."""
    for tool in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    model = random_voice(8, **sizes)
    host = compiled(model, tmp_path / "host", "c", ["gcc", "-O2"])
    want = subprocess.run([host], capture_output=True, text=True, check=True).stdout
    assert want.strip()
    for isa, core in (("neon", "cortex-a53"), ("dotprod", "cortex-a76")):
        cross = ["aarch64-linux-gnu-gcc", "-O2", "-static", f"-mcpu={core}"]
        image = compiled(model, tmp_path / core, isa, cross)
        told = subprocess.run(
            ["qemu-aarch64", image], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        assert told.stdout == want, core

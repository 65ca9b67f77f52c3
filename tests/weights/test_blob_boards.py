# SPDX-License-Identifier: BSD-3-Clause
"""On emulated cores, tables from a blob give what linked-in tables give on the host."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.dsp.test_dsp_boards import CORES, LINK
from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.weights_library import small_parts, write_sources
from toolkit.codegen.blob.parts import Parts
from toolkit.codegen.blob.write import write_blob
from toolkit.common.paths import ROOT
from toolkit.targets.sources import INCLUDES

MAIN = ROOT / "tests" / "programs" / "weights_board" / "main.c"
START = ROOT / "tests" / "programs" / "dsp_board" / "start.c"
BOARDS = {"mps2-an386": "simd32", "mps3-an547": "mve"}
A_LINE = 24


def blob_source(blob: bytes) -> str:
    """Return the C of an array that holds a blob, as flash elsewhere would."""
    rows = [blob[i : i + A_LINE] for i in range(0, len(blob), A_LINE)]
    values = ",\n".join(", ".join(map(str, row)) for row in rows)
    return (
        "#include <stdalign.h>\n#include <stdint.h>\n"
        "extern const uint8_t blob[];\nextern const uint32_t blob_bytes;\n"
        f"alignas(16) const uint8_t blob[] = {{\n{values}\n}};\n"
        "const uint32_t blob_bytes = sizeof blob;\n"
    )


def compiled(parts: Parts, folder: Path, command: list[str], linked: bool) -> Path:
    """Compile main.c and a model, whose tables are linked in or in a blob; return the program."""
    files = [MAIN, *write_sources(parts, folder, linked)]
    if not linked:
        (folder / "blob.c").write_text(blob_source(write_blob(parts)), encoding="utf-8")
        files.append(folder / "blob.c")
        command = [*command, "-DBLOB"]
    program = folder / "program"
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    where = [f"-I{path}" for path in (*INCLUDES, folder)]
    command = [*command, *warnings, *where, *map(str, files), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


@pytest.fixture(scope="module")
def want(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what a host's program prints, from linked-in tables and from a blob alike."""
    folder = tmp_path_factory.mktemp("host")
    own = ["gcc", "-O1", "-DDK_ISA_PORTABLE"]
    told = [
        subprocess.run(
            [compiled(small_parts(), folder / str(linked), own, linked)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for linked in (True, False)
    ]
    assert len(told[0].strip()) == 8
    assert told[0] == told[1]
    return told[0]


@pytest.mark.parametrize("machine", BOARDS)
def test_a_microcontroller_runs_a_blob(machine: str, want: str, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    cross = ["arm-none-eabi-gcc", "-mthumb", *CORES[machine], *LINK, str(START)]
    image = compiled(small_parts(BOARDS[machine]), tmp_path / machine, cross, linked=False)
    told = subprocess.run(
        ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel", str(image)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert told.stdout == want


@pytest.mark.parametrize(("isa", "core"), [("neon", "cortex-a53"), ("dotprod", "cortex-a76")])
def test_a_64_bit_core_runs_a_blob(isa: str, core: str, want: str, tmp_path: Path) -> None:
    for tool in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    cross = ["aarch64-linux-gnu-gcc", "-O2", "-static", f"-mcpu={core}"]
    image = compiled(small_parts(isa), tmp_path / core, cross, linked=False)
    told = subprocess.run(
        ["qemu-aarch64", image], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert told.stdout == want

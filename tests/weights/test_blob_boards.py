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


def test_a_blob_runs_as_linked_tables_do(tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    own = ["gcc", "-O2", "-DDK_ISA_PORTABLE"]
    host = compiled(small_parts(), tmp_path / "linked", own, linked=True)
    want = subprocess.run([host], capture_output=True, text=True, check=True).stdout
    assert len(want.strip()) == 8
    opened = compiled(small_parts(), tmp_path / "host", own, linked=False)
    assert subprocess.run([opened], capture_output=True, text=True, check=True).stdout == want
    for machine, isa in BOARDS.items():
        cross = ["arm-none-eabi-gcc", "-mthumb", *CORES[machine], *LINK, str(START)]
        image = compiled(small_parts(isa), tmp_path / machine, cross, linked=False)
        told = subprocess.run(
            ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel", str(image)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert told.stdout == want, machine


def test_a_64_bit_core_runs_a_blob(tmp_path: Path) -> None:
    for tool in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    own = ["gcc", "-O2", "-DDK_ISA_PORTABLE"]
    host = compiled(small_parts(), tmp_path / "linked", own, linked=True)
    want = subprocess.run([host], capture_output=True, text=True, check=True).stdout
    for isa, core in (("neon", "cortex-a53"), ("dotprod", "cortex-a76")):
        cross = ["aarch64-linux-gnu-gcc", "-O2", "-static", f"-mcpu={core}"]
        image = compiled(small_parts(isa), tmp_path / core, cross, linked=False)
        told = subprocess.run(
            ["qemu-aarch64", image], capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert told.stdout == want, core

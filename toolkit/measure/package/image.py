# SPDX-License-Identifier: BSD-3-Clause
"""Build a program with a package for a board, and read from it what the package takes."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.codegen.blob.write import FILE as BLOB
from toolkit.codegen.package.product import ALONE, Product
from toolkit.device.build.build import build_package
from toolkit.measure.package.speech import speech_header
from toolkit.targets.sources import FIRMWARE
from toolkit.targets.target import Target

PROGRAM: Final = FIRMWARE / "measure"
# In the linker's map: a section of an object, its address, its size and the object's file. A long
# name stands on a line of its own.
_SECTION: Final = re.compile(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$", re.MULTILINE)
_MAP: Final = "Linker script and memory map"


@dataclass(frozen=True)
class Image:
    """A program with a package: its ELF, and the bytes of flash that are the package's."""

    elf: Path
    code_bytes: int
    table_bytes: int


def build_image(product: Product, board: Target, package: Path, folder: Path) -> Image:
    """Build the measuring program with a package in `folder`."""
    app = folder / "app"
    app.mkdir(parents=True)
    for path in PROGRAM.iterdir():
        shutil.copy(path, app)
    inputs = speech_header(product)
    if product.blob == ALONE:
        inputs += blob_array((package / BLOB).read_bytes())
    (app / "speech.h").write_text(inputs, encoding="utf-8")
    elf = build_package(board, package, app, folder)
    code, tables = flash_of((elf.parent / "firmware.map").read_text(encoding="utf-8"), package)
    return Image(elf, code, tables)


def blob_array(blob: bytes) -> str:
    """Return C that defines SPEECH_WEIGHTS and the array `speech_weights` with a blob."""
    return (
        "\n#define SPEECH_WEIGHTS 1\n"
        "static DK_ALIGNED(DK_WEIGHTS_ALIGNMENT) const uint8_t speech_weights[] = {\n"
        f"{','.join(map(str, blob))}}};\n"
    )


def flash_of(linker_map: str, package: Path) -> tuple[int, int]:
    """Return the bytes of code and of tables that the linker kept of a package's objects."""
    code = tables = 0
    for section, size, file in _SECTION.findall(linker_map.partition(_MAP)[2]):
        if f"{package.name}/src/" not in file:
            continue
        if section.startswith(".text"):
            code += int(size, 16)
        elif section.startswith((".rodata", ".data")):
            tables += int(size, 16)
    return code, tables

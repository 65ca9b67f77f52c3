# SPDX-License-Identifier: BSD-3-Clause
"""Measure the library's objects with the compiler that will build them.

dredkit/config.h gives their sizes to the public headers, which show nothing of their contents. The
C files behind those headers assert that the contents fit.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from toolkit.common.errors import ToolError

ALIGNMENT: Final = 8  # bytes: DK_ALIGNED(8) of the public objects


@dataclass(frozen=True)
class Measured:
    """A macro of config.h, and the type whose size it states: its header and its name in C."""

    macro: str
    header: str
    type: str


SENDER: Final = Measured("DK_SENDER_BYTES", "codec/sender_api.h", "struct dk_sender_state")
RECEIVER: Final = Measured("DK_RECEIVER_BYTES", "codec/receiver_api.h", "struct dk_receiver_state")


def measure_sizes(
    compiler: str,
    flags: Sequence[str],
    includes: Iterable[Path],
    objects: Sequence[Measured] = (SENDER,),
) -> dict[str, int]:
    """Return the bytes of each object by its macro, as multiples of 8.

    `flags` are those of the build, and `includes` its include path: the library's folder, its
    public one, and the folder of the generated headers. Raises ToolError if the compiler is missing
    or does not take the headers.
    """
    if shutil.which(compiler) is None:
        raise ToolError(f"{compiler} is missing: `dredkit doctor` shows the remedy")
    names = [f"dk_measured_{i}" for i in range(len(objects))]
    lines = [f'#include "{item.header}"' for item in objects]
    for name, item in zip(names, objects, strict=True):
        array = f"unsigned char {name}[sizeof({item.type})];"
        lines += [f"extern {array}", array]
    with tempfile.TemporaryDirectory(prefix="dredkit-") as folder:
        made = Path(folder) / "sizes.o"
        command = [compiler, *flags, *(f"-I{path}" for path in includes)]
        # The object must hold symbols, whatever link-time optimisation the build uses.
        command += ["-fno-lto", "-x", "c", "-std=c11", "-c", "-", "-o", str(made)]
        done = subprocess.run(
            command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = next((ln for ln in done.stderr.splitlines() if "error" in ln), "no reason")
            raise ToolError(f"{compiler}: cannot measure the library's objects: {reason.strip()}")
        sizes = _symbol_sizes(made)
    found = {}
    for name, item in zip(names, objects, strict=True):
        if name not in sizes:
            raise ToolError(f"{compiler}: the object file does not tell the size of {item.type}")
        found[item.macro] = -(-sizes[name] // ALIGNMENT) * ALIGNMENT
    return found


def _symbol_sizes(path: Path) -> dict[str, int]:
    """Return the size of every symbol of an ELF object; empty for another format."""
    with path.open("rb") as file:
        try:
            table = ELFFile(file).get_section_by_name(".symtab")
        except ELFError:
            return {}
        if not isinstance(table, SymbolTableSection):
            return {}
        return {symbol.name: symbol["st_size"] for symbol in table.iter_symbols()}

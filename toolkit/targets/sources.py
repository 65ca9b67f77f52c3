# SPDX-License-Identifier: BSD-3-Clause
"""List the C files of the firmware, in one place for every program.

A program compiles all files of a room of the library (firmware/dredkit/nn, dsp, ...):
firmware/dredkit/dk_isa.h lets the compiler choose one variant of each kernel, so no file list
depends on the core. CMakeLists.txt takes the same files.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from toolkit.common.paths import ROOT
from toolkit.targets.isas import ISAS, PORTABLE, chain

FIRMWARE: Final = ROOT / "firmware"
LIBRARY: Final = FIRMWARE / "dredkit"
SERVER: Final = FIRMWARE / "server"
VERSION: Final = LIBRARY / "version.c"
INCLUDES: Final = (LIBRARY, LIBRARY / "include")
SERVER_INCLUDES: Final = (*INCLUDES, SERVER / "include")
# Compiles portable C on a core that has more. Tables that are packed for the ISA "c" need it.
PORTABLE_FLAG: Final = "-DDK_ISA_PORTABLE"
# How the names of the sender's files in codec/ begin; all others there are the receiver's.
_SENDERS: Final = ("sender", "voice_activity")
_GUARD: Final = re.compile(r"^#if ((?:!?defined\(\w+\)(?: (?:&&|\|\|) )?)+)", re.MULTILINE)
_TERM: Final = re.compile(r"(!?)defined\((\w+)\)")


def room(*names: str) -> list[Path]:
    """Return every C file of the library's rooms, variants of all ISAs included."""
    return [path for name in names for path in sorted((LIBRARY / name).rglob("*.c"))]


def voice_files(voice: str) -> list[Path]:
    """Return the C files of one voice and the files that all voices share."""
    return [path for path in room("vocoder") if path.name.startswith(("synthesis", voice))]


def signal_files() -> list[Path]:
    """Return the C files of the signal processing and of the features."""
    return room("dsp", "features")


def library_files(roles: Collection[str], voice: str = "", blob: bool = False) -> list[Path]:
    """Return the C files of the library for the roles "sender" and "receiver", of all ISAs.

    `voice` names the voice of a receiver. With `blob`, they also open weights from a blob.
    """
    shared = {path.name for path in LIBRARY.iterdir() if path.is_dir()} - {"codec", "vocoder"}
    shared -= set() if blob else {"weights"}
    shared -= set() if "receiver" in roles else {"plc"}
    found = [*sorted(LIBRARY.glob("*.c")), *room(*sorted(shared))]
    for path in room("codec"):
        if ("sender" if path.name.startswith(_SENDERS) else "receiver") in roles:
            found.append(path)
    own = voice_files(voice) if "receiver" in roles else []
    return found + [path for path in own if blob or not path.stem.endswith("_weights")]


def of_isa(files: Collection[Path], isa: str) -> list[Path]:
    """Return the C files that are not empty for an ISA: all but the kernels of other ISAs."""
    macros = isa_macros(isa)
    return [path for path in files if path.parent.name not in ISAS or _compiles(path, macros)]


def isa_macros(isa: str) -> set[str]:
    """Return the macros that firmware/dredkit/dk_isa.h defines for an ISA."""
    return {ISAS[name].macro for name in chain(isa) if name == isa or name != PORTABLE}


def _compiles(kernel: Path, macros: set[str]) -> bool:
    """Return whether the first #if of a kernel's file, which is around all its code, is true."""
    guard = _GUARD.search(kernel.read_text(encoding="utf-8"))
    assert guard is not None, kernel
    return any(
        all((name in macros) != bool(no) for no, name in _TERM.findall(all_of))
        for all_of in guard.group(1).split("||")
    )

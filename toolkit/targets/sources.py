# SPDX-License-Identifier: BSD-3-Clause
"""List the C files of the firmware, in one place for every program.

A program compiles all files of a room of the library (firmware/dredkit/nn, dsp, ...):
firmware/dredkit/dk_isa.h lets the compiler choose one variant of each kernel, so no file list
depends on the core. CMakeLists.txt takes the same files.
"""

from pathlib import Path
from typing import Final

from toolkit.common.paths import ROOT

FIRMWARE: Final = ROOT / "firmware"
LIBRARY: Final = FIRMWARE / "dredkit"
SERVER: Final = FIRMWARE / "server"
VERSION: Final = LIBRARY / "version.c"
INCLUDES: Final = (LIBRARY, LIBRARY / "include")
SERVER_INCLUDES: Final = (*INCLUDES, SERVER / "include")
# Compiles portable C on a core that has more. Tables that are packed for the ISA "c" need it.
PORTABLE_FLAG: Final = "-DDK_ISA_PORTABLE"


def room(*names: str) -> list[Path]:
    """Return every C file of the library's rooms, variants of all ISAs included."""
    return [path for name in names for path in sorted((LIBRARY / name).rglob("*.c"))]


def voice_files(voice: str) -> list[Path]:
    """Return the C files of one voice and the files that all voices share."""
    return [path for path in room("vocoder") if path.name.startswith(("synthesis", voice))]


def signal_files() -> list[Path]:
    """Return the C files of the signal processing and of the features."""
    return room("dsp", "features")

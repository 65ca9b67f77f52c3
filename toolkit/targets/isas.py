# SPDX-License-Identifier: BSD-3-Clause
"""Instruction sets, what each falls back to, and which kernels a target of each is built from.

This table is the one source: CMake is handed the chain of a target's ISA in board.cmake.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.common.paths import ROOT

NN: Final = ROOT / "firmware" / "nn"
PORTABLE: Final = "c"


@dataclass(frozen=True)
class Isa:
    """Kernels that an instruction set lacks are those of `falls_back_to`. `suffix` ends the names
    of kernel files outside of firmware/dredkit/nn: <kernel>_<suffix>.c."""

    falls_back_to: str
    suffix: str


ISAS: Final = {
    PORTABLE: Isa("", ""),
    "dsp": Isa(PORTABLE, "simd32"),
    "mve": Isa(PORTABLE, "mve"),
    "neon": Isa(PORTABLE, "neon"),
    "dotprod": Isa("neon", "dotprod"),
}


def chain(isa: str) -> tuple[str, ...]:
    """Return the folders of firmware/dredkit/nn to look for a kernel in, the most special first."""
    found = [isa]
    while ISAS[found[-1]].falls_back_to:
        found.append(ISAS[found[-1]].falls_back_to)
    return tuple(found)


def kernel_files(isa: str) -> list[Path]:
    """Return the C files of firmware/dredkit/nn for an ISA: what is common, and of each kernel the most
    special one. cmake/kernels.cmake chooses the same."""
    best = {path.name: path for name in reversed(chain(isa)) for path in (NN / name).glob("*.c")}
    return sorted([*NN.glob("*.c"), *best.values()])

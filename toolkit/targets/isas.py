# SPDX-License-Identifier: BSD-3-Clause
"""The instruction sets, and what each falls back to where it has no kernel of its own."""

from dataclasses import dataclass
from typing import Final

PORTABLE: Final = "c"


@dataclass(frozen=True)
class Isa:
    """`macro` is what firmware/dredkit/dk_isa.h defines where the compiler allows this ISA."""

    falls_back_to: str
    macro: str


ISAS: Final = {
    PORTABLE: Isa("", "DK_ISA_C"),
    "simd32": Isa(PORTABLE, "DK_ISA_SIMD32"),
    "mve": Isa(PORTABLE, "DK_ISA_MVE"),
    "neon": Isa(PORTABLE, "DK_ISA_NEON"),
    "dotprod": Isa("neon", "DK_ISA_DOTPROD"),
}


def chain(isa: str) -> tuple[str, ...]:
    """Return an ISA and the ISAs that it falls back to, the most special first."""
    found = [isa]
    while ISAS[found[-1]].falls_back_to:
        found.append(ISAS[found[-1]].falls_back_to)
    return tuple(found)

# SPDX-License-Identifier: BSD-3-Clause
"""Write a package's README.md: what it is, what it costs, and how a project takes it."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from toolkit.codegen.package.builds import PDSC, held, rendered
from toolkit.codegen.package.product import Product, library_version

ISA_NAMES: Final = {
    "simd32": "SIMD32 (the DSP extension)",
    "mve": "Helium",
    "neon": "NEON",
    "dotprod": "NEON with dot products",
}
_WIDTH: Final = 100
NO_FIGURES: Final = "This folder was written with `--no-figures`: nothing was measured."
NO_BOARD: Final = "No emulated board has this core, so nothing was measured."


@dataclass(frozen=True)
class Call:
    """A public function's cost: `mean` and `most` instructions of a call, `stack` bytes."""

    name: str
    does: str
    mean: int
    most: int
    stack: int


@dataclass(frozen=True)
class Figures:
    """What was measured on an emulated board, and how.

    `code_bytes` and `table_bytes` are of flash. `seconds` of speech went in, and `lost` is how much
    of it was lost, in words.
    """

    board: str
    emulator: str
    compiler: str
    flags: str
    code_bytes: int
    table_bytes: int
    seconds: int
    lost: str
    calls: tuple[Call, ...]


def readme(product: Product, sizes: Mapping[str, int], figures: Figures | None, reason: str) -> str:
    """Return README.md; without figures it gives the `reason`.

    `sizes` also has the bytes of the blob, as "blob", if there is one.
    """
    values = {
        "core": product.core,
        "product": product,
        "held": held(product),
        "version": library_version(),
        "isa_names": ISA_NAMES,
        "sizes": {"DK_SENDER_BYTES": 0, "DK_RECEIVER_BYTES": 0, "blob": 0, **sizes},
        "figures": figures,
        "reason": reason,
        "pdsc": PDSC,
    }
    return wrapped(rendered("README.md.j2", values))


def wrapped(text: str) -> str:
    """Return Markdown whose paragraphs and list items have lines of at most 100 columns.

    Headings, tables and code stay as they are. An item of a list takes one line in `text`.
    """
    parts = re.split(r"(^```.*?^```$)", text.strip(), flags=re.MULTILINE | re.DOTALL)
    blocks: list[str] = []
    for number, part in enumerate(parts):
        if number % 2:
            blocks.append(part)
        else:
            blocks += [_block(piece) for piece in re.split(r"\n{2,}", part.strip()) if piece]
    return "\n\n".join(blocks) + "\n"


def _block(block: str) -> str:
    if block.startswith(("|", "#")):
        return block
    items = block.split("\n") if block.startswith("- ") else [" ".join(block.split())]
    filled = (
        textwrap.wrap(
            item,
            _WIDTH,
            subsequent_indent="  " if item.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for item in items
    )
    return "\n".join(line for lines in filled for line in lines)

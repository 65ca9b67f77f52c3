# SPDX-License-Identifier: BSD-3-Clause
"""What libopus, the base codec of a call, costs beside dredkit, where it was measured.

`python -m scripts.call_costs` measures it and keeps the figures in targets/figures/codec.json.
"""

import json
from dataclasses import dataclass
from typing import Final

from toolkit.common.paths import TARGETS

FILE: Final = TARGETS / "figures" / "codec.json"
FORMAT: Final = "dredkit-codec-1"


@dataclass(frozen=True)
class CodecCost:
    """libopus for 20 ms of one direction: mean instructions, and bytes.

    `encode` is by complexity, and `decode` for a packet that came. Compiled with -O2, in fixed
    point. `ram` has the states of encoder and decoder, and `stack` the deepest of a whole call.
    """

    version: str
    encode: dict[int, int]
    decode: int
    flash: int
    ram: int
    stack: int


def codec_cost(core: str) -> CodecCost | None:
    """Return the cost on a core as GCC names it, or None if it was not measured there."""
    told = json.loads(FILE.read_text(encoding="utf-8"))
    row = told["cores"].get(core)
    if row is None:
        return None
    encode = {int(complexity): count for complexity, count in row["encode"].items()}
    return CodecCost(told["libopus"], **{**row, "encode": encode})

# SPDX-License-Identifier: BSD-3-Clause
"""The fewest instructions that a multiply-accumulate can take on each ISA.

toolkit/data/isa_limits.toml has the figures, says what they count and gives their sources.
"""

import functools
import sys
from dataclasses import dataclass
from typing import Any

from toolkit.common.paths import ROOT
from toolkit.common.toml_table import Table
from toolkit.targets.isas import chain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIMITS = ROOT / "toolkit" / "data" / "isa_limits.toml"
WEIGHTS = ("int8", "int16")


@dataclass(frozen=True)
class Limit:
    """The least that an ISA's inner loop needs: (instruction, number of MACs that it serves)."""

    isa: str
    weights: str
    instructions: tuple[tuple[str, int], ...]

    @property
    def per_mac(self) -> float:
        """Instructions a multiply-accumulate."""
        return sum(1 / macs for _, macs in self.instructions)

    def as_json(self) -> dict[str, Any]:
        """Return the limit and the instructions that make it up."""
        return {
            "isa": self.isa,
            "weights": self.weights,
            "per_mac": round(self.per_mac, 4),
            "instructions": dict(self.instructions),
        }


def limits_of(isa: str) -> dict[str, Limit]:
    """Return the limits of an ISA by the kind of the weights.

    For a kind that the ISA lacks, its fallback's limit counts. Empty for portable C, which has no
    limits.
    """
    found: dict[str, Limit] = {}
    for name in reversed(chain(isa)):
        found |= {limit.weights: limit for limit in _limits() if limit.isa == name}
    return found


@functools.cache
def _limits() -> tuple[Limit, ...]:
    table = Table(LIMITS.name, "", tomllib.loads(LIMITS.read_text(encoding="utf-8")))
    return tuple(_limit(entry) for entry in table.tables("limit"))


def _limit(table: Table) -> Limit:
    rows = table.tables("instructions")
    limit = Limit(
        isa=table.text("isa"),
        weights=table.choice("weights", WEIGHTS),
        instructions=tuple((row.text("name"), row.integer("macs", low=1)) for row in rows),
    )
    table.done()
    return limit

# SPDX-License-Identifier: BSD-3-Clause
"""The entropy tables of a model: a scale, dead zone, decay and P(0) per level and element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError

Bytes = npt.NDArray[np.uint8]

LEVELS: Final = 16
LATENTS: Final = 25  # elements of a latent vector, which stands for 40 ms
STATES: Final = 50  # elements of a decoder's initial state
SCALE, DEADZONE, DECAY, P_ZERO = range(4)  # the rows of a table
TABLE_BYTES: Final = 4 * LEVELS * (LATENTS + STATES)


@dataclass(frozen=True)
class EntropyTables:
    """All tables of a model, uint8 in Q8: `latents` [4][16][25] and `states` [4][16][50].

    The first axis is SCALE, DEADZONE, DECAY (r in docs/FORMAT.md, section 2) and P_ZERO (p0); the
    second is the level. An element with decay 0 or P(0) 255 is not transmitted at that level and
    reads as zero; any other has a P(0) of at least 1.
    """

    latents: Bytes
    states: Bytes

    def __post_init__(self) -> None:
        for name, table, size in (
            ("latents", self.latents, LATENTS),
            ("states", self.states, STATES),
        ):
            if table.shape != (4, LEVELS, size) or table.dtype != np.uint8:
                raise InputError(
                    f"entropy table of {name}: want uint8 [4][{LEVELS}][{size}], "
                    f"got {table.dtype} {list(table.shape)}"
                )
            sent = (table[DECAY] != 0) & (table[P_ZERO] != 255)
            if np.any(sent & (table[P_ZERO] == 0)):
                raise InputError(f"entropy table of {name}: P(0) is 0, so no zero could be coded")

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "") -> EntropyTables:
        """Read the 4800 bytes of `latents`, then `states`.

        Raises InputError for another length or tables that cannot code a zero; the message names
        `where` if given.
        """
        prefix = f"{where}: " if where else ""
        if len(data) != TABLE_BYTES:
            raise InputError(f"{prefix}entropy tables: want {TABLE_BYTES} bytes, got {len(data)}")
        flat = np.frombuffer(data, np.uint8)
        split = 4 * LEVELS * LATENTS
        try:
            return cls(
                flat[:split].reshape(4, LEVELS, LATENTS), flat[split:].reshape(4, LEVELS, STATES)
            )
        except InputError as error:
            raise InputError(f"{prefix}{error}") from error

    def to_bytes(self) -> bytes:
        """Return the bytes that `from_bytes` reads; dk_dred_tables in C has the same layout."""
        return self.latents.tobytes() + self.states.tobytes()

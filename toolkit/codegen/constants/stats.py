# SPDX-License-Identifier: BSD-3-Clause
"""Write DRED's constants as C: a model's entropy tables, and the quantiser's thresholds.

The thresholds depend on no model: `python -m toolkit.codegen.constants.stats` writes
firmware/dredkit/dred/thresholds.c again.
"""

import numpy as np
import numpy.typing as npt

from quantize.dred.levels import THRESHOLDS
from quantize.dred.tables import EntropyTables
from toolkit.codegen.network.tables import BANNER
from toolkit.targets.sources import LIBRARY

THRESHOLDS_FILE = LIBRARY / "dred" / "thresholds.c"
_PER_LINE = 16


def entropy_source(tables: EntropyTables) -> str:
    """Return model_tables.c, 4800 bytes of flash that a sender and a receiver share."""
    return (
        f'{BANNER}#include "dred/tables.h"\n\n'
        f"// clang-format off\nconst dk_dred_tables dk_model_tables = {{\n"
        f"    .latents = {_braces(tables.latents, 1)},\n"
        f"    .states = {_braces(tables.states, 1)},\n}};\n// clang-format on\n"
    )


def thresholds_source() -> str:
    """Return the C source of the dead-zone quantiser's thresholds, 2560 bytes of flash."""
    return (
        f'{BANNER}#include "dred/levels.h"\n\n// clang-format off\n'
        f"const uint16_t dk_dred_thresholds[DK_DRED_THRESHOLD_ROWS][256] = "
        f"{_braces(THRESHOLDS, 0)};\n// clang-format on\n"
    )


def _braces(values: npt.NDArray[np.integer], depth: int) -> str:
    """Return nested initialisers of any rank; innermost rows are broken into short lines."""
    inside, outside = "    " * (depth + 1), "    " * depth
    if values.ndim > 1:
        rows = "".join(f"{inside}{_braces(row, depth + 1)},\n" for row in values)
    else:
        words = [str(int(value)) for value in values]
        rows = "".join(
            f"{inside}{', '.join(words[i : i + _PER_LINE])},\n"
            for i in range(0, len(words), _PER_LINE)
        )
    return f"{{\n{rows}{outside}}}"


if __name__ == "__main__":
    THRESHOLDS_FILE.write_text(thresholds_source(), encoding="utf-8")

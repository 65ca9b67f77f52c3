# SPDX-License-Identifier: BSD-3-Clause
"""The public header status.h: dk_status from the errors of toolkit/common/wire.toml.

The file is checked in, because it goes into products; a test compares it with wire.toml.
`python -m toolkit.codegen.constants.status` writes it again.
"""

from typing import Final

from toolkit.common.wire import WIRE, Wire
from toolkit.targets.sources import LIBRARY

FILE: Final = LIBRARY / "include" / "dredkit" / "status.h"

_HEAD: Final = """\
// SPDX-License-Identifier: BSD-3-Clause
// Written by toolkit/codegen/constants/status.py from toolkit/common/wire.toml: do not edit.
// The one error type of the firmware: zero or a positive count is success, negative is an error.
// A function that returns a count returns int32_t, and a negative dk_status where it fails. The
// values go over the wire: old ones keep their meaning.
#ifndef DREDKIT_STATUS_H
#define DREDKIT_STATUS_H

typedef enum {
    DK_OK = 0,
"""


def source(wire: Wire = WIRE) -> str:
    """Return the text of the file."""
    values = [f"DK_ERR_{name.upper()} = {-code}" for name, code in wire.errors.items()]
    values = [f"{value}," for value in values[:-1]] + values[-1:]
    width = max(len(value) for value in values)
    lines = [
        f"    {value:{width}}  // {meaning}\n"
        for value, meaning in zip(values, wire.error_meanings.values(), strict=True)
    ]
    return f"{_HEAD}{''.join(lines)}}} dk_status;\n\n#endif\n"


if __name__ == "__main__":
    FILE.write_text(source(), encoding="utf-8")

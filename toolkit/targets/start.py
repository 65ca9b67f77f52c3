# SPDX-License-Identifier: BSD-3-Clause
"""The start of a new board's file: the file of a board like it, with its comments."""

import re
from typing import Final

from toolkit.targets.target import TARGETS, Target

_SPDX: Final = re.compile(r"# SPDX-License-Identifier: .*\n")
_SCHEMA: Final = re.compile(r"#:schema .*\n")
_VERIFIED: Final = re.compile(r"^verified_on = \[[^\]]*\]", re.MULTILINE)
_HEAD: Final = """\
#:schema {schema}
# A board of your own, started from {like}. Check every number and name its source.
# A driver of your own (setup_NAME.c, uart_NAME.c or timer_NAME.c) goes beside this file;
# firmware/port/baremetal/drivers.h has what it must define.
# The comments below are still those of {like}.

"""


def start_from(like: Target) -> str:
    """Return the text of a file for a board that resembles `like` and was never verified."""
    text = like.path.read_text(encoding="utf-8")
    text = _SCHEMA.sub("", _SPDX.sub("", text, count=1), count=1)
    schema = (TARGETS / "board.schema.json").as_uri()
    return _HEAD.format(schema=schema, like=like.name) + _VERIFIED.sub("verified_on = []", text)

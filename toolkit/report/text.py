# SPDX-License-Identifier: BSD-3-Clause
"""Text that may go into any of a report's files."""

import re

# What XML 1.0 cannot hold, not even escaped; a file name can.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fit_text(text: str) -> str:
    """Replace what neither XML nor UTF-8 can hold (control characters, lone surrogates)."""
    return _UNFIT.sub("\ufffd", text)

# SPDX-License-Identifier: BSD-3-Clause
"""Text that every file of a report can hold."""

import re

# XML 1.0 cannot hold these characters, not even escaped; a file name can.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fit_text(text: str) -> str:
    """Replace characters that XML or UTF-8 cannot hold (controls, lone surrogates)."""
    return _UNFIT.sub("\ufffd", text)

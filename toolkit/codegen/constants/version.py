# SPDX-License-Identifier: BSD-3-Clause
"""The public header version.h: the version that pyproject.toml states.

The file is checked in, because it goes into products; a test compares it with pyproject.toml.
`python -m toolkit.codegen.constants.version` writes it again.
"""

import re
import sys
from typing import Final

from toolkit.common.paths import ROOT
from toolkit.targets.sources import LIBRARY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE: Final = LIBRARY / "include" / "dredkit" / "version.h"

_TEXT: Final = """\
// SPDX-License-Identifier: BSD-3-Clause
// Written by toolkit/codegen/constants/version.py: do not edit.
// The version of the library. Minor versions of 0.x may change functions and formats.
#ifndef DREDKIT_VERSION_H
#define DREDKIT_VERSION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DK_VERSION_MAJOR %(major)s
#define DK_VERSION_MINOR %(minor)s
#define DK_VERSION_PATCH %(patch)s
#define DK_VERSION_STRING "%(whole)s"
// One number that grows with the version: 0x00MMmmpp.
#define DK_VERSION (DK_VERSION_MAJOR * 65536 + DK_VERSION_MINOR * 256 + DK_VERSION_PATCH)

// Return DK_VERSION of the compiled library. It differs from the macro in an application that was
// compiled with headers of another version.
uint32_t dk_version(void);

#ifdef __cplusplus
}
#endif

#endif
"""


def project_version() -> str:
    """Return the version that pyproject.toml states."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def source(version: str) -> str:
    """Return the text of the file; raises ValueError for a version without three numbers."""
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if numbers is None:
        raise ValueError(f"version {version}: want MAJOR.MINOR.PATCH")
    major, minor, patch = numbers.groups()
    return _TEXT % {"major": major, "minor": minor, "patch": patch, "whole": version}


if __name__ == "__main__":
    FILE.write_text(source(project_version()), encoding="utf-8")

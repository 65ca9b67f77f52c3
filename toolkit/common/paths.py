# SPDX-License-Identifier: BSD-3-Clause
"""Paths: the repository, or the part of it that a wheel packs, and the folder of builds."""

import os
from pathlib import Path

_HERE = Path(__file__).resolve().parents[1]

# A wheel has the firmware, and everything else that is not Python, in this folder.
BUNDLE = "bundle"
INSTALLED = (_HERE / BUNDLE).is_dir()

ROOT = _HERE / BUNDLE if INSTALLED else _HERE.parent
DATA = _HERE / "data"

# Runs side by side each name a folder of their own, so that none disturbs another's build. An
# installed dredkit has no checkout to write to, so it builds in the current folder.
_DEFAULT = Path("build") if INSTALLED else ROOT / "build"
BUILD = Path(os.environ.get("DREDKIT_BUILD") or _DEFAULT).resolve()

# Where ./run unpacks the part of the Arm compiler that the boards need. Tests name another folder.
OWN_ARM = Path(os.environ.get("DREDKIT_ARM") or ROOT / ".arm")


def find_own_tools() -> None:
    """Append the folder of the compiler that ./run unpacked to PATH."""
    tools = OWN_ARM / "usr" / "bin"
    if (OWN_ARM / "ready").exists() and str(tools) not in os.environ.get("PATH", ""):
        os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(tools)])

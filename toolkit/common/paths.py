# SPDX-License-Identifier: BSD-3-Clause
"""Paths: the repository, or the part of it that a wheel packs, and the folder of builds."""

import hashlib
import os
from pathlib import Path

_HERE = Path(__file__).resolve().parents[1]

# A wheel has the firmware, and everything else that is not Python, in this folder.
BUNDLE = "bundle"
INSTALLED = (_HERE / BUNDLE).is_dir()

ROOT = _HERE / BUNDLE if INSTALLED else _HERE.parent
DATA = _HERE / "data"
TARGETS = ROOT / "targets"

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


def is_board_path(word: str) -> bool:
    """Return whether a word after --target is the path of a TOML file, not a name in targets/."""
    return "/" in word or word.endswith(".toml")


def board_file(word: str) -> Path:
    """Return the TOML file that a word after --target names."""
    return Path(word) if is_board_path(word) else TARGETS / f"{word}.toml"


def ships(file: Path) -> bool:
    """Return whether a board's TOML is one of targets/."""
    return os.path.realpath(file.parent) == os.path.realpath(TARGETS)


def board_folder(file: Path) -> str:
    """Return the name of the folder under build/ for the board of a TOML file.

    That is the file's stem. The path of a file that is not in targets/ is hashed into it, so that
    boards of the same name do not share a folder.
    """
    if ships(file):
        return file.stem
    where = os.fsencode(os.path.realpath(file))
    return f"{file.stem}-{hashlib.sha256(where).hexdigest()[:8]}"

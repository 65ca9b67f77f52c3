# SPDX-License-Identifier: BSD-3-Clause
"""Find the drivers that a target file names: C files setup_, uart_, timer_ and boot_NAME.c.

firmware/port/baremetal/drivers.h is the contract of a board's drivers, firmware/port/posix/posix.h
that of a process. A board's own drivers lie beside its TOML file and come first.
"""

from collections.abc import Sequence
from pathlib import Path

from toolkit.common.paths import ROOT
from toolkit.targets.sources import FIRMWARE

PORT = FIRMWARE / "port"
SHARED = "cortexa"  # drivers of armv7a and aarch64 alike
EVERY = "baremetal"  # drivers of devices that any core may have


def folders(system: str, shared: bool) -> list[Path]:
    """Return the folders of the drivers that ship for a system, in the order of the search."""
    every = [] if system == "posix" else [PORT / EVERY]
    return [PORT / system, *([PORT / SHARED] if shared else []), *every]


def find(kind: str, name: str, where: Sequence[Path]) -> Path | None:
    """Return the first driver of a kind and name in `where`, or None."""
    files = (folder / f"{kind}_{name}.c" for folder in where)
    return next((file for file in files if file.is_file()), None)


def lacking(kind: str, name: str, where: Sequence[Path]) -> str:
    """Return the complaint about a missing driver, which names those that exist."""
    known = {
        path.stem.removeprefix(f"{kind}_")
        for folder in where
        for path in folder.glob(f"{kind}_*.c")
    }
    shown = " or ".join(_shown(folder) for folder in where)
    return f"no {kind}_{name}.c in {shown}; there are {', '.join(sorted(known)) or 'none'}"


def _shown(folder: Path) -> str:
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)

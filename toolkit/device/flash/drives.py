# SPDX-License-Identifier: BSD-3-Clause
"""Boards that appear as a drive: UF2 loaders, and the drive of a DAPLink probe.

A UF2 loader has a file INFO_UF2.TXT on its drive, with a line "Board-ID:" (microsoft/uf2,
README.md). A DAPLink (ARMmbed/DAPLink, its users' guide) has DETAILS.TXT with a line "Unique ID:",
and writes FAIL.TXT when it refuses a file.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/mounts")
_FAT: Final = ("vfat", "msdos", "fat")
UF2, DAPLINK = "uf2", "daplink"
INFO, DETAILS, FAIL = "INFO_UF2.TXT", "DETAILS.TXT", "FAIL.TXT"
_MOST: Final = 4096  # bytes of such a file that are read
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Drive:
    """A drive of a board: where it is mounted, its kind, the board's name, the probe's serial."""

    folder: Path
    kind: str
    board: str
    serial: str


def drives(mounts: Path = MOUNTS) -> list[Drive]:
    """Return the drives of boards that are mounted; none where there is no list of mounts."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    rows = [line.split() for line in lines]
    folders = [Path(_plain(row[1])) for row in rows if len(row) > 2 and row[2] in _FAT]
    return [drive for folder in folders if (drive := look(folder)) is not None]


def look(folder: Path) -> Drive | None:
    """Return what a folder is as a board's drive, or None."""
    told = _lines(folder / INFO)
    if told:
        return Drive(folder, UF2, told.get("board-id", told.get("model", "")), "")
    told = _lines(folder / DETAILS)
    if "unique id" in told:
        return Drive(folder, DAPLINK, told.get("board", ""), told["unique id"])
    return None


def failure(folder: Path) -> str | None:
    """Return the reason that a DAPLink gives for refusing a file, in one line; None if none."""
    try:
        return " ".join((folder / FAIL).read_text("utf-8", errors="replace").split()) or "no reason"
    except OSError:
        return None


def _lines(file: Path) -> dict[str, str]:
    """Return the lines "key: value" of a small file, keys in lower case."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST).decode("utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key.strip(" #").lower(): value.strip() for key, _, value in pairs}


def _plain(name: str) -> str:
    """Undo the escapes of /proc/mounts: a space is \\040."""
    raw = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), name)
    return os.fspath(raw)

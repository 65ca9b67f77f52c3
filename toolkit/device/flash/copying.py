# SPDX-License-Identifier: BSD-3-Clause
"""Write an image by copying a file to a board's drive: UF2, or Intel HEX for a DAPLink."""

import os
import time
from pathlib import Path
from typing import Final

from toolkit.common.errors import BoardError, InputError
from toolkit.device.build.elf import load_sections
from toolkit.device.flash.drives import DAPLINK, UF2, Drive, drives, failure
from toolkit.device.flash.image import intel_hex, pieces, uf2
from toolkit.device.flash.report import FlashReport
from toolkit.targets.target import Target

KINDS: Final = {"uf2": UF2, "drive": DAPLINK}  # name after --server -> kind of drive
_NAMES: Final = {UF2: "FIRMWARE.UF2", DAPLINK: "FIRMWARE.HEX"}
_CURES: Final = {
    UF2: "hold BOOTSEL (or press reset twice) while you plug it in, and mount its drive",
    DAPLINK: "plug in the probe, and mount its drive",
}


def copy_image(target: Target, server: str, image: Path, probe: str | None) -> FlashReport:
    """Copy an image to the drive of a board; `probe` names the drive by serial or by folder.

    Raises BoardError without exactly one such drive, or when the drive refuses the file, and
    InputError when the target names no UF2 family.
    """
    kind = KINDS[server]
    data = _encoded(target, server, image)
    drive = _chosen(kind, probe, drives())
    start = time.monotonic()
    try:
        with (drive.folder / _NAMES[kind]).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BoardError(f"{drive.folder}: the drive takes no image: {error.strerror}") from None
    if (why := failure(drive.folder)) is not None:
        raise BoardError(f"{drive.folder}: the probe refused the image: {why}")
    sections = {name: size for name, (_, size) in load_sections(image).items()}
    return FlashReport(sections, sum(sections.values()), time.monotonic() - start, "no")


def uf2_family(target: Target) -> int:
    """Return the UF2 family id of a target: the one argument of [flash.probes] uf2."""
    words = target.flash.probes.get("uf2", ())
    try:
        family = int(words[0], 16) if len(words) == 1 else -1
    except ValueError:
        family = -1
    if not 0 <= family < 1 << 32:
        raise InputError(
            f'{target.name}: [flash.probes] needs uf2 = ["0xFAMILYID"], the chip\'s family id'
        )
    return family


def _encoded(target: Target, server: str, image: Path) -> bytes:
    if server == "uf2":
        return uf2(pieces(image), uf2_family(target))
    return intel_hex(pieces(image))


def _chosen(kind: str, probe: str | None, found: list[Drive]) -> Drive:
    fitting = [drive for drive in found if drive.kind == kind]
    if probe is not None:
        fitting = [drive for drive in fitting if probe in (drive.serial, str(drive.folder))]
    if not fitting:
        named = "" if probe is None else f" {probe}"
        raise BoardError(f"no mounted drive{named} of a {kind} board: {_CURES[kind]}")
    if len(fitting) > 1:
        names = ", ".join(drive.serial or str(drive.folder) for drive in fitting)
        raise BoardError(f"{len(fitting)} drives of {kind} boards: say --probe with one of {names}")
    return fitting[0]

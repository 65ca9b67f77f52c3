# SPDX-License-Identifier: BSD-3-Clause
"""What is plugged in: probes, their ports, chips and drives, joined by serial number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from serial.tools import list_ports

from toolkit.common.errors import BoardError
from toolkit.device.desk.hardware_map import MappedBoard
from toolkit.device.flash import pyocd_api
from toolkit.device.flash.drives import DAPLINK, Drive, drives
from toolkit.device.link.messages import Board

# USB vendors of boards and probes (usb.ids of linux-usb.org) -> name and the usual --server.
VENDORS: Final = {
    0x0483: ("ST-LINK", "openocd"),
    0x0D28: ("DAPLink", "pyocd"),
    0x1366: ("J-Link", "jlink"),
    0x2E8A: ("Raspberry Pi", "picotool"),
    0x03EB: ("Atmel EDBG", "openocd"),
    0x1FC9: ("NXP", "pyocd"),
}


@dataclass(frozen=True)
class Plugged:
    """One board on the desk. Texts are empty where nothing tells them.

    `vendor` is the USB vendor's number, 0 if unknown. `firmware` is what answered at the port,
    `silent` why nothing did.
    """

    serial: str
    product: str
    port: str = ""
    chip: str = ""
    runner: str = ""
    drive: str = ""
    vendor: int = 0
    firmware: Board | None = None
    silent: str = ""

    @property
    def askable(self) -> bool:
        """Whether its port belongs to a maker of boards, so that a hello cannot disturb it."""
        return bool(self.port) and (self.vendor in VENDORS or not self.vendor)


def plugged() -> list[Plugged]:
    """Return what is plugged in now, without asking any port."""
    return joined(list_ports.comports(), _probes(), drives())


def joined(
    ports: Sequence[Any], probes: Sequence[pyocd_api.Probe], mounted: Sequence[Drive]
) -> list[Plugged]:
    """Join ports (as pyserial lists them), probes and drives that have one serial number.

    A probe with several ports gives several rows. Ports that are not on USB are left out.
    """
    rows = [_of_port(port) for port in ports if port.vid is not None]
    for probe in probes:
        told = {"chip": probe.chip, "product": probe.board or probe.name, "runner": "pyocd"}
        rows = _merged(rows, probe.serial, told)
    for drive in mounted:
        told = {"drive": str(drive.folder)}
        if drive.kind != DAPLINK:
            told |= {"runner": "uf2", "product": drive.board, "chip": drive.board}
        rows = _merged(rows, drive.serial, told)
    return rows


def mapped(rows: Sequence[Plugged], known: Sequence[str]) -> list[MappedBoard]:
    """Return entries of a hardware map; a board of unknown platform is not connected.

    `known` are the names of targets.
    """
    found: list[MappedBoard] = []
    for number, row in enumerate(rows, 1):
        target = row.firmware.target if row.firmware else ""
        name = _name(row.serial or f"board-{number}", [board.id for board in found])
        found.append(
            MappedBoard(
                id=name,
                platform=target or "unknown",
                connected=target in known,
                product=row.product,
                probe_id=row.serial if row.runner else "",
                serial=row.port,
                notes="" if target in known else "name its platform, then set connected = true",
            )
        )
    return found


def _name(serial: str, taken: Sequence[str]) -> str:
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in serial)
    plain = plain.strip("-")[:56] or "board"
    names = [plain, *(f"{plain}-{n}" for n in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _of_port(port: Any) -> Plugged:
    maker, runner = VENDORS.get(port.vid, ("", ""))
    product = port.product or port.description or maker
    return Plugged(port.serial_number or "", product, port.device, runner=runner, vendor=port.vid)


def _merged(rows: list[Plugged], serial: str, told: dict[str, str]) -> list[Plugged]:
    """Return rows with what is told about one serial; a new row if no row has it."""
    told = {key: value for key, value in told.items() if value}
    own = [row for row in rows if serial and row.serial.lower() == serial.lower()]
    if not own:
        return [*rows, replace(Plugged(serial, ""), **told)]  # type: ignore[arg-type]
    return [replace(row, **told) if row in own else row for row in rows]  # type: ignore[arg-type]


def _probes() -> list[pyocd_api.Probe]:
    """Ask pyOCD, if it is here; a desk without it still shows ports and drives."""
    try:
        return pyocd_api.probes() if pyocd_api.available() else []
    except BoardError:
        return []

# SPDX-License-Identifier: BSD-3-Clause
"""A board behind a debug probe as a port: rtt://, rtt://SERIAL, rtt://SERIAL?chip=NAME."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.common.errors import InputError, ToolError
from toolkit.common.wire import WIRE
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.build.elf import symbols
from toolkit.device.flash import pyocd_api
from toolkit.device.link.rtt import RttTransport
from toolkit.targets.target import Target

SCHEME: Final = "rtt://"
BLOCK: Final = "dk_rtt"  # the control block's name in an image: firmware/port/cortexm/uart_rtt.c
_URL: Final = re.compile(
    r"rtt://(?P<probe>[\w.:-]*)/?(\?chip=(?P<chip>[\w.-]+))?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True)
class Place:
    """A probe, by its serial or the only one (None), and the chip as pyOCD names it, if given."""

    url: str
    probe: str | None
    chip: str | None


def is_place(url: str) -> bool:
    """Return whether a --port is meant for this module."""
    return url.lower().startswith(SCHEME)


def check_place(url: str, target: Target | None = None) -> Place:
    """Return the place that a URL names; connects to nothing.

    Raises InputError for a URL of another form and for a target whose link is a UART, ToolError
    without pyOCD.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise InputError(
            f"{url}: want rtt://, rtt://SERIAL of a probe, or rtt://SERIAL?chip=NAME as pyOCD "
            "names it"
        )
    if target is not None and not (target.uart and target.uart.is_rtt):
        raise InputError(
            f'{url}: the firmware of {target.name} answers at its UART: uart.driver = "rtt" in its '
            "TOML makes it answer here"
        )
    _need_pyocd()
    return Place(url, found["probe"] or None, found["chip"])


def open_place(
    url: str, target: Target | None = None, image: Path | None = None, wait_s: float = 0.0
) -> RttTransport:
    """Open a link through a probe; the core runs on.

    The target says which chip pyOCD finds and where its variables lie, and the image where the
    control block is. Without both, pyOCD searches the chip's RAM. Raises BoardError without exactly
    one probe, LinkError without a control block.
    """
    place = check_place(url, target)
    words = target.flash.probes.get("pyocd", ()) if target is not None else ()
    options = pyocd_api.options_of(words, target.name if target is not None else url)
    if place.chip is not None:
        options["target_override"] = place.chip
    memory, done = pyocd_api.attach(place.probe, options)
    return RttTransport(url, memory, *_search(target, image), wait_s=wait_s, done=done)


def open_emulated(board: QemuBoard, image: Path) -> RttTransport:
    """Open a link through the RAM that QEMU shares."""
    _need_pyocd()
    assert board.ram is not None
    place = _search(board.target, image)
    return RttTransport(board.serial_url, board.ram, *place, wait_s=WIRE.timeouts.open_s)


def _search(target: Target | None, image: Path | None) -> tuple[int | None, int | None]:
    """Return where the control block is: its address, or the bytes to search, or neither."""
    if image is not None:
        found = [symbol.address for symbol in symbols(image) if symbol.name == BLOCK]
        if found:
            return found[0], None
    if target is not None:
        home = target.memory_of("bss")
        return home.origin, home.length
    return None, None


def _need_pyocd() -> None:
    if not pyocd_api.available():
        raise ToolError(
            "pyOCD is missing, which reads RTT: ./run setup probe or pip install 'dredkit[probe]'"
        )

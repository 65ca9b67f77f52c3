# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of --port that leads to a board which runs already, opened in one way."""

from pathlib import Path

from toolkit.device.boards import labgrid, rtt
from toolkit.device.flash import pyocd_api
from toolkit.device.link.rtt import RttTransport
from toolkit.device.link.transport import SerialTransport, check_port, open_port
from toolkit.targets.target import Target

USUAL_BAUD = 115200


def check_line(url: str, target: Target | None = None) -> None:
    """Refuse a port that cannot work, before anything is built for it.

    Raises InputError, ToolError, BoardError or LinkError.
    """
    if rtt.is_place(url):
        pyocd_api.check_probe(rtt.check_place(url, target).probe)
    else:
        check_port(labgrid.resolve(url) if labgrid.is_place(url) else url)


def open_line(
    url: str,
    *,
    baud: int | None = None,
    wait_s: float = 0.0,
    target: Target | None = None,
    image: Path | None = None,
) -> SerialTransport | RttTransport:
    """Open a port: a device, a URL of pyserial, rtt:// or labgrid://. Returns a context manager.

    The rate is `baud`, else that of the target. `wait_s` is how long a port that is absent is tried
    again. Raises LinkError, and BoardError without a debug probe.
    """
    if rtt.is_place(url):
        return rtt.open_place(url, target, image, wait_s)
    if baud is None:
        baud = target.uart.baud if target is not None and target.uart else USUAL_BAUD
    found = labgrid.resolve(url) if labgrid.is_place(url) else url
    return open_port(found, baud=baud, wait_s=wait_s)

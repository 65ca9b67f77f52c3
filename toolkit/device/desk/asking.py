# SPDX-License-Identifier: BSD-3-Clause
"""Ask ports which firmware answers there: the hello of the link, at every rate that boards use."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from toolkit.common.errors import BoardError, LinkError, ToolError
from toolkit.common.wire import WIRE
from toolkit.device.boards.lines import USUAL_BAUD, open_line
from toolkit.device.desk.plugged import Plugged
from toolkit.device.link.messages import Board
from toolkit.device.link.session import Session
from toolkit.targets.target import load_target, target_names

_AT_ONCE: Final = 16
Ask = Callable[[str, float], Board]


def rates() -> list[int]:
    """Return the usual rate and those of the UARTs of all targets, the most frequent first."""
    uarts = [load_target(name).uart for name in target_names()]
    bauds = [uart.baud for uart in uarts if uart is not None]
    return sorted({*bauds, USUAL_BAUD}, key=lambda baud: (-bauds.count(baud), baud))


def hello(url: str, wait_s: float) -> Board:
    """Return the board that answers at a port. Raises LinkError if none does.

    A serial port is asked at each rate for `wait_s` seconds; a socket has no rate.
    """
    has_rate = "://" not in url or url.lower().startswith(("rfc2217:", "labgrid:"))
    times = replace(WIRE.timeouts, hello_s=wait_s, silent_s=wait_s)
    silent: LinkError | None = None
    for baud in rates() if has_rate else [USUAL_BAUD]:
        with open_line(url, baud=baud) as port:
            try:
                return Session(port, timeouts=times).hello()
            except LinkError as error:
                silent = error
    assert silent is not None
    raise silent


def ask_all(rows: Sequence[Plugged], wait_s: float, ask: Ask = hello) -> list[Plugged]:
    """Return the rows with what answers at their ports; all ports are asked side by side."""

    def one(row: Plugged) -> Plugged:
        if not row.port:
            return replace(row, silent="no port")
        if not row.askable:
            return replace(row, silent="not asked: no maker of boards; --port asks")
        try:
            return replace(row, firmware=ask(row.port, wait_s))
        except (BoardError, LinkError, ToolError) as error:
            return replace(row, silent=str(error).removeprefix(f"{row.port}: "))

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(one, rows))

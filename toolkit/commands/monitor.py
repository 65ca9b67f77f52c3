# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit monitor`: show what a board says, until Ctrl-C."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import click

from toolkit.commands.shared.outcome import Telling
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import BoardError, InputError, LinkError
from toolkit.common.wire import WIRE
from toolkit.device.boards.lines import open_line
from toolkit.device.boards.ssh import is_place
from toolkit.device.link.frames import Frame, encode_frame
from toolkit.device.link.listening import Heard, Listener
from toolkit.device.link.rtt import RttTransport
from toolkit.device.link.transport import PortLost, SerialTransport

_LOOK_S: Final = 0.2  # between two looks at a port, and between two tries to open it again
_BAUD_MAX: Final = 50_000_000
_COUNT_MAX: Final = 1_000_000_000


@click.command("monitor", cls=Telling)
@click.option("--port", required=True, metavar="URL", help="The port, as pyserial names it.")
@click.option(
    "--baud",
    type=click.IntRange(50, _BAUD_MAX),
    default=115200,
    show_default=True,
    help="Rate of a serial port.",
)
@click.option(
    "--hello", is_flag=True, help="Ask the board who it is, at the start and when it is back."
)
@click.option(
    "--count",
    type=click.IntRange(1, _COUNT_MAX),
    default=None,
    help="End after so many lines; at Ctrl-C if left out.",
)
@json_option
def command(port: str, baud: int, hello: bool, count: int | None, json_to: str | None) -> None:
    """Show what a board says: text, and frames by name.

    Only one program can use a port, so end this before `verify` or `stream`. A port that goes away
    is waited for. Lines go to standard output: seconds, then what came. Ctrl-C ends it.
    """  # fmt: skip
    if is_place(port):
        raise InputError(f"{port}: a server there talks to the program that started it alone")
    kinds: Counter[str] = Counter()
    with contextlib.suppress(KeyboardInterrupt):
        for number, heard in enumerate(_listen(port, baud, hello, kinds), 1):
            kinds[heard.kind] += 1
            click.echo(f"{time.monotonic() - _START:9.3f}  {heard.line}")
            if number == count:
                break
    emit_json(json_to, {"port": port, **kinds})


_START: Final = time.monotonic()


def _listen(url: str, baud: int, hello: bool, kinds: Counter[str]) -> Iterator[Heard]:
    """Yield what comes over a port, for ever; open the port again when it is back.

    Raises LinkError if the port cannot be opened at first.
    """
    transport = open_line(url, baud=baud)
    while True:
        listener = Listener()
        with transport:
            try:
                if hello:
                    transport.write(_hello())
                while True:
                    yield from listener.feed(transport.read(_LOOK_S))
            except PortLost as lost:
                yield from listener.rest()
                err.print(f"{lost}; waiting for it")
        kinds["lost"] += 1
        transport = _again(url, baud)
        err.print(f"{url}: is back")


def _hello() -> bytes:
    message = WIRE.messages["hello"]
    return encode_frame(Frame(message.type, 0, message.pack(protocol=WIRE.protocol)))


def _again(url: str, baud: int) -> SerialTransport | RttTransport:
    while True:
        try:
            return open_line(url, baud=baud)
        except (BoardError, LinkError):
            time.sleep(_LOOK_S)

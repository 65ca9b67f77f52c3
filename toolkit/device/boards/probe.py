# SPDX-License-Identifier: BSD-3-Clause
"""A real board behind a debug probe: the ways to write an image, and the probe's gdb server."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quantize.near import near
from toolkit.common.errors import BoardError, InputError, ToolError
from toolkit.device.boards import gdb, patience
from toolkit.device.flash import pyocd_api
from toolkit.device.flash.copying import KINDS, copy_image
from toolkit.device.flash.report import FlashReport
from toolkit.device.flash.tools import TOOLS, run_tool
from toolkit.targets.target import Target


def ways() -> list[str]:
    """Return the names of all ways to write an image, as --server takes them."""
    return [*_servers(), *TOOLS, *KINDS]


def check_server(name: str) -> None:
    """Raise InputError for a name that is no way to write an image."""
    if name not in ways():
        raise InputError(
            f"unknown debug server '{name}'; known: {', '.join(ways())}{near(name, ways())}"
        )


def flash_probe(
    target: Target, server_name: str, image: Path, probe: str | None = None
) -> FlashReport:
    """Write `image` to a real board in the named way, through the probe of that serial.

    Raises ToolError when the tool is missing, BoardError when it finds no probe.
    """
    check_server(server_name)
    gdb.check_fits(image, target)
    if server_name in TOOLS:
        return run_tool(target, server_name, image, probe)
    if server_name in KINDS:
        return copy_image(target, server_name, image, probe)
    if server_name == "pyocd" and pyocd_api.available():
        return pyocd_api.flash(target, image, probe)
    server = gdb.SERVERS[server_name]
    with _running(target, server_name, server, probe) as (address, alive):
        return gdb.write_image(server, address, image, target, alive)


def _servers() -> list[str]:
    """Return the debug servers that gdb writes through."""
    return [row for row, server in gdb.SERVERS.items() if server.start]


@contextmanager
def _running(
    target: Target, name: str, server: gdb.Server, probe: str | None
) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Run a debug server; yield its address and a function that tells whether it still runs."""
    program = shutil.which(server.start[0])
    if program is None:
        raise ToolError(f"{server.start[0]} is missing: install {server.package}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, *(word.format(port=port) for word in server.start[1:])]
    command += target.flash.probes.get(name, ())
    if probe is not None:
        command += [word.format(probe=probe) for word in server.select]
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise ToolError(f"{program} cannot be started: {error.strerror}") from None
        try:
            yield f"127.0.0.1:{port}", lambda: process.poll() is None
        except BoardError as error:
            ended = isinstance(error, gdb.NoAnswer) and process.poll() is not None
            log.seek(0)
            raise BoardError(_reason(name, server, log.read(), ended) or str(error)) from None
        finally:
            process.terminate()
            try:
                process.wait(patience.STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _reason(name: str, server: gdb.Server, said: str, ended: bool) -> str | None:
    """Return the meaning of the server's output in one line; None if it runs without an error."""
    for text, meaning in server.complaints:
        if text in said:
            return f"{meaning}: connect the board, then try again"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    if errors:
        return f"{name}: {errors[0]}"
    return f"{name} has ended: {lines[-1] if lines else 'it said nothing'}" if ended else None

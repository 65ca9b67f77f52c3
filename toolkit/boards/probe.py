# SPDX-License-Identifier: BSD-3-Clause
"""A real board behind a debug probe: start the probe's gdb server, write, reset."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantize.near import near
from toolkit.boards import gdb
from toolkit.errors import BoardError, InputError, ToolError
from toolkit.targets import Target

STOP_TIMEOUT = 5.0  # seconds


def flash_probe(target: Target, server_name: str, image: Path) -> gdb.FlashReport:
    """Write `image` to a real board through the named debug server.

    Raises ToolError when the server is missing, BoardError when it finds no probe.
    """
    server = _server(server_name)
    gdb.check_fits(image, target)
    with _running(target, server_name, server) as address:
        return gdb.write_image(server, address, image, target)


def reset_probe(target: Target, server_name: str) -> None:
    """Reset a real board through the named debug server and let it run."""
    server = _server(server_name)
    with _running(target, server_name, server) as address:
        gdb.reset(server, address, target)


def _server(name: str) -> gdb.Server:
    probes = [row for row, server in gdb.SERVERS.items() if server.start]
    if name not in probes:
        raise InputError(
            f"unknown debug server '{name}'; known: {', '.join(probes)}{near(name, probes)}"
        )
    return gdb.SERVERS[name]


@contextmanager
def _running(target: Target, name: str, server: gdb.Server) -> Iterator[str]:
    program = shutil.which(server.start[0])
    if program is None:
        raise ToolError(f"{server.start[0]} is missing: install {server.package}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, *(word.format(port=port) for word in server.start[1:])]
    command += target.flash.probes.get(name, ())
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield f"127.0.0.1:{port}"
        except BoardError as error:
            log.seek(0)
            raise BoardError(_reason(name, server, log.read()) or str(error)) from None
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _reason(name: str, server: gdb.Server, said: str) -> str | None:
    """What the server's words mean, in one line; None if it said nothing of an error."""
    for text, meaning in server.complaints:
        if text in said:
            return f"{meaning}: connect the board, then try again"
    errors = [line.strip() for line in said.splitlines() if "error" in line.lower()]
    return f"{name}: {errors[0]}" if errors else None

# SPDX-License-Identifier: BSD-3-Clause
"""A real board behind a debug probe: start the probe's gdb server, write, reset."""

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
from toolkit.targets.target import Target


def flash_probe(target: Target, server_name: str, image: Path) -> gdb.FlashReport:
    """Write `image` to a real board through the named debug server.

    Raises ToolError when the server is missing, BoardError when it finds no probe.
    """
    server = _server(server_name)
    gdb.check_fits(image, target)
    with _running(target, server_name, server) as (address, alive):
        return gdb.write_image(server, address, image, target, alive)


def reset_probe(target: Target, server_name: str) -> None:
    """Reset a real board through the named debug server and let it run."""
    server = _server(server_name)
    with _running(target, server_name, server) as (address, alive):
        gdb.reset(server, address, target, alive)


def _server(name: str) -> gdb.Server:
    probes = [row for row, server in gdb.SERVERS.items() if server.start]
    if name not in probes:
        raise InputError(
            f"unknown debug server '{name}'; known: {', '.join(probes)}{near(name, probes)}"
        )
    return gdb.SERVERS[name]


@contextmanager
def _running(
    target: Target, name: str, server: gdb.Server
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

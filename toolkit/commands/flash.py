# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit flash`: write an image to a board, compare it and start the board."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import click

from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import Forms, refuse_ignored
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import BoardError, InputError
from toolkit.common.folders import LOCK, alone, own_copy
from toolkit.common.option_types import InputFile
from toolkit.common.paths import BUILD
from toolkit.device.boards.probe import flash_probe
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.build.elf import build_id
from toolkit.device.flash.report import FlashReport
from toolkit.targets.target import Target, load_target

_FORMS: Forms = {"--server": ("probe",), "an emulated board (without --server)": ("port", "check")}
POLL = 0.5  # seconds between looks at whether the emulator still runs


@click.command("flash", cls=Telling)
@options.target_option
@click.option(
    "--image",
    type=InputFile(made=True),
    default=None,
    help="The image; build/TARGET/firmware.elf if left out.",
)
@click.option(
    "--server",
    default=None,
    metavar="NAME",
    help="Write to a real board: openocd, pyocd, jlink, st-util, picotool, cube (ST's "
    "STM32_Programmer_CLI), teensy (PJRC's loader), uf2 or drive (copies to its drive).",
)
@options.probe_option
@click.option(
    "--port",
    "--serial",
    "port",
    default="socket",
    metavar="socket|pty|URL",
    help="Where an emulated board's UART appears: socket://HOST:PORT or pty.",
)
@click.option("--check", is_flag=True, help="Do not keep an emulated board running.")
@json_option
def command(
    target: str,
    image: Path | None,
    server: str | None,
    probe: str | None,
    port: str,
    check: bool,
    json_to: str | None,
) -> None:
    """Start a board and write the firmware to it.

    An emulated board then runs until Ctrl-C; other commands reach it with --port.
    """
    board = load_target(target)
    refuse_ignored("--server" if server else "an emulated board (without --server)", _FORMS)
    if board.flash.method != "gdb":
        raise InputError(
            f"{board.name} is not flashed: it is a program, which `dredkit verify` starts"
        )
    image = image or BUILD / board.folder / "firmware.elf"
    if not image.is_file():
        raise InputError(f"{image} is missing: run `dredkit build --target {board.word}` first")
    own = _own_copy(image)
    if server is not None:
        report = flash_probe(board, server, own, probe)
        _say(board, report)
        emit_json(json_to, _as_json(board, image, own, report, None))
        return
    with QemuBoard(board, port) as emulated:
        report = emulated.flash(own)
        _say(board, report)
        emit_json(json_to, _as_json(board, image, own, report, emulated.serial_url))
        if check:
            return
        err.print(f"{board.name} runs; reach it with --port {emulated.serial_url}; Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            while emulated.alive():
                time.sleep(POLL)
            raise BoardError(emulated.ended())


def _own_copy(image: Path) -> Path:
    """Copy an image that another process may be building again, once it is not building."""
    folder = image.resolve().parent
    if (folder / LOCK).exists() and os.access(folder / LOCK, os.W_OK):
        with alone(folder):
            return own_copy(image)
    return own_copy(image)


def _say(target: Target, report: FlashReport) -> None:
    compared = {
        "equal": f"{len(report.sections)} sections read back and equal",
        "by the tool": "compared by the tool",
        "no": "not read back; `dredkit verify` asks the firmware for its build id",
    }[report.compared]
    err.print(f"{target.name}: {report.bytes} bytes written in {report.seconds:.1f} s; {compared}")


def _as_json(
    target: Target, image: Path, own: Path, report: FlashReport, port: str | None
) -> dict[str, Any]:
    return {
        "target": target.name,
        "image": str(image),
        "build_id": build_id(own),
        "bytes": report.bytes,
        "seconds": round(report.seconds, 3),
        "sections": report.sections,
        "compared": report.compared,
        "port": port,
    }

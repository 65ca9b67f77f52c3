# SPDX-License-Identifier: BSD-3-Clause
"""Programs that write an image in one run and compare it themselves.

picotool: raspberrypi/picotool, README.md ("load"). STM32_Programmer_CLI: ST UM2237.
teensy_loader_cli: PaulStoffregen/teensy_loader_cli, README.md; it takes Intel HEX and cannot read
back, since a Teensy has no debug port.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.common.errors import BoardError, InputError, ToolError
from toolkit.device.boards import patience
from toolkit.device.build.elf import load_sections
from toolkit.device.flash.image import intel_hex, pieces
from toolkit.device.flash.report import FlashReport
from toolkit.targets.target import Target


@dataclass(frozen=True)
class Tool:
    """A program: how to install it, its words around the image, and its usual complaints.

    {image} stands for the image's path, {hex} for that of the same bytes as Intel HEX. `select` are
    the words that choose a probe, with {probe}; they follow the word at `select_at` of the command.
    Without them the tool cannot choose. `compared` says who compares what was written.
    """

    install: str
    command: tuple[str, ...]
    select: tuple[str, ...]
    select_at: int
    complaints: tuple[tuple[str, str], ...]
    compared: str = "by the tool"


TOOLS: Final = {
    "picotool": Tool(
        "install picotool of your system, or build github.com/raspberrypi/picotool",
        ("picotool", "load", "--verify", "--execute", "{image}", "-t", "elf"),
        ("--ser", "{probe}"),
        2,
        (
            ("No accessible RP", "picotool finds no board: hold BOOTSEL while you plug it in"),
            ("unable to connect", "picotool may not use the board: USB permissions"),
        ),
    ),
    "cube": Tool(
        "install STM32CubeProgrammer of st.com and put its bin folder into PATH",
        ("STM32_Programmer_CLI", "-c", "port=SWD", "-w", "{image}", "-v", "-s"),
        ("sn={probe}",),
        3,
        (
            ("No debug probe detected", "STM32_Programmer_CLI finds no ST-LINK"),
            ("No STM32 target found", "STM32_Programmer_CLI finds no chip behind the ST-LINK"),
        ),
    ),
    "teensy": Tool(
        "apt-get install teensy-loader-cli, or build github.com/PaulStoffregen/teensy_loader_cli",
        ("teensy_loader_cli", "-v", "{hex}"),
        (),
        0,
        (("Unable to open device", "teensy_loader_cli finds no board: press its button"),),
        "no",
    ),
}


def run_tool(target: Target, name: str, image: Path, probe: str | None) -> FlashReport:
    """Write an image with a tool, which compares it if it can.

    Raises ToolError without the tool, InputError for a probe that it cannot choose, BoardError in
    the tool's own words when it fails.
    """
    tool = TOOLS[name]
    program = shutil.which(tool.command[0])
    if program is None:
        raise ToolError(f"{tool.command[0]} is missing: {tool.install}")
    if probe is not None and not tool.select:
        raise InputError(f"--probe: {tool.command[0]} cannot choose; plug in one board alone")
    with tempfile.TemporaryDirectory(prefix="dredkit-") as folder:
        converted = Path(folder) / f"{image.stem}.hex"
        if any("{hex}" in word for word in tool.command):
            converted.write_bytes(intel_hex(pieces(image)))
        words = [word.format(image=image.absolute(), hex=converted) for word in tool.command[1:]]
        own = target.flash.probes.get(name, ())
        # Settings, such as ap=1, are for the connection. Other words follow all of the tool's own.
        connection = [word for word in own if _is_setting(word)]
        if probe is not None:
            connection += [word.format(probe=probe) for word in tool.select]
        at = tool.select_at - 1
        words[at:at] = connection
        words += [word for word in own if not _is_setting(word)]
        start = time.monotonic()
        status, said = _finished(name, program, words)
    if status:
        raise BoardError(_reason(name, tool, said, status))
    sections = {section: size for section, (_, size) in load_sections(image).items()}
    seconds = time.monotonic() - start
    return FlashReport(sections, sum(sections.values()), seconds, tool.compared)


def _is_setting(word: str) -> bool:
    """Tell whether a word is a setting as ST's programmer takes them, not an option."""
    return "=" in word and not word.startswith("-")


def _finished(name: str, program: str, words: list[str]) -> tuple[int, str]:
    """Run a tool to its end; return its exit status and what it said."""
    try:
        done = subprocess.run(
            [program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=patience.TOOL_S, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BoardError(
            f"{name} did not end within {patience.TOOL_S:.0f} s (patience.TOOL_S)"
        ) from None
    except OSError as error:
        raise ToolError(f"{program} cannot be started: {error.strerror}") from None
    return done.returncode, done.stdout.decode(errors="replace")


def _reason(name: str, tool: Tool, said: str, status: int) -> str:
    for text, meaning in tool.complaints:
        if text in said:
            return meaning
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return f"{name}: {(errors or lines or [f'ended with exit status {status}'])[-1]}"

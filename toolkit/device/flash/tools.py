# SPDX-License-Identifier: BSD-3-Clause
"""Programs that write an image in one run and compare it themselves.

picotool: raspberrypi/picotool, README.md ("load"). STM32_Programmer_CLI: ST UM2237.
"""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.common.errors import BoardError, ToolError
from toolkit.device.boards import patience
from toolkit.device.build.elf import load_sections
from toolkit.device.flash.report import FlashReport
from toolkit.targets.target import Target


@dataclass(frozen=True)
class Tool:
    """A program: how to install it, its words around the image, and its usual complaints.

    {image} stands for the image's path. `select` are the words that choose a probe, with {probe};
    they follow the word at `select_at` of the command.
    """

    install: str
    command: tuple[str, ...]
    select: tuple[str, ...]
    select_at: int
    complaints: tuple[tuple[str, str], ...]


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
}


def run_tool(target: Target, name: str, image: Path, probe: str | None) -> FlashReport:
    """Write an image with a tool, which compares it.

    Raises ToolError without the tool, BoardError in the tool's own words when it fails.
    """
    tool = TOOLS[name]
    program = shutil.which(tool.command[0])
    if program is None:
        raise ToolError(f"{tool.command[0]} is missing: {tool.install}")
    words = [word.format(image=image.absolute()) for word in tool.command[1:]]
    own = target.flash.probes.get(name, ())
    # Settings, such as ap=1, are for the connection. Other words follow all of the tool's own.
    connection = [word for word in own if "=" in word]
    if probe is not None:
        connection += [word.format(probe=probe) for word in tool.select]
    at = tool.select_at - 1
    words[at:at] = connection
    words += [word for word in own if "=" not in word]
    start = time.monotonic()
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
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        raise BoardError(_reason(name, tool, said, done.returncode))
    sections = {section: size for section, (_, size) in load_sections(image).items()}
    seconds = time.monotonic() - start
    return FlashReport(sections, sum(sections.values()), seconds, "by the tool")


def _reason(name: str, tool: Tool, said: str, status: int) -> str:
    for text, meaning in tool.complaints:
        if text in said:
            return meaning
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return f"{name}: {(errors or lines or [f'ended with exit status {status}'])[-1]}"

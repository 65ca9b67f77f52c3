# SPDX-License-Identifier: BSD-3-Clause
"""Write an image to a board through gdb: one way for QEMU and every debug probe.

A debug server is a row of a table: how to start it, its reset command, and the meaning of its usual
complaints.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.common.errors import BoardError, ToolError
from toolkit.device.boards import patience
from toolkit.device.build.elf import load_sections
from toolkit.device.flash.report import FlashReport
from toolkit.targets.target import Target

# Debian's gdb for every processor, Arm's own, and that of systems with one gdb for all processors.
GDBS = ("gdb-multiarch", "arm-none-eabi-gdb", "gdb")
ARCHITECTURES = {"cortexm": "arm", "armv7a": "arm", "aarch64": "aarch64"}

SECTION_LINE = re.compile(r"^Section (\S+), range \S+ -- \S+: (matched|MIS-MATCHED)", re.MULTILINE)
LOST = re.compile(r"Connection (timed out|refused|reset)|could not connect|Remote .* closed")
_CONNECTED = "dredkit: connected"  # our script prints this after connecting


class NoAnswer(BoardError):
    """Nothing answers gdb, or the server has stopped answering."""


@dataclass(frozen=True)
class Server:
    """A debug server.

    `start` is its command line with {port} in it; it is empty for QEMU, which is the board itself.
    The gdb command `halt` comes before writing, the gdb command `reset` boots the board afterwards.
    `select` are the words that choose one of several probes, with {probe} in them. `package` says
    how to install it.
    """

    package: str
    start: tuple[str, ...]
    halt: tuple[str, ...]
    reset: tuple[str, ...]
    complaints: tuple[tuple[str, str], ...] = ()
    select: tuple[str, ...] = ()


SERVERS = {
    "qemu": Server("qemu-system-arm", (), (), ("monitor system_reset",)),
    "openocd": Server(
        "openocd",
        ("openocd", "-c", "gdb_port {port}", "-c", "tcl_port disabled; telnet_port disabled"),
        ("monitor reset halt",),
        ("monitor reset run",),
        (
            ("unable to find a matching CMSIS-DAP device", "openocd finds no CMSIS-DAP probe"),
            ("Error: open failed", "openocd finds no debug probe"),
            ("LIBUSB_ERROR_ACCESS", "openocd may not use the probe: USB permissions"),
        ),
        ("-c", "adapter serial {probe}"),
    ),
    "pyocd": Server(
        "it with `./run setup probe` or pip install 'dredkit[probe]'",
        ("pyocd", "gdbserver", "--no-wait", "--port", "{port}"),
        ("monitor reset halt",),
        ("monitor reset",),
        (
            ("No connected debug probes", "pyocd finds no debug probe"),
            ("No available debug probes", "pyocd finds no debug probe"),
        ),
        ("--uid", "{probe}"),
    ),
    "jlink": Server(
        "the J-Link software of segger.com",
        ("JLinkGDBServerCLExe", "-if", "SWD", "-nohalt", "-port", "{port}"),
        ("monitor reset", "monitor halt"),
        ("monitor reset", "monitor go"),
        (
            ("Connecting to J-Link failed", "the J-Link server finds no probe"),
            ("No emulators connected", "the J-Link server finds no probe"),
        ),
        ("-select", "usb={probe}"),
    ),
    "st-util": Server(
        "stlink-tools",
        ("st-util", "-p", "{port}"),
        ("monitor reset", "monitor halt"),
        ("monitor reset",),
        (("Couldn't find any ST-Link devices", "st-util finds no ST-Link"),),
        ("--serial", "{probe}"),
    ),
}


def check_fits(image: Path, target: Target) -> dict[str, int]:
    """Check that every loaded section lies in one of the target's flash memories.

    gdb would write a section anywhere and exit with 0. Returns bytes by section. Raises BoardError.
    """
    homes = [memory for memory in target.memories if memory.kind == "flash"]
    sections = load_sections(image)
    for name, (address, size) in sections.items():
        if not any(home.origin <= address and address + size <= home.end for home in homes):
            room = ", ".join(f"{home.name} 0x{home.origin:08x}+{home.length}" for home in homes)
            raise BoardError(
                f"{image.name}: {name} ({size} bytes at 0x{address:08x}) does not fit the flash "
                f"of {target.name} ({room})"
            )
    return {name: size for name, (_, size) in sections.items()}


def write_image(
    server: Server, address: str, image: Path, target: Target, alive: Callable[[], bool]
) -> FlashReport:
    """Write `image` through the gdb server at `address`, compare, reset and let it run.

    `alive` tells whether that server still runs. Raises BoardError when the image does not fit or
    reads back differently, NoAnswer when the server does not answer.
    """
    sections = check_fits(image, target)
    start = time.monotonic()
    commands = [*server.halt, "load", "compare-sections", *server.reset, "detach"]
    architecture = ARCHITECTURES[target.system]
    said = run_gdb(address, commands, image=image, alive=alive, architecture=architecture)
    check_comparison(said, set(sections), image.name)
    return FlashReport(sections, sum(sections.values()), time.monotonic() - start)


def check_comparison(said: str, expected: set[str], name: str) -> None:
    """Read the verdict of compare-sections, which gdb's exit status does not show."""
    verdicts = dict(SECTION_LINE.findall(said))
    wrong = [section for section, verdict in verdicts.items() if verdict != "matched"]
    if wrong:
        raise BoardError(f"{name}: {', '.join(wrong)} read back differently after flashing")
    missing = sorted(expected - verdicts.keys())
    if missing:
        raise BoardError(f"{name}: {', '.join(missing)} not verified; gdb says: {_complaint(said)}")


def reset(server: Server, address: str, target: Target, alive: Callable[[], bool]) -> None:
    """Reset the board behind a gdb server and let it run."""
    architecture = ARCHITECTURES[target.system]
    run_gdb(
        address,
        [*server.reset, "detach"],
        before=f"set architecture {architecture}",
        alive=alive,
        architecture=architecture,
    )


def find_gdb(architecture: str) -> str:
    """Return the first of GDBS that is here and knows an architecture; raises ToolError if none."""
    for name in GDBS:
        gdb = shutil.which(name)
        if gdb is not None and (name == GDBS[0] or _knows(gdb, architecture)):
            return gdb
    raise ToolError(f"{GDBS[0]} is missing: apt-get install {GDBS[0]}")


def _knows(gdb: str, architecture: str) -> bool:
    command = [gdb, "-nx", "-batch", "-ex", f"set architecture {architecture}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience.GDB_ANSWER_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def run_gdb(
    address: str,
    commands: list[str],
    image: Path | None = None,
    before: str | None = None,
    alive: Callable[[], bool] = lambda: True,
    architecture: str = "arm",
) -> str:
    """Run gdb commands against a server and return all that gdb said.

    Before connecting, gdb runs `before`, which names the kind of core if there is no `image`. gdb
    stops at the first command that fails: without a connection, compare-sections would compare the
    image with itself. `alive` tells whether the server still runs; gdb is ended soon after it ends.

    Raises ToolError without gdb, NoAnswer when the server does not answer, BoardError when gdb
    refuses a command.
    """
    gdb = find_gdb(architecture)
    script = [
        "set confirm off",
        f"set tcp connect-timeout {patience.GDB_CONNECT_S}",
        f"set remotetimeout {patience.GDB_ANSWER_S}",
        *([] if before is None else [before]),
        f"target remote {address}",
        f"echo {_CONNECTED}\\n",
        *commands,
    ]
    with tempfile.TemporaryDirectory(prefix="dredkit-gdb-") as folder:
        file = Path(folder) / "script"
        file.write_text("\n".join(script) + "\n", encoding="utf-8", errors="surrogateescape")
        line = [gdb, "-nx", "-batch", "-x", str(file)]
        # gdb takes any file name as an argument; its command `file` would split a name at a space.
        line += [] if image is None else [str(image.absolute())]
        status, said = _finish(line, address, alive)
    if _CONNECTED not in said or LOST.search(said):
        raise NoAnswer(f"no board answers gdb at {address}: {_complaint(said)}")
    if status:
        raise BoardError(f"gdb at {address} says: {_complaint(said)}")
    return said


def _finish(line: list[str], address: str, alive: Callable[[], bool]) -> tuple[int, str]:
    """Run gdb to its end, and return its exit status and what it said.

    Raises NoAnswer when gdb takes too long. After the server has ended, gdb gets STOP_S more.
    """
    environment = {**os.environ, "LC_ALL": "C", "DEBUGINFOD_URLS": ""}
    until = time.monotonic() + patience.GDB_S
    ended = False
    with subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env=environment,
    ) as process:  # fmt: skip
        try:
            while True:
                try:
                    said, _ = process.communicate(timeout=patience.LOOK_S)
                    return process.returncode, said
                except subprocess.TimeoutExpired:
                    if not ended and not alive():
                        ended = True
                        until = min(until, time.monotonic() + patience.STOP_S)
                if time.monotonic() > until:
                    raise NoAnswer(f"the board at {address} does not answer gdb")
        except BaseException:
            process.kill()
            raise


def _complaint(said: str) -> str:
    """Return gdb's most telling line: the one of the command that it stopped at, if it did."""
    if stopped := re.search(r"Error in sourced command file:\n\s*(\S.*)", said):
        return stopped[1].strip()
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [
        line for line in lines if re.search(r"error|fail|cannot|closed|timed out", line, re.I)
    ]
    return (telling or lines or ["nothing"])[0]

# SPDX-License-Identifier: BSD-3-Clause
"""Measure what each public function of a package costs on the emulated board of its core."""

import re
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

from toolkit.codegen.package.product import Product
from toolkit.codegen.package.readme import Call, Figures
from toolkit.common.errors import BoardError
from toolkit.device.boards import patience
from toolkit.device.boards.qemu import QemuBoard
from toolkit.device.build.callgraph import stacks_of
from toolkit.device.link.transport import open_port
from toolkit.measure.package.image import build_image
from toolkit.measure.package.speech import LOST, SECONDS
from toolkit.targets.target import Target

DOES: Final = {
    "dk_sender_hear": "hear 20 ms",
    "dk_sender_payload": "write a payload",
    "dk_receiver_payload": "take a payload",
    "dk_receiver_work": "one unit: decode 40 ms, or start the voice",
    "dk_receiver_lost": "speak 20 ms of a gap",
    "dk_receiver_good": "play 20 ms that arrived; after a gap, speak on",
}
_END: Final = "end"
_LINE: Final = re.compile(r"^(dk_\w+) (\d+)$")


def measure_package(product: Product, folder: Path) -> Figures | None:
    """Build the measuring program with the package in `folder`, run it and return its figures.

    Returns None for a core that no emulated board has. Raises ToolError or BoardError if the
    program cannot be built or run.
    """
    board = product.core.measuring_board()
    if board is None or board.emulator is None:
        return None
    with tempfile.TemporaryDirectory(prefix="dredkit-package-") as room:
        image = build_image(product, board, folder, Path(room))
        costs = _costs(_run(board, image.elf), board)
        stacks = stacks_of(image.elf, image.elf.parent, costs)
    calls = tuple(
        Call(name, DOES[name], round(sum(of) / len(of)), max(of), stacks[name])
        for name, of in costs.items()
    )
    return Figures(
        board=board.description,
        emulator=_version(board.emulator.program),
        compiler=_version(f"{board.toolchain.prefix}gcc"),
        flags=" ".join((*board.toolchain.cpu_flags, *board.toolchain.optimise)),
        code_bytes=image.code_bytes,
        table_bytes=image.table_bytes,
        seconds=SECONDS,
        lost=f"{(LOST[1] - LOST[0]) / 50:.1f} s",
        calls=calls,
    )


def _run(board: Target, image: Path) -> list[str]:
    """Run a program and return the lines that it sends, up to "end"."""
    baud = board.uart.baud if board.uart else 115200
    with QemuBoard(board) as running, open_port(running.serial_url, baud=baud) as port:
        running.flash(image)
        text = ""
        deadline = time.monotonic() + patience.GDB_ANSWER_S
        while f"\n{_END}\n" not in text:
            data = port.read(patience.LOOK_S)
            if data:
                text += data.decode("ascii", errors="replace")
                deadline = time.monotonic() + patience.GDB_ANSWER_S
            elif not running.alive() or time.monotonic() > deadline:
                raise BoardError(f"{board.name}: the measuring program stopped: {text[-200:]!r}")
    return text.splitlines()


def _costs(lines: list[str], board: Target) -> dict[str, list[int]]:
    """Return the instructions of each call by the name of its function."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for line in lines:
        match = _LINE.match(line)
        if match:
            found[match.group(1)].append(board.count(int(match.group(2))))
        elif line != _END:
            raise BoardError(f"{board.name}: the measuring program says {line!r}")
    return dict(found)


def _version(program: str) -> str:
    """Return the first line with which a program says its version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].partition(" (Debian")[0].strip() or program

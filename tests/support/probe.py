# SPDX-License-Identifier: BSD-3-Clause
"""The probe firmware (tests/programs/board_probe) for tests that need an image or a running board."""

import atexit
import functools
import shutil
import struct
import tempfile
from pathlib import Path

import serial

from toolkit.common.paths import ROOT
from toolkit.device.build.build import BuildResult, build_firmware
from toolkit.targets.target import load_target

HERE = ROOT / "tests" / "programs" / "board_probe"
MODEL = HERE / "model"
APP = HERE / "app"
BOARDS = ("mps3-an547", "netduinoplus2", "mps2-an500", "virt-a53", "virt-a7")


@functools.cache
def built(name: str) -> BuildResult:
    """Build the probe for a board, once a run."""
    folder = tempfile.mkdtemp(prefix="dredkit-probe-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build_firmware(load_target(name), MODEL, Path(folder), APP)


class Probe:
    """The host's end of the probe's letters."""

    def __init__(self, url: str) -> None:
        self.port = serial.serial_for_url(url, timeout=20)

    def ask(self, letter: bytes, *numbers: int, data: bytes = b"", answer: int = 0) -> bytes:
        """Send a letter with numbers and data; return `answer` bytes."""
        self.port.write(letter + struct.pack(f"<{len(numbers)}I", *numbers) + data)
        return bytes(self.port.read(answer))

    def words(self, letter: bytes, *numbers: int, count: int = 1) -> tuple[int, ...]:
        """Like `ask`, for `count` words of 32 bits."""
        return struct.unpack(f"<{count}I", self.ask(letter, *numbers, answer=4 * count))

    def wait(self) -> None:
        """Return once the board answers: a UART that is not up yet loses what it is sent, and
        QEMU looks at a pseudo-terminal once a second only."""
        self.port.timeout = 0.3
        for _ in range(60):
            if self.ask(b"d", answer=4):
                break
        else:
            raise AssertionError("the board does not answer")
        while self.port.read(1):  # the answers to all the other times
            pass
        self.port.timeout = 20

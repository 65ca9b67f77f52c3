# SPDX-License-Identifier: BSD-3-Clause
"""The probe firmware (tests/programs/board_probe), for tests that need an image or a board."""

import atexit
import functools
import shutil
import struct
import tempfile
from pathlib import Path

import serial

from tests.support.fixtures.clocks import PATIENCE_S
from toolkit.common.paths import ROOT
from toolkit.device.build.build import BuildResult, build_firmware
from toolkit.targets.target import load_target

HERE = ROOT / "tests" / "programs" / "board_probe"
MODEL = HERE / "model"
APP = HERE / "app"
ASK_AGAIN_S = 0.3
HERE_I_AM = b"here I am"  # never in an answer to "d"
BOARDS = ("mps3-an547", "netduinoplus2", "mps2-an500", "mps2-an505", "virt-a53", "virt-a7")


@functools.cache
def built(name: str) -> BuildResult:
    """Build the probe for a board, once per run."""
    folder = tempfile.mkdtemp(prefix="dredkit-probe-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build_firmware(load_target(name), MODEL, Path(folder), APP)


class Probe:
    """The host's end of the probe's letters."""

    def __init__(self, url: str) -> None:
        self.port = serial.serial_for_url(url, timeout=PATIENCE_S)

    def ask(self, letter: bytes, *numbers: int, data: bytes = b"", answer: int = 0) -> bytes:
        """Send a letter with numbers and data; return `answer` bytes."""
        self.port.write(letter + struct.pack(f"<{len(numbers)}I", *numbers) + data)
        return bytes(self.port.read(answer))

    def words(self, letter: bytes, *numbers: int, count: int = 1) -> tuple[int, ...]:
        """Like `ask`, for `count` words of 32 bits."""
        return struct.unpack(f"<{count}I", self.ask(letter, *numbers, answer=4 * count))

    def wait(self) -> None:
        """Return when the board answers.

        A UART that is not ready loses bytes, and QEMU polls a pseudo-terminal only once a second.
        """
        self.port.timeout = ASK_AGAIN_S
        for _ in range(round(PATIENCE_S / ASK_AGAIN_S)):
            if self.ask(b"d", answer=1):
                break
        else:
            raise AssertionError("the board does not answer")
        self.port.timeout = PATIENCE_S
        # Then read the answers to all other tries, up to the answer to a word of our own.
        self.port.write(b"e" + struct.pack("<I", len(HERE_I_AM)) + HERE_I_AM)
        came = bytearray()
        while not came.endswith(HERE_I_AM):
            byte = self.port.read(1)
            assert byte, "the board does not answer"
            came += byte

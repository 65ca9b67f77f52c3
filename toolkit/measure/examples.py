# SPDX-License-Identifier: BSD-3-Clause
"""Build the examples of firmware/examples and run them on an emulated board, or on this machine."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.common.errors import BoardError, ToolError
from toolkit.common.folders import alone
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.targets.sources import FIRMWARE

EXAMPLES: Final = FIRMWARE / "examples"
# The boards in firmware/examples/boards, each with the core of its package.
CORES: Final = {
    "mps2-an386": "cortex-m4",
    "mps2-an500": "cortex-m7",
    "mps2-an505": "cortex-m33",
    "mps3-an547": "cortex-m55",
}
HOST: Final = ""  # in place of a board: this machine, whose package is portable
HOST_CORE: Final = "portable"
EMULATOR: Final = "qemu-system-arm"
_JOBS: Final = 2
_TIMEOUT_S: Final = 600.0  # a program that hangs must not block for ever
_ERROR: Final = re.compile(r"error|undefined reference|overflowed", re.IGNORECASE)
_COST: Final = re.compile(r"^(\S.*?) +(\d+) +(\d+) +(\d+)$")


@dataclass(frozen=True)
class Options:
    """How the examples are built.

    `opus` is the source of libopus; without it there is no `call`. `complexity` (0 to 10) is that
    of its encoder. `small` compiles with -Os, else -O2. `assembly` takes libopus' inline assembly.
    """

    opus: Path | None = None
    complexity: int = 0
    small: bool = False
    assembly: bool = False

    def words(self) -> list[str]:
        """Return the options for CMake."""
        return [
            f"-DDREDKIT_OPUS_DIR={self.opus or ''}",
            f"-DDREDKIT_OPUS_ASM={'ON' if self.assembly else 'OFF'}",
            f"-DCALL_COMPLEXITY={self.complexity}",
            f"-DCMAKE_BUILD_TYPE={'MinSizeRel' if self.small else 'Release'}",
        ]


@dataclass(frozen=True)
class Cost:
    """What a part of a call costs: its calls, and instructions (on a host: ns) of a call."""

    calls: int
    mean: int
    most: int


def core_of(board: str) -> str:
    """Return the core of a board's package, as `dredkit package` names it."""
    return CORES.get(board, HOST_CORE)


def build_examples(board: str, package: Path, folder: Path, options: Options) -> Path:
    """Build all examples with a package of `dredkit package` in `folder`, which is kept.

    `board` is a key of CORES or HOST. Returns the folder with the programs. Raises ToolError if a
    tool is missing or something does not compile.
    """
    command = ["cmake", "-G", "Ninja", "-S", str(EXAMPLES), "-B", str(folder)]
    command += [f"-DDREDKIT_PACKAGE={package}", *options.words()]
    if board != HOST:
        toolchain = EXAMPLES / "boards" / "arm-none-eabi.cmake"
        command += [f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", f"-DEXAMPLES_BOARD={board}"]
    with alone(folder):
        _run(command)
        _run(["ninja", "-C", str(folder), f"-j{_JOBS}"])
    return folder


def run_example(
    board: str, program: Path, folder: Path, counter: BlockCounter | None = None
) -> str:
    """Run an example in `folder`, where its files are, and return what it prints.

    A `counter` counts what an emulated board runs. Raises BoardError if the example fails.
    """
    command = [str(program)]
    if board != HOST:
        if shutil.which(EMULATOR) is None:
            raise ToolError(f"{EMULATOR} is missing: apt-get install {EMULATOR}")
        # Each instruction takes 1024 ns of virtual time: board.cmake of each board relies on it.
        command = [EMULATOR, "-M", board, "-nographic", "-semihosting", "-icount", "shift=10"]
        command += ["-kernel", str(program), *(counter.options(EMULATOR) if counter else ())]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        said = words[-1] if words else f"exit status {done.returncode}"
        raise BoardError(f"{program.name} on {board or 'this machine'}: {said}")
    return done.stdout


def costs_of(printed: str) -> dict[str, Cost]:
    """Return the costs that the example `call` printed, by part."""
    found = {}
    for line in printed.splitlines():
        if match := _COST.match(line):
            name, *numbers = match.groups()
            found[name] = Cost(*map(int, numbers))
    return found


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ToolError(f"{command[0]} is missing: `dredkit doctor` shows the remedy") from None
    if done.returncode:
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        wrong = [line for line in lines if _ERROR.search(line)]
        raise ToolError(f"the examples cannot be built: {(wrong or lines or ['no reason'])[0]}")

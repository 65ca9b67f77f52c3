# SPDX-License-Identifier: BSD-3-Clause
"""The network kernels of an ISA on an emulated core: requests in, results out, by semihosting."""

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from quantize.model import QuantisedMatrix
from toolkit.codegen.packing import tables

ROOT = Path(__file__).resolve().parent.parent
NN = ROOT / "firmware" / "nn"
PORT = ROOT / "firmware" / "port"
SOURCES = [ROOT / "tests/dsp_board/start.c", ROOT / "tests/nn_board/main.c"]
OPERATIONS = (
    *("MATVEC8", "MATVEC16", "TANH", "SIGMOID", "NARROW", "CONV2D", "GRU_UPDATE", "GATE"),
    "COST",
)
NONE = 0xFFFFFFFF
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Core:
    """QEMU's machine, the kernels' ISA, the compiler's options, the timer (its driver, its address
    and its ticks an instruction of 2^10 ns), and where code, data and the stack's end lie."""

    machine: str
    isa: str
    options: tuple[str, ...]
    timer: tuple[str, int, float]
    memory: tuple[int, int, int] = (0, 0x20000000, 0x20070000)


CORES = {
    "cortex-m4": Core(
        "mps2-an386",
        "dsp",
        ("-O2", "-funroll-loops", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
        ("cmsdk", 0x40000000, 25.6),
    ),
    "cortex-m7": Core(
        "mps2-an500",
        "dsp",
        ("-O3", "-mcpu=cortex-m7", "-mfloat-abi=soft"),
        ("cmsdk", 0x40000000, 25.6),
    ),
    "cortex-m33": Core(
        "mps2-an505",
        "dsp",
        ("-Os", "-mcpu=cortex-m33", "-mfloat-abi=soft"),
        ("cmsdk", 0x50000000, 20.48),
        (0x10000000, 0x38000000, 0x38200000),
    ),
    "cortex-m55": Core(
        "mps3-an547",
        "mve",
        ("-O2", "-mcpu=cortex-m55+nofp", "-mfloat-abi=hard"),
        ("sse", 0x58100000, 32.768),
    ),
}


def kernel_files(isa: str) -> list[Path]:
    """The same files that cmake/kernels.cmake chooses."""
    special = sorted((NN / isa).glob("*.c")) if isa != "c" else []
    taken = {path.name for path in special}
    portable = [path for path in sorted((NN / "c").glob("*.c")) if path.name not in taken]
    return [*sorted(NN.glob("*.c")), *portable, *special]


def build(core: Core, folder: Path) -> Path:
    """Compile the kernels for a core; skips where there is no compiler or emulator."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    image = folder / "kernels.elf"
    code, data, stack = core.memory
    link = ["--specs=rdimon.specs", f"-Wl,--section-start=.vectors={code:#x}"]
    link += [f"-Wl,-Ttext={code + 0x9000:#x}", f"-Wl,-Tdata={data:#x}", f"-DSTACK={stack:#x}U"]
    driver, base, _ = core.timer
    (folder / "board.h").write_text(f"#define DK_BOARD_TIMER_BASE {base:#x}u\n")
    own = [*SOURCES, PORT / "cortexm" / f"timer_{driver}.c", *kernel_files(core.isa)]
    include = [folder, ROOT / "firmware", ROOT / "firmware/include", PORT / "cortexm"]
    include += [PORT / "baremetal"]
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    subprocess.run(
        ["arm-none-eabi-gcc", "-mthumb", *core.options, *warnings, *link, "-o", str(image)]
        + [f"-I{path}" for path in include]
        + [str(path) for path in own],
        check=True,
    )
    return image


@dataclass
class KernelBoard:
    """Collects requests; `run` has them all done at once and returns each one's result."""

    core: Core
    image: Path
    _requests: list[bytes] = field(default_factory=list)
    _results: list[tuple[Any, int]] = field(default_factory=list)

    def matvec(self, m: QuantisedMatrix, x: Array, skew: int = 0) -> None:
        """dk_matvec8 or dk_matvec16; `skew` is how far off a word input and output lie."""
        head, kind = self._matrix(m)
        step = 1 if kind is np.int8 else 2
        inputs = _block(x.astype(kind), skew * step)
        operation = "MATVEC8" if kind is np.int8 else "MATVEC16"
        self._ask(operation, head, inputs, _words(2 * skew), result=(np.int16, m.rows))

    def conv2d(self, m: QuantisedMatrix, past: Array, x: Array, width: int) -> None:
        """dk_conv2d at one time step; past [2, channels * width]."""
        head, _ = self._matrix(m)
        sizes = _words(m.cols // 9, width)
        blocks = _block(past.astype(np.int16), 0) + _block(x.astype(np.int16), 0)
        self._ask("CONV2D", head, sizes, blocks, _words(0), result=(np.int16, m.rows * width))

    def in_place(self, operation: str, values: Array, skew: int = 0) -> None:
        """TANH or SIGMOID."""
        data = _block(values.astype(np.int16), 2 * skew)
        self._ask(operation, _words(len(values)), data, result=(np.int16, len(values)))

    def narrow(self, values: Array, skew: int = 0) -> None:
        """dk_narrow."""
        data = _block(values.astype(np.int16), 2 * skew)
        self._ask("NARROW", _words(len(values)), data, _words(skew), result=(np.int8, len(values)))

    def gru_update(self, gates: Array, state: Array) -> None:
        """dk_gru_update."""
        blocks = _block(gates.astype(np.int16), 0) + _block(state.astype(np.int16), 0)
        self._ask("GRU_UPDATE", _words(len(state)), blocks, result=(np.int16, len(state)))

    def gate(self, gates: Array, x: Array, skew: int = 0) -> None:
        """dk_gate."""
        blocks = _block(gates.astype(np.int16), 2 * skew) + _block(x.astype(np.int16), 0)
        self._ask("GATE", _words(len(x)), blocks, result=(np.int16, len(x)))

    def cost(self, m: QuantisedMatrix, x: Array) -> None:
        """The timer's ticks that dk_matvec8 takes."""
        head, _ = self._matrix(m)
        self._ask("COST", head, _block(x.astype(np.int8), 0), result=(np.uint32, 1))

    def instructions(self, folder: Path) -> list[float]:
        """Run what `cost` asked for, with time counted in instructions."""
        ticks = self.run(folder, "-icount", "shift=10")
        return [found[0] / self.core.timer[2] for found in ticks]

    def run(self, folder: Path, *options: str) -> list[list[int]]:
        """Return the results in the order of the requests."""
        (folder / "requests.bin").write_bytes(
            _words(len(self._requests)) + b"".join(self._requests)
        )
        command = ["qemu-system-arm", "-M", self.core.machine, "-nographic", "-semihosting"]
        done = subprocess.run(
            [*command, *options, "-kernel", str(self.image)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        data = (folder / "results.bin").read_bytes()
        found, at = [], 0
        for kind, count in self._results:
            found.append(np.frombuffer(data, kind, count, at).tolist())
            at += count * np.dtype(kind).itemsize
        assert at == len(data)
        self._requests.clear()
        self._results.clear()
        return found

    def _matrix(self, m: QuantisedMatrix) -> tuple[bytes, Any]:
        stored = tables(m, self.core.isa)
        index = () if m.is_wide else ("index",)
        head = _words(m.rows, m.cols)
        for member in ("weights", *index, "bias", "multiplier", "shift"):
            head += _block(stored[member], 0) if member in stored else _words(NONE)
        return head, np.int16 if m.is_wide else np.int8

    def _ask(self, operation: str, *parts: bytes, result: tuple[Any, int]) -> None:
        self._requests.append(_words(OPERATIONS.index(operation)) + b"".join(parts))
        self._results.append(result)


def _words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _block(values: Array, skew: int) -> bytes:
    data = np.ascontiguousarray(values).tobytes()
    return _words(len(data), skew) + data


def equal(got: Sequence[list[int]], want: Sequence[Array], names: Sequence[str]) -> None:
    """Assert that results are as wanted, naming the first that is not."""
    assert len(got) == len(want) == len(names)
    for name, have, wish in zip(names, got, want, strict=True):
        assert have == wish.tolist(), name

# SPDX-License-Identifier: BSD-3-Clause
"""The network kernels of an ISA on an emulated core; semihosting carries requests and results."""

import atexit
import functools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from quantize.nn.model import QuantisedMatrix
from tests.support.fixtures.clocks import PATIENCE_S
from toolkit.codegen.packing.pack import tables
from toolkit.targets.sources import SERVER_INCLUDES, room

ROOT = Path(__file__).resolve().parents[2]
PORT = ROOT / "firmware" / "port"
BOARD = ROOT / "tests" / "programs" / "nn_board"
OPERATIONS = (
    *("MATVEC8", "MATVEC16", "TANH", "SIGMOID", "NARROW", "CONV2D", "GRU_UPDATE", "GATE"),
    "BATCH",
)
NONE = 0xFFFFFFFF
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Family:
    """Cores that start in the same way.

    Its fields are the compiler, the folder of firmware/port, the code that starts main, the link
    options with `code`, `text`, `data` and `stack` to fill in, and QEMU's option for the `image`.
    """

    compiler: str
    port: str
    start: tuple[Path, ...]
    link: tuple[str, ...]
    load: tuple[str, ...] = ("-kernel", "{image}")


PLACES = (
    "-Wl,--section-start=.vectors={code:#x}",
    "-Wl,-Ttext={text:#x}",
    "-Wl,-Tdata={data:#x}",
)
CORTEX_M = Family(
    "arm-none-eabi-gcc",
    "cortexm",
    (ROOT / "tests/programs/dsp_board/start.c",),
    ("-mthumb", "--specs=rdimon.specs", *PLACES, "-DSTACK={stack:#x}U"),
)
# Data lie in RAM from the start, so nothing is copied. No interrupt is enabled.
OWN_START = (
    *("-nostdlib", "-static", *PLACES),
    *("-Wl,--defsym=dk_bss_start=__bss_start,--defsym=dk_bss_end=_end",),
    *("-Wl,--defsym=dk_stack_bottom={stack:#x}-0x4000,--defsym=dk_stack_top={stack:#x}",),
    *("-Wl,--defsym=dk_irq=dk_fault", "-Wl,-e,dk_vectors"),
)
FROM_RESET = ("-device", "loader,file={image},cpu-num=0")
VIRT_START = (BOARD / "semihosting.c", PORT / "cortexa/setup_virt.c")
AARCH64 = Family(
    "aarch64-linux-gnu-gcc",
    "aarch64",
    (*VIRT_START, *(PORT / "aarch64" / name for name in ("startup.c", "fault.c", "memory.c"))),
    (*OWN_START, "-no-pie", "-fno-pie", "-lgcc"),
    FROM_RESET,
)
ARMV7A = Family(
    "arm-none-eabi-gcc",
    "armv7a",
    (*VIRT_START, *(PORT / "armv7a" / name for name in ("startup.c", "fault.c"))),
    ("-mthumb", *OWN_START, "-lc", "-lgcc"),
    FROM_RESET,
)


@dataclass(frozen=True)
class Core:
    """A core that QEMU emulates.

    Its fields are QEMU's program and machine, the kernels' ISA, the compiler's options, the timer
    (its driver, its address, its ticks per instruction, and the -icount shift that gives this
    rate), and the addresses of code, data and the end of the stack.
    """

    emulator: tuple[str, ...]
    isa: str
    options: tuple[str, ...]
    timer: tuple[str, int, float, int]
    memory: tuple[int, int, int] = (0, 0x20000000, 0x20070000)
    family: Family = CORTEX_M


VIRT = ("qemu-system-aarch64", "-nic", "none", "-M", "virt")
VIRT_32 = ("qemu-system-arm", "-nic", "none", "-M", "virt")
VIRT_MEMORY = (0, 0x40200000, 0x40400000)  # flash; RAM behind the data that QEMU puts there


def aarch64(cpu: str, isa: str, *options: str) -> Core:
    """Return a 64-bit core of QEMU's virt machine."""
    return Core(
        (*VIRT, "-cpu", cpu),
        isa,
        ("-O3", *options, f"-mcpu={cpu}"),
        ("pmu", 0, 1.0, 0),
        VIRT_MEMORY,
        AARCH64,
    )


CORES = {
    "cortex-m4": Core(
        ("qemu-system-arm", "-M", "mps2-an386"),
        "simd32",
        ("-O2", "-funroll-loops", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
        ("cmsdk", 0x40000000, 25.6, 10),
    ),
    "cortex-m7": Core(
        ("qemu-system-arm", "-M", "mps2-an500"),
        "simd32",
        ("-O3", "-mcpu=cortex-m7", "-mfloat-abi=soft"),
        ("cmsdk", 0x40000000, 25.6, 10),
    ),
    "cortex-m33": Core(
        ("qemu-system-arm", "-M", "mps2-an505"),
        "simd32",
        ("-Os", "-mcpu=cortex-m33", "-mfloat-abi=soft"),
        ("cmsdk", 0x50000000, 20.48, 10),
        (0x10000000, 0x38000000, 0x38200000),
    ),
    "cortex-m55": Core(
        ("qemu-system-arm", "-M", "mps3-an547"),
        "mve",
        ("-O2", "-mcpu=cortex-m55+nofp", "-mfloat-abi=hard"),
        ("sse", 0x58100000, 32.768, 10),
    ),
    "cortex-a7": Core(
        (*VIRT_32, "-cpu", "cortex-a7"),
        "neon",
        ("-O3", "-mcpu=cortex-a7", "-mfpu=neon-vfpv4", "-mfloat-abi=hard"),
        ("pmu", 0, 1.0, 0),
        VIRT_MEMORY,
        ARMV7A,
    ),
    "cortex-a53": aarch64("cortex-a53", "neon", "-funroll-loops"),
    "cortex-a72": aarch64("cortex-a72", "neon", "-funroll-loops"),
    "cortex-a76": aarch64("cortex-a76", "dotprod"),
}


@functools.cache
def built(name: str) -> Path:
    """Compile the kernels for a core of CORES, once per process."""
    folder = tempfile.mkdtemp(prefix="dredkit-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(CORES[name], Path(folder))


def build(core: Core, folder: Path, compiler: Sequence[str] = ()) -> Path:
    """Compile the kernels for a core; skip the test without a compiler or emulator.

    The command `compiler`, if given, makes the kernels' objects. The family's own compiler always
    makes the start-up code and links.
    """
    family = core.family
    for tool in (family.compiler, core.emulator[0]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    image = folder / "kernels.elf"
    code, data, stack = core.memory
    link = [
        option.format(code=code, text=code + 0x9000, data=data, stack=stack)
        for option in family.link
    ]
    driver, base = core.timer[:2]
    (folder / "board.h").write_text(
        f"#define DK_BOARD_TIMER_BASE {base:#x}u\n#define DK_BOARD_FILLED(SECTION)\n"
    )
    port = PORT / family.port
    own = [*family.start, BOARD / "main.c", port / f"timer_{driver}.c"]
    include = [
        folder,
        *SERVER_INCLUDES,
        port,
        PORT / "baremetal",
    ]
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    options = [*core.options, *warnings, *(f"-I{path}" for path in include)]
    kernels = room("nn")
    if compiler:
        own += [_object(source, folder, [*compiler, *options]) for source in kernels]
    else:
        own += kernels
    command = [family.compiler, *options, *(str(path) for path in own), "-o", str(image), *link]
    subprocess.run(command, check=True)
    return image


def _object(source: Path, folder: Path, command: list[str]) -> Path:
    made = folder / f"{source.parent.name}-{source.stem}.o"
    # As the image is linked; by default gcc for AArch64 may make position-independent code.
    more = ["-ffreestanding", "-fno-pie", "-c", str(source), "-o", str(made)]
    subprocess.run([*command, *more], check=True)
    return made


@dataclass
class KernelBoard:
    """Collects requests; `run` executes them all at once and returns each result."""

    core: Core
    image: Path
    counting: bool = False  # ask for the kernels' costs, not for their results
    _requests: list[bytes] = field(default_factory=list)
    _results: list[tuple[Any, int]] = field(default_factory=list)

    def matvec(self, m: QuantisedMatrix, x: Array, skew: int = 0) -> None:
        """Ask for dk_matvec8 or dk_matvec16; input and output lie `skew` off a word boundary."""
        head, kind = self._matrix(m)
        step = 1 if kind is np.int8 else 2
        inputs = _block(x.astype(kind), skew * step)
        operation = "MATVEC8" if kind is np.int8 else "MATVEC16"
        self._ask(operation, head, inputs, _words(2 * skew), result=(np.int16, m.rows))

    def batch(self, m: QuantisedMatrix, x: Array, apart: int, y_apart: int, skew: int = 0) -> None:
        """Ask for dk_matvec8_batch on x [steps, apart]; each row's first columns are the inputs.

        The outputs are [steps, |y_apart|] with bytes of 0xA5 between them; the last row comes
        first if y_apart is negative.
        """
        head, _ = self._matrix(m)
        sizes = _words(len(x), apart, y_apart & 0xFFFFFFFF)
        inputs = _block(x.astype(np.int8), skew)
        size = len(x) * abs(y_apart)
        self._ask("BATCH", head, sizes, inputs, _words(2 * (skew % 2)), result=(np.int16, size))

    def conv2d(self, m: QuantisedMatrix, past: Array, x: Array, width: int) -> None:
        """Ask for dk_conv2d at one time step; past is [2, channels * width]."""
        head, _ = self._matrix(m)
        sizes = _words(m.cols // 9, width)
        blocks = _block(past.astype(np.int16), 0) + _block(x.astype(np.int16), 0)
        self._ask("CONV2D", head, sizes, blocks, _words(0), result=(np.int16, m.rows * width))

    def in_place(self, operation: str, values: Array, skew: int = 0) -> None:
        """Ask for TANH or SIGMOID."""
        data = _block(values.astype(np.int16), 2 * skew)
        self._ask(operation, _words(len(values)), data, result=(np.int16, len(values)))

    def narrow(self, values: Array, skew: int = 0) -> None:
        """Ask for dk_narrow."""
        data = _block(values.astype(np.int16), 2 * skew)
        self._ask("NARROW", _words(len(values)), data, _words(skew), result=(np.int8, len(values)))

    def gru_update(self, gates: Array, state: Array) -> None:
        """Ask for dk_gru_update."""
        blocks = _block(gates.astype(np.int16), 0) + _block(state.astype(np.int16), 0)
        self._ask("GRU_UPDATE", _words(len(state)), blocks, result=(np.int16, len(state)))

    def gate(self, gates: Array, x: Array, skew: int = 0) -> None:
        """Ask for dk_gate."""
        blocks = _block(gates.astype(np.int16), 2 * skew) + _block(x.astype(np.int16), 0)
        self._ask("GATE", _words(len(x)), blocks, result=(np.int16, len(x)))

    def instructions(self, folder: Path) -> list[float]:
        """Run the requests made while `counting`; return each one's instructions."""
        ticks = self.run(folder, "-icount", f"shift={self.core.timer[3]}")
        return [found[0] / self.core.timer[2] for found in ticks]

    def run(self, folder: Path, *options: str) -> list[list[int]]:
        """Return the results in the order of the requests."""
        (folder / "requests.bin").write_bytes(
            _words(len(self._requests)) + b"".join(self._requests)
        )
        command = [*self.core.emulator, "-nographic", "-semihosting", *options]
        command += [option.format(image=self.image) for option in self.core.family.load]
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
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
        head = _words(int(self.counting), OPERATIONS.index(operation))
        self._requests.append(head + b"".join(parts))
        self._results.append((np.uint32, 1) if self.counting else result)


def _words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _block(values: Array, skew: int) -> bytes:
    data = np.ascontiguousarray(values).tobytes()
    return _words(len(data), skew) + data


def equal(got: Sequence[list[int]], want: Sequence[Array], names: Sequence[str]) -> None:
    """Assert that the results are as wanted; name the first that is not."""
    assert len(got) == len(want) == len(names)
    for name, have, wish in zip(names, got, want, strict=True):
        assert have == wish.tolist(), name

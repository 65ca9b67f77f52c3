# SPDX-License-Identifier: BSD-3-Clause
"""The boards: one TOML file each under targets/, read into frozen dataclasses.

The TOML file is the one place for a board's facts: the linker script, the compiler flags, the
drivers, the emulator and the budget's clock are all taken from it.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quantize.near import near
from toolkit.common.errors import InputError
from toolkit.common.paths import ROOT
from toolkit.common.toml_table import Table
from toolkit.targets.isas import ISAS
from toolkit.targets.memory import (
    Memory,
    Placement,
    check_memories,
    read_memory,
    read_placement,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TARGETS = ROOT / "targets"

SYSTEMS = ("cortexm", "armv7a", "aarch64", "posix")
GIC_SYSTEMS = ("armv7a", "aarch64")
RELEASE_VOICES = ("fargan",)  # voices of an Opus release
PROBES = ("openocd", "pyocd", "jlink", "st-util")
# Clock of a core in Hz: 1 MHz to 10 GHz. A lower number was meant in megahertz, or makes a limit
# round to nothing.
CLOCK_HZ_MIN, CLOCK_HZ_MAX = 1_000_000, 10_000_000_000
# Taking one interrupt out of a span can be wrong by this many ticks. Less than one tick comes from
# the two readings inside the interrupt, which both round down. Little more than one tick comes from
# its entry, which is the mean of 1000 trials that were read in the same way
# (firmware/port/baremetal/port.c).
TICKS_OFF_PER_INTERRUPT = 2.01


@dataclass(frozen=True)
class Toolchain:
    """The compiler: its prefix, the Debian package that has it, and the flags of the core."""

    prefix: str
    package: str
    cpu_flags: tuple[str, ...]
    optimise: tuple[str, ...]


@dataclass(frozen=True)
class Uart:
    """The serial port: driver file uart_<driver>.c, registers, interrupt, rate, receive ring."""

    driver: str
    base: int
    irq: int
    baud: int
    clock_hz: int
    ring_bytes: int


@dataclass(frozen=True)
class Gic:
    """The registers of a Cortex-A board's interrupt controller, version 2."""

    distributor: int
    cpu: int


@dataclass(frozen=True)
class Product:
    """The clock of a chip that has the board's core; `source` names the chip and its document."""

    clock_hz: int
    source: str


@dataclass(frozen=True)
class Timer:
    """The free-running counter, and what one of its ticks means on the real board."""

    driver: str
    base: int
    hardware_unit: str
    hardware_ticks_per_unit: float


@dataclass(frozen=True)
class Flash:
    """How an image gets onto the board: `gdb` through a debug server, or `process`.

    `probes` has the arguments that each debug probe's server needs for this chip.
    """

    method: str
    server: str
    probes: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Emulator:
    """QEMU's machine, and what a tick of its timer means under -icount."""

    program: str
    package: str
    machine: str
    args: tuple[str, ...]
    icount_shift: int
    unit: str
    ticks_per_unit: float


@dataclass(frozen=True)
class Target:
    """A board.

    `clock_hz` is its own clock. The budget is judged by that clock, or by the one of `product` if
    the board is emulated and names a product. `verified_on` says where it was run. `release_voice`
    is the voice that a receiver gets by default if the weights of an Opus release have it, "" if it
    gets the same as with other weights.
    """

    name: str
    path: Path
    description: str
    system: str
    core: str
    isa: str
    clock_hz: int
    clock_source: str
    verified_on: tuple[str, ...]
    toolchain: Toolchain
    timer: Timer
    flash: Flash
    stack_bytes: int = 0
    setup: str = "none"
    memories: tuple[Memory, ...] = ()
    placements: tuple[Placement, ...] = ()
    gic: Gic | None = None
    uart: Uart | None = None
    emulator: Emulator | None = None
    product: Product | None = None
    release_voice: str = ""

    @property
    def is_board(self) -> bool:
        """Whether it is flashed with an image; a process of this machine is not."""
        return self.system != "posix"

    @property
    def unit(self) -> str:
        """What `count` returns: instructions when emulated, else cycles or nanoseconds."""
        return self.emulator.unit if self.emulator else self.timer.hardware_unit

    def count(self, ticks: int) -> int:
        """Convert a span of timer ticks to `unit`s.

        Under -icount the result is exact up to `count_error`: this rounding undoes the timer's.
        """
        return round(ticks / self._ticks_per_unit)

    def count_error(self, interrupts: int) -> int:
        """Return the largest error of `count`, in `unit`s, for a span with `interrupts` taken out.

        The timer's rounding adds up. The error is 0 if a unit is a whole number of ticks, and for
        a few interrupts if a unit is many ticks.
        """
        per_unit = self._ticks_per_unit
        if per_unit.is_integer():
            return 0
        # The span's own two readings, the carried fraction of the entries, then the interrupts.
        ticks = 2.0 + interrupts * TICKS_OFF_PER_INTERRUPT
        return int(ticks / per_unit + 0.5)

    @property
    def _ticks_per_unit(self) -> float:
        emulator = self.emulator
        return emulator.ticks_per_unit if emulator else self.timer.hardware_ticks_per_unit

    def on_hardware(self) -> "Target":
        """Return this target as a real board, whose timer counts cycles and not instructions."""
        return replace(self, emulator=None)

    def counting_cycles(self) -> "Target":
        """Return this target as a real board whose timer is the core's own cycle counter.

        A board that says so (`cycles` in its hello) is judged by this target.
        """
        timer = replace(self.timer, hardware_unit="cycles", hardware_ticks_per_unit=1.0)
        return replace(self.on_hardware(), timer=timer)

    def memory_of(self, section: str) -> Memory:
        """Return the memory that a section goes to."""
        return next(memory for memory in self.memories if section in memory.sections)

    def size_of(self, kind: str) -> int:
        """Return the bytes of all memories of a kind."""
        return sum(memory.length for memory in self.memories if memory.kind == kind)


def target_names() -> list[str]:
    """Return the names of the known targets, sorted."""
    return sorted(path.stem for path in TARGETS.glob("*.toml"))


def load_target(name: str) -> Target:
    """Load a target by name.

    Raises InputError for an unknown name (listing the known ones) or an invalid file.
    """
    if name not in target_names():
        known = ", ".join(target_names())
        hint = near(name, target_names())
        raise InputError(f"unknown target '{name}'; known targets: {known}{hint}")
    return read_target(TARGETS / f"{name}.toml")


def read_target(path: Path) -> Target:
    """Read and check one target file; every complaint names the file and the key."""
    try:
        with path.open("rb") as file:
            values: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # wrong bytes, grammar, digits or depth
        raise InputError(f"{path}: not TOML: {error}") from None
    return _target(path, Table(str(path), "", values))


def _target(path: Path, table: Table) -> Target:
    system = table.choice("system", SYSTEMS)
    on_board = system != "posix"
    memories = tuple(read_memory(entry) for entry in table.tables("memory")) if on_board else ()
    target = Target(
        name=path.stem,
        path=path,
        description=table.text("description"),
        system=system,
        core=table.text("core"),
        isa=table.choice("isa", tuple(ISAS)),
        clock_hz=_clock(table),
        clock_source=table.text("clock_source"),
        verified_on=table.texts("verified_on"),
        toolchain=_toolchain(table.table("toolchain")),
        timer=_timer(table.table("timer"), on_board),
        flash=_flash(table.table("flash")),
        stack_bytes=table.integer("stack_bytes", low=256) if on_board else 0,
        setup=table.text("setup") if on_board else "none",
        memories=memories,
        placements=_placements(table, memories) if "placement" in table else (),
        gic=_gic(table.table("gic")) if system in GIC_SYSTEMS else None,
        uart=_uart(table.table("uart")) if on_board else None,
        emulator=_emulator(table.table("emulator")) if "emulator" in table else None,
        product=_product(table.table("product")) if "product" in table else None,
        release_voice=(
            table.choice("release_voice", RELEASE_VOICES) if "release_voice" in table else ""
        ),
    )
    table.done()
    if on_board:
        check_memories(table, target.memories, target.stack_bytes)
    return target


def _clock(table: Table) -> int:
    return table.integer("clock_hz", low=CLOCK_HZ_MIN, high=CLOCK_HZ_MAX)


def _product(table: Table) -> Product:
    value = Product(clock_hz=_clock(table), source=table.text("source"))
    table.done()
    return value


def _toolchain(table: Table) -> Toolchain:
    value = Toolchain(
        prefix=table.text("prefix", empty=True),
        package=table.text("package"),
        cpu_flags=table.texts("cpu_flags"),
        optimise=table.texts("optimise"),
    )
    table.done()
    return value


def _placements(table: Table, memories: tuple[Memory, ...]) -> tuple[Placement, ...]:
    return tuple(read_placement(entry, memories) for entry in table.tables("placement"))


def _gic(table: Table) -> Gic:
    value = Gic(
        distributor=table.integer("distributor", high=2**32 - 1),
        cpu=table.integer("cpu", high=2**32 - 1),
    )
    table.done()
    return value


def _uart(table: Table) -> Uart:
    value = Uart(
        driver=table.text("driver"),
        base=table.integer("base", high=2**32 - 1),
        irq=table.integer("irq", high=495),
        baud=table.integer("baud", low=1),
        clock_hz=table.integer("clock_hz", low=1),
        ring_bytes=table.integer("ring_bytes", low=16, high=65536),
    )
    table.done()
    if value.ring_bytes & (value.ring_bytes - 1):
        table.refuse("ring_bytes", f"{value.ring_bytes} is not a power of two")
    return value


def _timer(table: Table, on_board: bool) -> Timer:
    value = Timer(
        driver=table.text("driver"),
        base=table.integer("base", high=2**32 - 1) if on_board else 0,
        hardware_unit=table.text("hardware_unit"),
        hardware_ticks_per_unit=table.number("hardware_ticks_per_unit"),
    )
    table.done()
    return value


def _flash(table: Table) -> Flash:
    probes = table.table("probes") if "probes" in table else Table("", "", {})
    value = Flash(
        method=table.choice("method", ("gdb", "process")),
        server=table.text("server"),
        probes={name: probes.texts(name) for name in PROBES if name in probes},
    )
    probes.done()
    table.done()
    return value


def _emulator(table: Table) -> Emulator:
    value = Emulator(
        program=table.text("program"),
        package=table.text("package"),
        machine=table.text("machine"),
        args=table.texts("args"),
        icount_shift=table.integer("icount_shift", high=10),
        unit=table.text("unit"),
        ticks_per_unit=table.number("ticks_per_unit"),
    )
    table.done()
    return value

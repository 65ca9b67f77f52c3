# SPDX-License-Identifier: BSD-3-Clause
"""The boards: one TOML file each under targets/, read into frozen dataclasses.

The TOML file is the one place for a board's facts: the linker script, the compiler flags, the
drivers, the emulator and the budget's clock are all taken from it.
"""

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from quantize.files.reading import file_bytes
from quantize.near import near
from toolkit.common import paths
from toolkit.common.errors import InputError
from toolkit.common.paths import board_file, board_folder, is_board_path, ships
from toolkit.common.toml_table import Table
from toolkit.targets import drivers
from toolkit.targets.isas import ISAS
from toolkit.targets.memory import (
    Memory,
    Placement,
    check_memories,
    read_memory,
    read_placement,
)
from toolkit.targets.parts import (
    Emulator,
    Flash,
    Gic,
    Mark,
    Product,
    Runner,
    Timer,
    Toolchain,
    Uart,
    read_clock,
    read_emulator,
    read_flash,
    read_gic,
    read_mark,
    read_product,
    read_runner,
    read_timer,
    read_toolchain,
    read_uart,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TARGETS: Final = paths.TARGETS
HOST: Final = "host"

SYSTEMS: Final = ("cortexm", "armv7a", "aarch64", "posix")
GIC_SYSTEMS: Final = ("armv7a", "aarch64")
RELEASE_VOICES: Final = ("fargan",)  # voices of an Opus release
FILE_BYTES_MAX = 1 << 20
# The name of a board: its hello has room for 31 letters, and a file name must not look like an
# option.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}")
# Taking one interrupt out of a span can be wrong by this many ticks. Less than one tick comes from
# the two readings inside the interrupt, which both round down. Little more than one tick comes from
# its entry, which is the mean of 1000 trials that were read in the same way
# (firmware/port/baremetal/port.c).
TICKS_OFF_PER_INTERRUPT = 2.01


@dataclass(frozen=True)
class Target:
    """A board, or a process under Linux.

    `clock_hz` is its own clock. The budget is judged by that clock, or by the one of `product` if
    the board is emulated and names a product. `verified_on` says where it was run. `drivers` are
    the C files of its set-up, UART and timer, and of what the boot ROM reads if `boot` names one. A
    process has a `runner` if this machine cannot run it by itself. `release_voice` is the voice
    that a receiver gets by default if the weights of an Opus release have it, "" if it gets the
    same as with other weights.
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
    boot: str = ""
    memories: tuple[Memory, ...] = ()
    placements: tuple[Placement, ...] = ()
    gic: Gic | None = None
    uart: Uart | None = None
    emulator: Emulator | None = None
    product: Product | None = None
    mark: Mark | None = None
    runner: Runner | None = None
    drivers: tuple[Path, ...] = ()
    release_voice: str = ""

    @property
    def is_board(self) -> bool:
        """Whether it is flashed with an image; a process under Linux is not."""
        return self.system != "posix"

    @property
    def is_host(self) -> bool:
        """Whether it is the process of this machine that `targets/host.toml` describes."""
        return self.folder == HOST

    @property
    def folder(self) -> str:
        """The name of its folder under build/; two target files never share one."""
        return board_folder(self.path)

    @property
    def word(self) -> str:
        """What a user types after --target: its name, or the path of a file of the user's own."""
        return self.name if ships(self.path) else str(self.path)

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
        """Return this target as real hardware, whose timer counts cycles or measures time."""
        return replace(self, emulator=None, runner=None)

    def not_run_here(self) -> "Target":
        """Return this target as a --port reaches it: a process then runs without its `runner`."""
        return replace(self, runner=None)

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
    """Return the names of the targets that ship, sorted."""
    return sorted(path.stem for path in TARGETS.glob("*.toml"))


def load_target(word: str) -> Target:
    """Load a target by its name in targets/, or by the path of a TOML file anywhere.

    Raises InputError for an unknown name (listing the known ones) or an invalid file.
    """
    if not is_board_path(word) and word not in target_names():
        known = ", ".join(target_names())
        hint = near(word, target_names())
        raise InputError(
            f"unknown target '{word}'; known targets: {known}, or the path of a board's TOML{hint}"
        )
    return read_target(board_file(word))


def read_target(path: Path) -> Target:
    """Read and check one target file; every complaint names the file and the key."""
    try:
        text = file_bytes(path, "give a board's TOML file", most=FILE_BYTES_MAX).decode()
        values: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # wrong bytes, grammar, digits or depth
        raise InputError(f"{path}: not TOML: {error}") from None
    check_name(path)
    table = Table(str(path), "", values)
    target = target_in(path, table)
    if target.is_board:
        check_memories(table, target.memories, target.stack_bytes, bool(target.boot))
    return replace(target, drivers=_drivers(target, table))


def check_name(path: Path) -> None:
    """Raise InputError for a file whose stem cannot be the name of a board."""
    if not _NAME.fullmatch(path.stem):
        raise InputError(
            f"{path}: a board's file is named with 1 to 31 letters, digits, '-', '_' and '.'"
        )


def target_in(path: Path, table: Table) -> Target:
    """Return what a target file says, without its drivers. Every key is read here or in a helper.

    toolkit/targets/schema.py calls this with a table that records which keys are read.
    """
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
        clock_hz=read_clock(table),
        clock_source=table.text("clock_source"),
        verified_on=table.texts("verified_on"),
        toolchain=read_toolchain(table.table("toolchain")),
        timer=read_timer(table.table("timer"), on_board),
        flash=read_flash(table.table("flash")),
        stack_bytes=table.integer("stack_bytes", low=256) if on_board else 0,
        setup=table.word("setup") if on_board else "none",
        boot=table.word("boot") if on_board and "boot" in table else "",
        memories=memories,
        placements=_placements(table, memories) if on_board and "placement" in table else (),
        gic=read_gic(table.table("gic")) if system in GIC_SYSTEMS else None,
        uart=read_uart(table.table("uart")) if on_board else None,
        emulator=read_emulator(table.table("emulator"), tuple(memory.name for memory in memories))
        if on_board and "emulator" in table
        else None,
        product=read_product(table.table("product")) if "product" in table else None,
        mark=read_mark(table.table("mark")) if on_board and "mark" in table else None,
        runner=read_runner(table.table("runner")) if not on_board and "runner" in table else None,
        release_voice=(
            table.choice("release_voice", RELEASE_VOICES) if "release_voice" in table else ""
        ),
    )
    table.done()
    return target


def _placements(table: Table, memories: tuple[Memory, ...]) -> tuple[Placement, ...]:
    return tuple(read_placement(entry, memories) for entry in table.tables("placement"))


def _drivers(target: Target, table: Table) -> tuple[Path, ...]:
    """Return the C files that the target names. Raises InputError for a missing one."""
    folders = drivers.folders(target.system, target.system in GIC_SYSTEMS)
    if not ships(target.path):
        folders = [target.path.parent, *folders]
    named = {"timer.driver": ("timer", target.timer.driver)}
    if target.uart is not None:
        named["uart.driver"] = ("uart", target.uart.driver)
        named["setup"] = ("setup", target.setup)
    if target.boot:
        named["boot"] = ("boot", target.boot)
    found = []
    for key, (kind, name) in named.items():
        file = drivers.find(kind, name, folders)
        if file is None:
            table.refuse(key, drivers.lacking(kind, name, folders))
        found.append(file)
    return tuple(found)

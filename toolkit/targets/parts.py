# SPDX-License-Identifier: BSD-3-Clause
"""The tables of a target file besides its memories: what each holds, and how it is read."""

from dataclasses import dataclass

from toolkit.common.toml_table import Table

RTT = "rtt"  # the driver whose link runs through the debug probe, without an interrupt
PROBES = ("openocd", "pyocd", "jlink", "st-util", "picotool", "cube", "teensy", "uf2", "drive")
# Clock of a core in Hz: 1 MHz to 10 GHz. A lower number was meant in megahertz, or makes a limit
# round to nothing.
CLOCK_HZ_MIN, CLOCK_HZ_MAX = 1_000_000, 10_000_000_000


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

    @property
    def is_rtt(self) -> bool:
        """Whether the link runs through a debug probe; the board's UART is then off."""
        return self.driver == RTT


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
class Mark:
    """A pin that is high while a step runs: the words that set and clear it, and where to write."""

    set: int
    set_value: int
    clear: int
    clear_value: int


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
class Runner:
    """The program that runs a server of another instruction set as a process of this machine.

    It says nothing about speed.
    """

    program: str
    package: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class Emulator:
    """QEMU's machine, and what a tick of its timer means under -icount.

    `since` is the first version of QEMU that has the board, "" for one that dredkit's set-up has.
    `ram` names the memory of the board that is the machine's RAM to QEMU, "" if none is named.
    """

    program: str
    package: str
    machine: str
    args: tuple[str, ...]
    icount_shift: int
    unit: str
    ticks_per_unit: float
    since: str = ""
    ram: str = ""


def read_clock(table: Table) -> int:
    """Read clock_hz, of a board or a product."""
    return table.integer("clock_hz", low=CLOCK_HZ_MIN, high=CLOCK_HZ_MAX)


def read_product(table: Table) -> Product:
    """Read [product]."""
    value = Product(clock_hz=read_clock(table), source=table.text("source"))
    table.done()
    return value


def read_toolchain(table: Table) -> Toolchain:
    """Read [toolchain]."""
    value = Toolchain(
        prefix=table.text("prefix", empty=True),
        package=table.text("package"),
        cpu_flags=table.texts("cpu_flags"),
        optimise=table.texts("optimise"),
    )
    table.done()
    return value


def read_gic(table: Table) -> Gic:
    """Read [gic]."""
    value = Gic(
        distributor=table.integer("distributor", high=2**32 - 1),
        cpu=table.integer("cpu", high=2**32 - 1),
    )
    table.done()
    return value


def read_uart(table: Table) -> Uart:
    """Read [uart]."""
    value = Uart(
        driver=table.word("driver"),
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


def read_mark(table: Table) -> Mark:
    """Read [mark]."""
    most = 2**32 - 1
    value = Mark(
        set=table.integer("set", high=most),
        set_value=table.integer("set_value", high=most),
        clear=table.integer("clear", high=most),
        clear_value=table.integer("clear_value", high=most),
    )
    table.done()
    for key in ("set", "clear"):
        if getattr(value, key) % 4:
            table.refuse(key, "not the address of a register of 32 bits")
    return value


def read_timer(table: Table, on_board: bool) -> Timer:
    """Read [timer]; that of a process has no address."""
    value = Timer(
        driver=table.word("driver"),
        base=table.integer("base", high=2**32 - 1) if on_board else 0,
        hardware_unit=table.text("hardware_unit"),
        hardware_ticks_per_unit=table.number("hardware_ticks_per_unit"),
    )
    table.done()
    return value


def read_flash(table: Table) -> Flash:
    """Read [flash]."""
    probes = table.table("probes") if "probes" in table else Table("", "", {})
    value = Flash(
        method=table.choice("method", ("gdb", "process")),
        server=table.text("server"),
        probes={name: probes.texts(name) for name in PROBES if name in probes},
    )
    probes.done()
    table.done()
    return value


def read_runner(table: Table) -> Runner:
    """Read [runner]."""
    value = Runner(
        program=table.text("program"),
        package=table.text("package"),
        args=table.texts("args"),
    )
    table.done()
    return value


def read_emulator(table: Table, memories: tuple[str, ...]) -> Emulator:
    """Read [emulator]; `memories` are the names of the board's."""
    value = Emulator(
        program=table.text("program"),
        package=table.text("package"),
        machine=table.text("machine"),
        args=table.texts("args"),
        icount_shift=table.integer("icount_shift", high=10),
        unit=table.text("unit"),
        ticks_per_unit=table.number("ticks_per_unit"),
        since=table.version("since") if "since" in table else "",
        ram=table.named("ram", memories) if "ram" in table else "",
    )
    table.done()
    return value

# SPDX-License-Identifier: BSD-3-Clause
"""The numbers of the boards against other people's: modm-devices, and the SVD files in pyOCD.

modm-devices has memories, interrupts and pins as the makers' own tools name them; an SVD file has
the addresses of a chip's registers. Both are packages of Python's index; what is not installed is
skipped.
"""

import importlib.util
import re
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolkit.targets.drivers import PORT
from toolkit.targets.target import Target, load_target, target_names


def package(name: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        pytest.skip(f"{name.replace('_', '-')} is not installed: pip install it to check")
    return Path(found.origin).parent


@dataclass(frozen=True)
class Chip:
    """Where modm-devices has a chip.

    `choice` tells which of a file's devices it is. `interrupt` is the UART's name there, `signals`
    are its pins, first the sender's, with their function: port, pin, number or letter, instance.
    """

    file: str
    choice: dict[str, str]
    interrupt: str
    signals: tuple[tuple[str, str, str, str], ...] = ()
    memories: bool = True


CHIPS = {
    "nucleo_h743zi": Chip(
        "stm32/stm32h7-42_43_50_53.xml", {"name": "43", "size": "i"}, "USART3",
        (("d", "8", "7", "3"), ("d", "9", "7", "3")),
    ),
    "nucleo_u575zi": Chip(
        "stm32/stm32u5-75_85.xml", {"name": "75", "size": "i"}, "USART1",
        (("a", "9", "7", "1"), ("a", "10", "7", "1")),
    ),
    "nucleo_h563zi": Chip(
        "stm32/stm32h5-62_63_73.xml", {"name": "63", "size": "i"}, "USART3",
        (("d", "8", "7", "3"), ("d", "9", "7", "3")),
    ),
    "stm32f4discovery": Chip(
        "stm32/stm32f4-05_07_15_17.xml", {"name": "07", "size": "g"}, "USART2",
        (("a", "2", "7", "2"), ("a", "3", "7", "2")),
    ),
    "netduinoplus2": Chip(
        "stm32/stm32f4-05_07_15_17.xml", {"name": "05", "size": "g"}, "USART1",
        (("a", "9", "7", "1"), ("a", "10", "7", "1")),
    ),
    "olimex-stm32-h405": Chip(
        "stm32/stm32f4-05_07_15_17.xml", {"name": "05", "size": "g"}, "USART1",
        (("a", "9", "7", "1"), ("a", "10", "7", "1")),
    ),
    "b-l475e-iot01a": Chip(
        "stm32/stm32l4-75.xml", {"name": "75", "size": "g"}, "USART1",
        (("b", "6", "7", "1"), ("b", "7", "7", "1")),
    ),
    "nucleo_g0b1re": Chip(
        "stm32/stm32g0-b1_c1.xml", {"name": "b1", "size": "e"}, "USART2_LPUART2",
        (("a", "2", "1", "2"), ("a", "3", "1", "2")),
    ),
    "nrf5340dk": Chip("nrf/nrf5340.xml", {"core": "app"}, "SERIAL0"),
    "sam_v71_xult": Chip(
        "sam/same70_s70_v70_v71.xml", {"series": "v71", "pin": "q", "flash": "21"}, "USART1",
        (("B", "4", "d", "1"), ("A", "21", "a", "1")),
    ),
    # Its flash is outside the chip, and modm-devices names half of its RAM.
    "pico2": Chip("rp/rp2350.xml", {}, "UART0_IRQ", memories=False),
}  # fmt: skip
# The UARTs of an SVD file, by board: file, peripheral.
SVDS = {
    "nrf54l15dk": ("nrf54l15.svd", "GLOBAL_UARTE20_S"),
    "mimxrt1060_evkb": ("MIMXRT1062.xml", "LPUART1"),
    "teensy41": ("MIMXRT1062.xml", "LPUART6"),
    "b-l475e-iot01a": ("STM32L4x5.svd", "USART1"),
    "netduinoplus2": ("STM32F41x.svd", "USART1"),
}
# Boards whose chips are in neither package.
NOWHERE = {"apollo510_evb", "ek_ra8m1", "ensemble_e7_dk", "stm32n6570_dk"}
# Addresses that a driver itself has: file, macro, SVD file, peripheral.
IN_DRIVERS = (
    ("uart_nrf54_uarte.c", "TIMER", "nrf54l15.svd", "GLOBAL_TIMER20_S"),
    ("uart_nrf54_uarte.c", "DPPIC", "nrf54l15.svd", "GLOBAL_DPPIC20_S"),
    ("setup_imxrt1060.c", "CCM", "MIMXRT1062.xml", "CCM"),
    ("setup_imxrt1060.c", "IOMUXC", "MIMXRT1062.xml", "IOMUXC"),
    ("setup_stm32l475.c", "RCC", "STM32L4x5.svd", "RCC"),
    ("setup_stm32f405.c", "RCC", "STM32F41x.svd", "RCC"),
    ("setup_stm32f405.c", "GPIOA", "STM32F41x.svd", "GPIOA"),
)


def of_chip(element: ET.Element, chip: Chip) -> bool:
    """Return whether an element of modm-devices is for a chip: device-KEY="A|B" limits it."""
    for key, chosen in chip.choice.items():
        limit = element.get(f"device-{key}")
        if limit is not None and chosen not in limit.split("|"):
            return False
    return True


def cores_of(name: str) -> list[ET.Element]:
    chip = CHIPS[name]
    root = ET.parse(package("modm_devices") / "resources" / "devices" / chip.file)
    found = [driver for driver in root.iter("driver") if driver.get("name") == "core"]
    return [driver for driver in found if of_chip(driver, chip)]


@pytest.mark.parametrize("name", CHIPS)
def test_the_interrupt_is_the_uarts(name: str) -> None:
    board, chip = load_target(name), CHIPS[name]
    assert board.uart is not None
    numbers = {
        vector.get("position")
        for core in cores_of(name)
        for vector in core.iter("vector")
        if vector.get("name") == chip.interrupt and of_chip(vector, chip)
    }
    assert numbers == {str(board.uart.irq)}


@pytest.mark.parametrize("name", [name for name, chip in CHIPS.items() if chip.memories])
def test_the_memories_are_the_chips(name: str) -> None:
    board, chip = load_target(name), CHIPS[name]
    spans = [
        (int(memory.get("start", ""), 0), int(memory.get("size", ""), 0))
        for core in cores_of(name)
        for memory in core.iter("memory")
        if of_chip(memory, chip)
    ]
    starts = {start for start, _ in spans}
    assert board.memory_of("vectors").origin in starts
    for memory in board.memories:
        # Banks follow one another: walk over them from the memory's first address to its end.
        at = memory.origin
        assert at in starts, memory.name
        while at < memory.end:
            size = max((size for start, size in spans if start == at), default=0)
            assert size, f"{memory.name}: nothing at 0x{at:08x}"
            at += size
        assert at == memory.end, memory.name


@pytest.mark.parametrize("name", [name for name, chip in CHIPS.items() if chip.signals])
def test_the_pins_are_the_uarts(name: str) -> None:
    chip = CHIPS[name]
    root = ET.parse(package("modm_devices") / "resources" / "devices" / chip.file)
    for (port, pin, number, instance), signal in zip(chip.signals, ("tx", "rx"), strict=True):
        found = [
            element.get("af", element.get("function"))
            for gpio in root.iter("gpio")
            if (gpio.get("port"), gpio.get("pin")) == (port, pin)
            for element in gpio.iter("signal")
            if element.get("driver") == "usart"
            and element.get("instance") == instance
            and element.get("name") in (signal, f"{signal}d")
        ]
        assert set(found) == {number}


def peripherals(file: str) -> dict[str, ET.Element]:
    with zipfile.ZipFile(package("pyocd") / "debug" / "svd" / "svd_data.zip") as packed:
        root = ET.fromstring(packed.read(file))
    return {element.findtext("name", ""): element for element in root.iter("peripheral")}


def base_of(element: ET.Element) -> int:
    return int(element.findtext("baseAddress", ""), 0)


@pytest.mark.parametrize("name", SVDS)
def test_the_uart_is_the_svds(name: str) -> None:
    file, peripheral = SVDS[name]
    board = load_target(name)
    assert board.uart is not None
    element = peripherals(file)[peripheral]
    assert base_of(element) == board.uart.base
    assert {entry.findtext("value") for entry in element.iter("interrupt")} == {str(board.uart.irq)}


@pytest.mark.parametrize(("source", "macro", "file", "peripheral"), IN_DRIVERS)
def test_a_drivers_own_addresses_are_the_svds(
    source: str, macro: str, file: str, peripheral: str
) -> None:
    text = next(PORT.rglob(source)).read_text(encoding="utf-8")
    found = re.search(rf"^#define {macro} (0x[0-9A-F]+)u$", text, re.MULTILINE)
    assert found is not None
    assert int(found[1], 0) == base_of(peripherals(file)[peripheral])


def of_silicon(target: Target) -> bool:
    """Return whether a board's numbers are a chip's, not those of an FPGA or of QEMU alone."""
    return target.system == "cortexm" and target.product is None


def test_every_board_of_silicon_is_checked() -> None:
    boards = {name for name in target_names() if of_silicon(load_target(name))}
    assert boards == CHIPS.keys() | SVDS.keys() | NOWHERE

# SPDX-License-Identifier: BSD-3-Clause
"""Check a firmware image as the chip will read it: loads, vector table, boot ROM's header."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from toolkit.common.errors import ToolError
from toolkit.device.build.elf import Symbol, load_sections, read_bytes, symbols
from toolkit.targets.target import Target

SYSTEM_EXCEPTIONS: Final = 16  # words of a vector table before the first interrupt
SMALLEST_TABLE: Final = 128  # bytes; the table is aligned to a power of two that holds it
VECTORS, STACK_TOP, RESET, ISR = "dk_vectors", "dk_stack_top", "dk_reset", "dk_uart_isr"

# RP2350 datasheet, "Bootrom": a block is somewhere in the first 4 kB.
RP2350_LOOKS: Final = 4096
RP2350_START, RP2350_END = 0xFFFFDED3, 0xAB123579
RP2350_SECURE_ARM: Final = 0x10210142  # item IMAGE_TYPE of one word: executable, S, Arm, RP2350
RP2350_LAST: Final = 0x000001FF  # after one word of items

# NXP IMXRT1060RM, "System Boot".
IMXRT_TABLE: Final = 0x1000  # the image vector table's place on serial NOR flash
IMXRT_TAG: Final = b"FCFB"
IMXRT_TABLE_HEAD: Final = b"\xd1\x00\x20"
IMXRT_A1_SIZE, IMXRT_LUT = 0x50, 0x80

# Raspberry Pi: the firmware starts a kernel here (armstub8.S and config.txt's kernel_address), and
# keeps the RAM from this address on for the VideoCore (Zephyr rpi_4b.dts).
RASPI_START, RASPI_END = 0x0008_0000, 0x3B40_0000
BOOT: Final = "dk_boot"


def check_image(image: Path, target: Target) -> None:
    """Raise ToolError with what is wrong if the chip could not start or run the image.

    Only a Cortex-M has a vector table of addresses, and only boards that name a boot driver of
    dredkit a header or start code that is checked.
    """
    wrong = _wrong_loads(image, target)
    named = {symbol.name: symbol for symbol in symbols(image)}
    if target.system == "cortexm":
        wrong += _wrong_vectors(image, target, named)
    if not wrong and target.boot in HEADERS:
        wrong += HEADERS[target.boot](image, target, named)
    if wrong:
        raise ToolError(f"{target.name}: {image.name}: {'; '.join(wrong)}")


def _wrong_loads(image: Path, target: Target) -> list[str]:
    """Return the sections whose contents a debugger would write beyond the flash memories."""
    homes = [memory for memory in target.memories if memory.kind == "flash"]
    return [
        f"{name} would be written to 0x{address:08x}, which is no flash"
        for name, (address, size) in load_sections(image).items()
        if not any(home.origin <= address and address + size <= home.end for home in homes)
    ]


def _wrong_vectors(image: Path, target: Target, named: dict[str, Symbol]) -> list[str]:
    assert target.uart is not None
    table = named[VECTORS].address
    count = SYSTEM_EXCEPTIONS + target.uart.irq + 1
    words = struct.unpack(f"<{count}I", read_bytes(image, table, 4 * count))
    stack = target.memory_of("stack")
    aligned = max(SMALLEST_TABLE, 1 << (4 * count - 1).bit_length())
    checks = {
        "the vector table is not where the core starts": table != target.memory_of("vectors").origin,
        f"the vector table is not a multiple of {aligned}": table % aligned != 0,
        "the first stack pointer is not the stack's top": words[0] != named[STACK_TOP].address,
        "the stack is outside its memory": not stack.origin < words[0] <= stack.end,
        "the stack's top is not a multiple of 8": words[0] % 8 != 0,
        "the reset vector is wrong": words[1] != named[RESET].address | 1,
        "the UART's vector is wrong": words[-1] != named[ISR].address | 1,
    }
    return [text for text, is_wrong in checks.items() if is_wrong]


def _wrong_rp2350(image: Path, target: Target, named: dict[str, Symbol]) -> list[str]:
    """Look for the image definition as the boot ROM does: word by word."""
    start = target.memory_of("vectors").origin
    data = _flash_from(image, start, RP2350_LOOKS)
    words = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
    if RP2350_START not in words:
        return ["there is no image definition in the first 4 kB"]
    at = words.index(RP2350_START)
    if words[at : at + 5] != (RP2350_START, RP2350_SECURE_ARM, RP2350_LAST, 0, RP2350_END):
        return ["the image definition is not of a Secure program for the Arm cores"]
    return []


def _wrong_imxrt(image: Path, target: Target, named: dict[str, Symbol]) -> list[str]:
    start = target.memory_of("boot").origin
    end = target.memory_of("text").end
    block = read_bytes(image, start, IMXRT_TABLE + 32)
    (size,) = struct.unpack_from("<I", block, IMXRT_A1_SIZE)
    head, entry, _, settings, data_at, own, signature, _ = struct.unpack_from(
        "<4s7I", block, IMXRT_TABLE
    )
    first, length, plugin = struct.unpack("<3I", read_bytes(image, data_at, 12))
    last = max(address + size for address, size in load_sections(image).values())
    checks = {
        "the flash's settings have no tag": block[:4] != IMXRT_TAG,
        "the flash's settings have a smaller size": size < end - start,
        "the flash's settings have no command for reading": block[IMXRT_LUT] == 0,
        "the image vector table has no header": head[:3] != IMXRT_TABLE_HEAD,
        "the image vector table points to no vectors": entry != named[VECTORS].address,
        "the image vector table is not where it says": own != start + IMXRT_TABLE,
        "the image is marked as signed or has settings": (settings, signature) != (0, 0),
        "the boot data are wrong": (first, plugin) != (start, 0) or not last - start <= length,
    }
    return [text for text, is_wrong in checks.items() if is_wrong]


def _wrong_raspi(image: Path, target: Target, named: dict[str, Symbol]) -> list[str]:
    start = named.get(BOOT)
    checks = {
        f"no start code at 0x{RASPI_START:08x}": start is None or start.address != RASPI_START,
        "a part would be written below the start code": RASPI_START
        > min(address for address, _ in load_sections(image).values()),
        "a memory reaches into the VideoCore's RAM": RASPI_END
        < max(memory.end for memory in target.memories),
    }
    return [text for text, is_wrong in checks.items() if is_wrong]


def _flash_from(image: Path, start: int, size: int) -> bytes:
    """Return what the image has in flash from an address on, erased bytes between its sections."""
    data = bytearray(b"\xff" * size)
    for name, (address, length) in load_sections(image).items():
        if name in (".vectors", ".boot", ".text", ".rodata") and address < start + size:
            part = read_bytes(image, address, length)[: start + size - address]
            data[address - start : address - start + len(part)] = part
    return bytes(data)


# What each boot driver that ships must have put into the image.
HEADERS: Final[dict[str, Callable[[Path, Target, dict[str, Symbol]], list[str]]]] = {
    "rp2350": _wrong_rp2350,
    "imxrt1060": _wrong_imxrt,
    "raspi": _wrong_raspi,
}

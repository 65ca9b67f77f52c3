# SPDX-License-Identifier: BSD-3-Clause
"""Write what the firmware build needs from a target's TOML: board.h, link.ld and board.cmake."""

import re
from pathlib import Path

from quantize.files.write import write_whole
from toolkit.codegen.regions import regions
from toolkit.common.paths import ROOT, ships
from toolkit.targets.memory import BOOT_SECTION, FLASH_SECTIONS, RAM_SECTIONS, Memory
from toolkit.targets.placement import placed_in, section_name
from toolkit.targets.target import Target

TEMPLATE = ROOT / "firmware" / "port" / "baremetal" / "link.ld.in"


def write_board(target: Target, directory: Path) -> None:
    """Write the board's files into `directory`.

    A file that would not change stays as it is, so that nothing is compiled again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = {"board.cmake": board_cmake(target)}
    if target.is_board:
        files["board.h"] = board_header(target)
        files["link.ld"] = linker_script(target)
    for name, text in files.items():
        path = directory / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text.encode())


def board_header(target: Target) -> str:
    """Return board.h, which has the constants of a board."""
    uart = target.uart
    assert uart is not None
    in_ram = [memory for memory in placed_in(target) if memory.kind == "ram"]
    lines = [
        f"// Written by dredkit from {target.path.name}; change that instead.",
        "#ifndef DREDKIT_BOARD_H",
        "#define DREDKIT_BOARD_H",
        "",
        f"#define DK_BOARD_CLOCK_HZ {target.clock_hz}u",
        f"#define DK_BOARD_UART_BASE 0x{uart.base:08x}u",
        f"#define DK_BOARD_UART_IRQ {uart.irq}u",
        f"#define DK_BOARD_UART_BAUD {uart.baud}u",
        f"#define DK_BOARD_UART_CLOCK_HZ {uart.clock_hz}u",
        f"#define DK_BOARD_UART_RING_BYTES {uart.ring_bytes}u",
        f"#define DK_BOARD_TIMER_BASE 0x{target.timer.base:08x}u",
    ]
    if uart.is_rtt:
        lines.append("#define DK_BOARD_UART_POLLED 1")
    if target.mark is not None:
        lines += [
            f"#define DK_BOARD_MARK_{key.upper()} 0x{value:08x}u"
            for key, value in vars(target.mark).items()
        ]
    if target.gic is not None:
        lines += [
            f"#define DK_BOARD_GIC_DISTRIBUTOR 0x{target.gic.distributor:08x}u",
            f"#define DK_BOARD_GIC_CPU 0x{target.gic.cpu:08x}u",
        ]
    for memory in target.memories:
        name = f"DK_BOARD_{memory.name.upper()}"
        lines += [
            f"#define {name}_ORIGIN 0x{memory.origin:08x}u",
            f"#define {name}_BYTES 0x{memory.length:x}u",
        ]
    if found := regions(target):
        shown = ", ".join(f"{{0x{r.start:08x}u, 0x{r.bytes:x}u, {r.kind}}}" for r in found)
        lines += ["", "// The memory protection unit's, lowest priority first.",
                  f"#define DK_BOARD_REGIONS {shown}"]  # fmt: skip
    filled = ["dk_data", *(f"dk_{section_name(m.name)}" for m in in_ram)]
    lines += [
        "",
        "// Sections of RAM that start-up fills from flash.",
        f"#define DK_BOARD_FILLED(SECTION) {' '.join(f'SECTION({name})' for name in filled)}",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def linker_script(target: Target) -> str:
    """Return link.ld: the template with the memories, the homes of the sections, and the stack."""
    memories = "\n".join(
        f"    {memory.name} ({'rx' if memory.kind == 'flash' else 'rwx'}) : "
        f"ORIGIN = 0x{memory.origin:08x}, LENGTH = 0x{memory.length:x}"
        for memory in target.memories
    )
    text = TEMPLATE.read_text(encoding="utf-8")
    values = {
        "TARGET": target.path.name,
        "MEMORIES": memories,
        "STACK_BYTES": str(target.stack_bytes),
    }
    values["PLACED"] = "".join(_placed(memory, target) for memory in placed_in(target))
    values["BOOT"] = _boot(target)
    for section in FLASH_SECTIONS + RAM_SECTIONS:
        values[f"IN_{section.upper()}"] = target.memory_of(section).name
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _boot(target: Target) -> str:
    """Return the section for what the chip's boot ROM reads, if the board has a driver for it."""
    if not target.boot:
        return ""
    home = target.memory_of(BOOT_SECTION).name
    return f"    .boot : ALIGN(4)\n    {{\n        KEEP(*(.boot))\n    }} > {home}\n\n"


def _placed(memory: Memory, target: Target) -> str:
    """Return the section for the tables placed in a memory; start-up fills it if that is RAM."""
    name = section_name(memory.name)
    start, end, load = (f"dk_{name}_{what}" for what in ("start", "end", "load"))
    if memory.kind == "flash":
        return f"    .{name} : ALIGN(16)\n    {{\n        *(.{name}.*)\n    }} > {memory.name}\n\n"
    flash = target.memory_of("rodata").name
    return (
        f"    .{name} : ALIGN(16)\n    {{\n        {start} = .;\n        *(.{name}.*)\n"
        f"        . = ALIGN(8);\n        {end} = .;\n    }} > {memory.name} AT> {flash}\n"
        f"    {load} = LOADADDR(.{name});\n\n"
    )


def board_cmake(target: Target) -> str:
    """Return board.cmake: the compiler flags and drivers that CMakeLists.txt reads.

    DREDKIT_OWN is the folder of a board's file that is not in targets/, empty otherwise.
    """
    values = {
        "DREDKIT_BOARD_NAME": target.name,
        "DREDKIT_SYSTEM": target.system,
        "DREDKIT_ISA": target.isa,
        "DREDKIT_TOOL_PREFIX": target.toolchain.prefix,
        "DREDKIT_CPU_FLAGS": ";".join(target.toolchain.cpu_flags),
        "DREDKIT_OPTIMISE": ";".join(target.toolchain.optimise),
        "DREDKIT_DRIVERS": ";".join(_in_tree(file) for file in target.drivers),
        "DREDKIT_OWN": "" if ships(target.path) else str(target.path.parent.resolve()),
    }
    head = f"# Written by dredkit from {target.path.name}; change that instead.\n"
    return head + "".join(f'set({key} "{_quoted(value)}")\n' for key, value in values.items())


def _in_tree(file: Path) -> str:
    """Return the path of a driver: relative if it ships, so that the checkout may lie anywhere."""
    return str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.resolve())


def _quoted(value: str) -> str:
    """Return a value as CMake reads it between quotes."""
    return re.sub(r'([\\"$])', r"\\\1", value)

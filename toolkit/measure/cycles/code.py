# SPDX-License-Identifier: BSD-3-Clause
"""An image's code by address: the instructions of a block, and the function that holds it."""

import re
import shutil
import subprocess
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from toolkit.common.errors import InputError, ToolError
from toolkit.device.build.elf import OBJDUMP, machine, symbols

# Entry points of interrupts; QEMU counts them in the step that they interrupt.
INTERRUPTS = ("dk_uart_isr", "dk_irq")
# The mnemonic is empty if objdump knows none: Debian 12's lacks some of the M55's shifts.
_LINE = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f ]+?) *\t([^\t@]*)(?:\t([^;@]*))?")
_CALL = re.compile(r"^blx?$")
_TARGET = re.compile(r"<([^>+]+)>")


@dataclass(frozen=True)
class Instruction:
    """One instruction as objdump writes it, and its length in bytes."""

    mnemonic: str
    operands: str
    size: int


class Code:
    """All code of an image. Raises ToolError without objdump, InputError for another machine."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.machine = machine(image)
        self._instructions = _disassemble(image, self.machine)
        functions = {s.address: s.name for s in symbols(image) if s.is_function}
        self._starts = sorted(functions)
        self._names = [functions[start] for start in self._starts]
        self.interrupts = self._called_from(INTERRUPTS)

    def instructions(self, start: int, count: int) -> list[Instruction]:
        """Return `count` instructions from `start` on. Raises InputError if there is no code."""
        found: list[Instruction] = []
        at = start
        for _ in range(count):
            if at not in self._instructions:
                raise InputError(f"{self.image}: QEMU ran code at {at:#x}, where it has none")
            found.append(self._instructions[at])
            at += found[-1].size
        return found

    def function(self, address: int) -> str:
        """Return the name of the function that holds an address; "?" before the first."""
        index = bisect_right(self._starts, address)
        return self._names[index - 1] if index else "?"

    def _called_from(self, roots: tuple[str, ...]) -> set[str]:
        """Return the functions that direct calls from `roots` can reach, and `roots` themselves."""
        calls: dict[str, set[str]] = {}
        for address, instruction in self._instructions.items():
            called = _TARGET.search(instruction.operands)
            if called and _CALL.match(instruction.mnemonic):
                calls.setdefault(self.function(address), set()).add(called.group(1))
        found: set[str] = set()
        todo = set(roots) & set(self._names)
        while todo:
            name = todo.pop()
            found.add(name)
            todo |= calls.get(name, set()) - found
        return found


def _disassemble(image: Path, kind: str) -> dict[int, Instruction]:
    prefix = OBJDUMP.get(kind)
    if prefix is None:
        raise InputError(f"{image}: is for {kind}, whose instructions dredkit does not know")
    objdump = shutil.which(f"{prefix}-objdump")
    if objdump is None:
        raise ToolError(f"{prefix}-objdump is missing: apt-get install binutils-{prefix}")
    done = subprocess.run([objdump, "-d", str(image)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"objdump cannot read {image}: {done.stderr.strip().splitlines()[-1]}")
    found = {}
    for line in done.stdout.splitlines():
        if match := _LINE.match(line):
            address, raw, mnemonic, operands = match.groups()
            size = len(raw.replace(" ", "")) // 2
            found[int(address, 16)] = Instruction(mnemonic, (operands or "").strip(), size)
    return found

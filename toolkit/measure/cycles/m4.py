# SPDX-License-Identifier: BSD-3-Clause
"""Cycles of a block on a Cortex-M4, by the rules of its Technical Reference Manual.

Arm DDI 0439 (r0p1), section 3.3: table 3-1 gives cycles without wait states, the text after it says
which loads and stores overlap. Where the manual gives a range, `_RULES` takes the longest division
and, for a pipeline refill of 1 to 3 cycles, the middle.
"""

import re
from collections.abc import Sequence

from toolkit.measure.cycles.code import Instruction

REFILL = 2.0  # P in the table: 1 to 3; alignment of the target and early knowledge of it decide
_DIVISION = 12.0  # 2 to 12: leading zeros end it early

# (mnemonic without width suffix, cycles, cycles for each register of the list). The first match
# counts. An instruction without a match takes one cycle; so do multiplications of all kinds.
_RULES: tuple[tuple[str, float, float], ...] = (
    (r"[su]div", _DIVISION, 0.0),
    (r"v?(ldm|stm)\w*|v?(push|pop)", 1.0, 1.0),
    (r"(ldr|str)d", 3.0, 0.0),
    (r"(ldr|str)ex\w*|clrex", 2.0, 0.0),
    (r"v?ldr\w*|pld", 2.0, 0.0),
    (r"tb[bh]", 2.0, 0.0),
    (r"mrs|msr|cps\w*|[di][sm]b", 2.0, 0.0),
)
_WIDTH = re.compile(r"\.[nw]$")
_CONDITION = re.compile(r"(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al)$")
_LOAD = re.compile(r"ldr(s?[bh])?$")
_STORE = re.compile(r"str[bh]?$")
_MEMORY = re.compile(r"(ldr|str|ldm|stm|push|pop|vldr|vstr|vldm|vstm|vpush|vpop|pld)")
_NO_RESULT = re.compile(r"(cmp|cmn|tst|teq|nop|it[te]*|b|bl|blx|bx|cbn?z|dsb|dmb|isb)$")
_TWO_RESULTS = re.compile(r"[su](mul|mla)l|umaal|smlals?ld\w*|smlsld\w*")
_REGISTER = re.compile(r"\b(r\d+|sl|fp|ip|sp|lr|pc)\b")


def block_cycles(block: Sequence[Instruction]) -> float:
    """Return the cycles of a block run once without a jump after it; a jump adds `REFILL`."""
    total = 0.0
    before: Instruction | None = None
    for instruction in block:
        total += _cycles(instruction, before)
        before = instruction
    return total


def _cycles(instruction: Instruction, before: Instruction | None) -> float:
    name = _base(instruction)
    after = "" if before is None else _base(before)
    if re.fullmatch(r"it[te]*", name):
        # IT folds into a 16-bit instruction before it.
        return 0.0 if before is not None and before.size == 2 else 1.0
    cycles = 1.0
    for pattern, fixed, each in _RULES:
        if re.fullmatch(pattern, name):
            cycles = fixed + each * _listed(instruction.operands)
            break
    address = _address(instruction)
    if _STORE.match(name):
        # A store with an immediate offset completes while the next instruction runs. A store with
        # a register as offset takes a cycle more, unless a load came before.
        cycles = 2.0 if len(address) > 1 else 1.0
    if before is not None and (_LOAD.match(name) or _STORE.match(name)):
        if _LOAD.match(after) and not _results(before) & address:
            cycles = 1.0
        elif not _MEMORY.match(after) and _results(before) & address:
            cycles += 1.0  # a result just computed is not forwarded into an address
    return cycles


def _base(instruction: Instruction) -> str:
    """Return the mnemonic without width and condition."""
    name = _WIDTH.sub("", instruction.mnemonic)
    if name.startswith("b") and name != "bic":
        return "b" if _CONDITION.sub("", name) == "b" else name
    # Remove a condition only if a memory access or a division remains.
    short = _CONDITION.sub("", name)
    return short if short != name and (_MEMORY.match(short) or short.endswith("div")) else name


def _listed(operands: str) -> int:
    """Count the registers in braces, which objdump lists one by one or as ranges (r4-r7)."""
    inside = re.search(r"\{(.*)\}", operands)
    if inside is None:
        return 0
    count = 0
    for item in inside.group(1).split(","):
        ends = [int(end) for end in re.findall(r"[rsd](\d+)", item)]
        count += ends[1] - ends[0] + 1 if "-" in item and len(ends) == 2 else 1
    return count


def _address(instruction: Instruction) -> set[str]:
    """Return the registers that make up an address."""
    inside = re.search(r"\[([^\]]*)\]", instruction.operands)
    return set(_REGISTER.findall(inside.group(1))) if inside else set()


def _results(instruction: Instruction) -> set[str]:
    """Return the registers that an instruction writes, without a load's address."""
    name = _base(instruction)
    if _NO_RESULT.match(name):
        return set()
    count = 2 if _TWO_RESULTS.match(name) else 1
    operands = instruction.operands.split("[")[0]
    return set(_REGISTER.findall(operands)[:count])

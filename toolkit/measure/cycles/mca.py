# SPDX-License-Identifier: BSD-3-Clause
"""Cycles of blocks by llvm-mca, LLVM's simulator of a core's pipeline.

A block is simulated as if it ran over and over. This is exact for a loop of one block. For any
other block it assumes that the neighbours overlap with it as it overlaps with itself.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence

from toolkit.common.errors import ToolError
from toolkit.measure.cycles.models import Model

VERSION = 19  # of LLVM: Debian 12 has it, and it is the first that knows the Neoverse N1
PACKAGE = f"llvm-{VERSION}"
_ROUNDS = 100
# Marks between blocks: four, so that no IT or VPT that is cut off reaches into the next block.
_MARKS = {"arm": ("bkpt", (0xAB, 0xBE)), "aarch64": ("brk", (0x60, 0x15, 0x20, 0xD4))}
_MARK_COUNT = 4
_COMMENT = {"arm": "@", "aarch64": "#"}  # the comment that llvm-mca reads
# llvm-mca would count a call as a hundred cycles, but to the core it is a jump.
_CALL = re.compile(r"^\s*(blx?|blr)\s")
_PREDICATE = re.compile(r"^\s*(?:i|vp(?=t)|vps(?=t))(t[te]*)\b")  # one letter for each instruction
_MULTIPLE = re.compile(r"^\s*(ldm|stm|push|pop|vldm|vstm|vpush|vpop)\S*\s.*\{(.*)\}")


def block_cycles(blocks: Sequence[Sequence[bytes]], model: Model) -> list[float | None]:
    """Return the cycles of each block, given as its instructions' code; None where unknown.

    Raises ToolError without llvm-mca.
    """
    kind = "aarch64" if model.triple.startswith("aarch64") else "arm"
    core = [f"--mcpu={model.cpu}", f"--mattr={model.attributes}"]
    texts = _disassemble(blocks, kind, [f"--triple={model.triple}", *core])
    cycles = _simulate(texts, kind, [f"--mtriple={model.triple}", *core])
    return [
        None if cost is None else cost + sum(_more(line, model.words_a_cycle) for line in text)
        for cost, text in zip(cycles, texts, strict=True)
    ]


def version() -> str:
    """Return the name and version of llvm-mca. Raises ToolError if it is missing."""
    said = _run("llvm-mca", ["--version"], "")
    found = re.search(r"version (\S+)", said)
    return f"llvm-mca {found[1] if found else 'of unknown version'}"


def _run(tool: str, options: Sequence[str], text: str, may_complain: bool = False) -> str:
    program = shutil.which(f"{tool}-{VERSION}")
    if program is None:
        raise ToolError(f"{tool}-{VERSION} is missing: apt-get install {PACKAGE}")
    done = subprocess.run(
        [program, *options], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode and not may_complain:
        said = [line for line in done.stderr.splitlines() if "error" in line] or ["no word"]
        raise ToolError(f"{tool}-{VERSION} failed: {said[0]}")
    return done.stdout


def _disassemble(
    blocks: Sequence[Sequence[bytes]], kind: str, core: Sequence[str]
) -> list[list[str]]:
    """Return each block's instructions as LLVM writes them, without those that it cannot read."""
    name, code = _MARKS[kind]
    marks = [bytes(code)] * _MARK_COUNT
    # Brackets separate the instructions, so that none can shift the next.
    lines = [
        f"[{' '.join(f'0x{byte:02x}' for byte in instruction)}]"
        for block in blocks
        for instruction in [*block, *marks]
    ]
    said = _run("llvm-mc", ["--disassemble", *core], "\n".join(lines), may_complain=True)
    texts: list[list[str]] = [[]]
    passed = 0
    for line in said.splitlines():
        if not line.strip() or line.strip().startswith("."):
            continue
        if re.match(rf"\s*{name}\s", line):
            passed += 1
            if passed == _MARK_COUNT:
                texts.append([])
                passed = 0
        else:
            texts[-1].append(line)
    if len(texts) != len(blocks) + 1:
        raise ToolError(f"llvm-mc-{VERSION} lost its way in the image's code")
    return [[] if _is_cut_off(text) else text for text in texts[:-1]]


def _is_cut_off(text: Sequence[str]) -> bool:
    """Return whether the last IT or VPT reaches beyond the block, into the next one's code."""
    for index, line in enumerate(text):
        head = _PREDICATE.match(line)
        if head and index + len(head[1]) >= len(text):
            return True
    return False


def _simulate(texts: Sequence[Sequence[str]], kind: str, core: Sequence[str]) -> list[float | None]:
    comment = _COMMENT[kind]
    lines = []
    for index, text in enumerate(texts):
        lines.append(f"{comment} LLVM-MCA-BEGIN {index}")
        lines += [line for line in text if not _CALL.match(line)]
        lines.append(f"{comment} LLVM-MCA-END {index}")
    said = _run(
        "llvm-mca",
        [*core, f"--iterations={_ROUNDS}", "--json", "--skip-unsupported-instructions=any",
         "--resource-pressure=false", "--instruction-info=false"],
        "\n".join(lines) + "\n",
    )  # fmt: skip
    found = {
        int(region["Name"]): region["SummaryView"]["TotalCycles"] / _ROUNDS
        for region in json.loads(said)["CodeRegions"]
    }
    calls = [sum(bool(_CALL.match(line)) for line in text) for text in texts]
    return [
        found.get(index, 0.0) + calls[index] if index in found or calls[index] else None
        for index in range(len(texts))
    ]


def _more(line: str, words_a_cycle: int) -> float:
    """Return the cycles of a load or store multiple beyond its first."""
    found = _MULTIPLE.match(line)
    if found is None:
        return 0.0
    words = len(found.group(2).split(","))
    return (words + words_a_cycle - 1) // words_a_cycle - 1

# SPDX-License-Identifier: BSD-3-Clause
"""How often each block of code ran in each step on an emulated board.

QEMU loads a plugin (blocks.c has the record's format), compiled here: Debian ships no header for
it, and a plugin for one QEMU need not suit another.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from toolkit.elf import machine, read_bytes, symbols
from toolkit.errors import BoardError, InputError, ToolError

SOURCE = Path(__file__).with_name("blocks.c")
ENGINE = "dk_app_engine"  # its last member points to the step function
LEAVE = "dk_port_work_ticks"  # what the server calls just before a step, and just after it
LAYER = "dk_trace"  # what a step calls after each layer
NETWORK = "dk_trace_start"  # and before a network's first one, in an image made to measure
_NOWHERE = 1
_BLOCK, _SECTION, _STEP = 1, 2, 3
_BLOCK_WORDS, _COUNT_WORDS = 3, 3


class End(IntEnum):
    """What ended a section of a step: the step's end, a layer's, or a network's beginning."""

    STEP = 0
    LAYER = 1
    NETWORK = 2


Counts = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Block:
    """So many instructions from address `start` that QEMU ran as one piece; no Thumb bit."""

    start: int
    instructions: int


@dataclass(frozen=True)
class Section:
    """A part of a step. `counts` is [n, 3]: index of a block, times that it ran, and how often a
    jump followed it."""

    end: End
    counts: Counts


@dataclass(frozen=True)
class Run:
    """What was counted: the blocks, and the sections of each step."""

    blocks: list[Block]
    steps: list[list[Section]]


class BlockCounter:
    """Has an emulated board that runs `image` counted: give it to `toolkit.pipeline.connected`.

    `run` may be called as soon as a step's result is here. Raises ToolError without a compiler,
    InputError for an image without the functions that mark a step.
    """

    def __init__(self, image: Path) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="dredkit-cycles-")
        folder = Path(self._directory.name)
        self._record = folder / "record"
        self.image = image
        marks = step_marks(image)
        words = [f"{name}={address:#x}" for name, address in marks.items()]
        plugin = build_plugin(folder)
        words = [str(plugin), f"out={self._record}", *words]
        # In an option of QEMU, a comma is written twice.
        self.options = ("-plugin", ",".join(word.replace(",", ",,") for word in words))

    def run(self, steps: int) -> Run:
        """The first `steps` steps since the board was started.

        Raises BoardError if the record holds fewer.
        """
        words = np.fromfile(self._record, "<u4") if self._record.exists() else np.zeros(0, "<u4")
        found = parse_record(words, steps)
        if len(found.steps) < steps:
            raise BoardError(
                f"QEMU counted {len(found.steps)} of {steps} steps: was the board started anew?"
            )
        return found


def build_plugin(folder: Path) -> Path:
    """Compile the plugin into a folder. Raises ToolError."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise ToolError("gcc is missing: apt-get install gcc")
    plugin = folder / "blocks.so"
    command = [compiler, "-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden"]
    done = subprocess.run(
        [*command, "-o", str(plugin), str(SOURCE)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"{SOURCE.name} does not compile: {done.stderr.splitlines()[0]}")
    return plugin


def step_marks(image: Path) -> dict[str, int]:
    """Where a step of an image begins, splits into sections, and ends: addresses by mark."""
    known = {symbol.name: symbol for symbol in symbols(image)}
    missing = [name for name in (ENGINE, LEAVE, LAYER) if name not in known]
    if missing:
        raise InputError(f"{image}: has no {missing[0]}, so that its steps cannot be told apart")
    engine = known[ENGINE]
    pointer = 8 if machine(image) == "EM_AARCH64" else 4
    step = read_bytes(image, engine.address + engine.size - pointer, pointer)
    return {
        "enter": int.from_bytes(step, "little") & ~1,
        "leave": known[LEAVE].address,
        "layer": known[LAYER].address,
        "network": known[NETWORK].address if NETWORK in known else _NOWHERE,
    }


def parse_record(words: Counts, steps: int) -> Run:
    """Read a record's first `steps` whole steps; see blocks.c."""
    blocks: dict[int, Block] = {}
    found: list[list[Section]] = []
    sections: list[Section] = []
    at = 0
    while at < len(words) and len(found) < steps:
        kind = words[at]
        at += 1
        if kind == _BLOCK:
            number, start, instructions = (int(word) for word in words[at : at + _BLOCK_WORDS])
            blocks[number] = Block(start, instructions)
            at += _BLOCK_WORDS
        elif kind == _SECTION:
            end, size = End(words[at]), _COUNT_WORDS * int(words[at + 1])
            at += 2
            counts = words[at : at + size].reshape(-1, _COUNT_WORDS).copy()
            sections.append(Section(end, counts))
            at += size
        elif kind == _STEP:
            found.append(sections)
            sections = []
        else:
            raise BoardError(f"QEMU's record of blocks is damaged at word {at - 1}")
    numbers = sorted(blocks)
    index = np.zeros(max(numbers, default=0) + 1, np.uint32)
    index[numbers] = np.arange(len(numbers))
    for section in (section for step in found for section in step):
        section.counts[:, 0] = index[section.counts[:, 0]]
    return Run([blocks[number] for number in numbers], found)

# SPDX-License-Identifier: BSD-3-Clause
"""Count how often each block of code ran in each step on an emulated board.

QEMU loads a plugin (blocks.c describes the format of its record); `plugin` compiles it for QEMU.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from toolkit.common.errors import BoardError, InputError
from toolkit.device.build.elf import machine, read_bytes, symbols
from toolkit.measure.cycles.plugin import build_plugin, escaped

ENGINE = "dk_app_engine"  # its last member points to the step function
LEAVE = "dk_port_work_ticks"  # the server calls it just before and just after a step
LAYER = "dk_trace"  # a step calls it after each layer
NETWORK = "dk_trace_start"  # in an image built to measure, called before a network's first layer
_NOWHERE = 1
_BLOCK, _SECTION, _STEP = 1, 2, 3
_BLOCK_WORDS, _COUNT_WORDS = 3, 3


class End(IntEnum):
    """The event that ended a section of a step: a step's or layer's end, or a network's start."""

    STEP = 0
    LAYER = 1
    NETWORK = 2


Counts = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Block:
    """Instructions from address `start` (without the Thumb bit) that QEMU ran as one piece."""

    start: int
    instructions: int


@dataclass(frozen=True)
class Section:
    """A part of a step.

    `counts` is [n, 3]: the index of a block, how often it ran, and how often a jump followed it.
    """

    end: End
    counts: Counts


@dataclass(frozen=True)
class Run:
    """All counts: the blocks, and the sections of each step."""

    blocks: list[Block]
    steps: list[list[Section]]


class BlockCounter:
    """Counts blocks on an emulated board that runs `image`: a plugin for
    `toolkit.device.pipeline.connected`.

    `run` may be called once a step's result has arrived. `marks` are those of `step_marks` by
    default, and may be those of `call_marks`. Raises InputError for an image without the functions
    that mark a step.
    """

    def __init__(self, image: Path, marks: Mapping[str, int] | None = None) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="dredkit-cycles-")
        self._folder = Path(self._directory.name)
        self._record = self._folder / "record"
        self.image = image
        found = step_marks(image) if marks is None else marks
        self._marks = [f"{name}={address:#x}" for name, address in found.items()]

    def options(self, program: str) -> tuple[str, ...]:
        """Return the options that make QEMU count; `program` is its name or path.

        Raises ToolError without a compiler, BoardError if this QEMU loads no plugin.
        """
        plugin = build_plugin(self._folder, program)
        files = [f"file={escaped(plugin)}", f"out={escaped(self._record)}"]
        return ("-plugin", ",".join([*files, *self._marks]))

    def run(self, steps: int) -> Run:
        """Return the counts of the first `steps` steps since the board was started.

        Raises BoardError if the record holds fewer.
        """
        words = np.fromfile(self._record, "<u4") if self._record.exists() else np.zeros(0, "<u4")
        found = parse_record(words, steps)
        if len(found.steps) < steps:
            raise BoardError(
                f"QEMU counted {len(found.steps)} of {steps} steps: was the board restarted?"
            )
        return found


def call_marks(image: Path, enter: str, leave: str) -> dict[str, int]:
    """Return the marks of steps that begin at one function and end at the next call of another."""
    known = {symbol.name: symbol.address & ~1 for symbol in symbols(image) if symbol.is_function}
    missing = [name for name in (enter, leave) if name not in known]
    if missing:
        raise InputError(f"{image}: has no function {missing[0]}")
    nowhere = {"layer": _NOWHERE, "network": _NOWHERE}
    return {"enter": known[enter], "leave": known[leave], **nowhere}


def step_marks(image: Path) -> dict[str, int]:
    """Return the addresses, by mark, where a step begins, splits into sections, and ends."""
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

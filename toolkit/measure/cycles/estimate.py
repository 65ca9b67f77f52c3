# SPDX-License-Identifier: BSD-3-Clause
"""Estimate a core's cycles for each step, function and layer from what QEMU ran."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.common.errors import InputError
from toolkit.device.build.elf import read_bytes
from toolkit.measure.cycles import m4, mca
from toolkit.measure.cycles.code import Code, Instruction
from toolkit.measure.cycles.counter import BlockCounter, End, Run
from toolkit.measure.cycles.models import MODELS, Model
from toolkit.targets.target import Target

Floats = npt.NDArray[np.float64]

_LOOP_END = ("le", "letp")  # jumps back without a refill


@dataclass(frozen=True)
class FunctionCost:
    """The instructions and cycles of one function in all steps together."""

    name: str
    instructions: int
    cycles: float


@dataclass(frozen=True)
class SectionCost:
    """The cost of a section of a step, and the event that ended it."""

    end: End
    instructions: int
    cycles: float


@dataclass(frozen=True)
class Estimate:
    """Instructions that QEMU ran, and cycles that `model` gives for them, with its `errors`.

    `instructions`, `cycles` and `sections` are by step. `functions` has the most expensive first.
    `jumps` counts the jumps taken in all steps, except by loop-end instructions; the model's errors
    say how far their cost is in doubt.
    """

    model: str
    errors: tuple[str, ...]
    instructions: list[int]
    cycles: list[int]
    functions: list[FunctionCost]
    sections: list[list[SectionCost]]
    jumps: int = 0

    @property
    def per_instruction(self) -> float:
        """Cycles an instruction, all steps together."""
        return sum(self.cycles) / max(sum(self.instructions), 1)

    @property
    def jumps_percent(self) -> float:
        """How many percent of the cycles one more cycle for each jump would add."""
        return 100 * self.jumps / max(sum(self.cycles), 1)

    def as_json(self, functions: int = 20) -> dict[str, Any]:
        """Return the model and the shares of the most expensive functions, without single steps."""
        whole = max(sum(self.cycles), 1)
        return {
            "model": self.model,
            "errors": list(self.errors),
            "per_instruction": round(self.per_instruction, 3),
            "jumps_percent": round(self.jumps_percent, 2),
            "functions": [
                {
                    "name": cost.name,
                    "share_percent": round(100 * cost.cycles / whole, 1),
                    "per_instruction": round(cost.cycles / cost.instructions, 3),
                }
                for cost in self.functions[:functions]
                if cost.instructions
            ],
        }


def model_of(target: Target) -> Model:
    """Return the model of a target's core. Raises InputError if there is none."""
    if target.emulator is None and target.runner is None:
        raise InputError(f"--cycles: {target.name} is not emulated; its own timer measures")
    if target.core not in MODELS:
        raise InputError(f"--cycles: no model of a {target.core} ({target.name})")
    return MODELS[target.core]


def check_countable(target: Target, port: str | None) -> None:
    """Check, before any long work, that a board's cycles can be estimated.

    Raises InputError for a board that cannot be counted, ToolError if llvm-mca is missing.
    """
    model = model_of(target)
    if port is not None:
        raise InputError("--cycles: only a board that dredkit starts can be counted: no --port")
    if model.cpu:
        mca.version()


def estimate(counter: BlockCounter, target: Target, steps: int, skip: int = 0) -> Estimate:
    """Estimate `steps` steps of the board that ran with `counter`, after the first `skip` steps.

    Code of interrupts is left out. Raises as `BlockCounter.run`, `model_of` and the models do.
    """
    model = model_of(target)
    run = counter.run(skip + steps)
    code = Code(counter.image)
    blocks = [code.instructions(block.start, block.instructions) for block in run.blocks]
    names = [code.function(block.start) for block in run.blocks]
    counted = np.array([name not in code.interrupts for name in names], np.float64)
    sizes = np.array([len(block) for block in blocks], np.float64) * counted
    once = _block_cycles(run, blocks, counter.image, model) * counted
    jumps = np.array([block[-1].mnemonic not in _LOOP_END for block in blocks]) * counted
    totals = np.zeros((len(blocks), 2))
    all_jumps = 0
    sections: list[list[SectionCost]] = []
    for step in run.steps[skip:]:
        sections.append([])
        for section in step:
            index, times, leaps = (
                section.counts[:, column].astype(np.int64) for column in (0, 1, 2)
            )
            ran, jumped = sizes[index] * times, jumps[index] * leaps
            took = once[index] * times + model.refill * jumped
            all_jumps += int(jumped.sum())
            totals[index, 0] += ran
            totals[index, 1] += took
            sections[-1].append(SectionCost(section.end, int(ran.sum()), float(took.sum())))
    text = f"{model.text}, {mca.version()}" if model.cpu else model.text
    return Estimate(
        model=text,
        errors=model.errors,
        instructions=[sum(section.instructions for section in step) for step in sections],
        cycles=[round(sum(section.cycles for section in step)) for step in sections],
        functions=_by_function(names, totals),
        sections=sections,
        jumps=all_jumps,
    )


def _block_cycles(
    run: Run, blocks: Sequence[Sequence[Instruction]], image: Path, model: Model
) -> Floats:
    """Return the cycles of each block run once; unknown blocks get the mean ratio."""
    if not model.cpu:
        return np.array([m4.block_cycles(block) for block in blocks])
    told = mca.block_cycles(
        [_code(image, at.start, block) for at, block in zip(run.blocks, blocks, strict=True)], model
    )
    sizes = np.array([len(block) for block in blocks], np.float64)
    known = np.array([cost is not None for cost in told])
    cycles = np.array([cost or 0.0 for cost in told])
    ratio = float(cycles[known].sum() / max(sizes[known].sum(), 1.0))
    return np.where(known, cycles, ratio * sizes)


def _code(image: Path, start: int, block: Sequence[Instruction]) -> list[bytes]:
    ends = list(accumulate(instruction.size for instruction in block))
    code = read_bytes(image, start, ends[-1])
    return [code[end - part.size : end] for end, part in zip(ends, block, strict=True)]


def _by_function(names: Sequence[str], totals: Floats) -> list[FunctionCost]:
    sums: dict[str, Floats] = {}
    for name, total in zip(names, totals, strict=True):
        sums[name] = sums.get(name, np.zeros(2)) + total
    costs = [FunctionCost(name, int(s[0]), float(s[1])) for name, s in sums.items() if s[0]]
    return sorted(costs, key=lambda cost: -cost.cycles)


def layer_cycles(
    sections: Sequence[Sequence[SectionCost]], orders: Sequence[Sequence[int]], layers: int
) -> Floats:
    """Return the cycles [steps, layers + 1] of each layer and, last, of the rest.

    `orders` lists the layers of each step in the order in which they ran. As in
    toolkit/measure/spans.py, work between two layers that belongs to no network counts to the layer
    before it, or to the rest if there is none. A step without layers in `orders` may have run a
    network of its voice, which leaves no trace. Raises InputError if a step ran other layers than
    `orders` has.
    """
    found = np.zeros((len(sections), layers + 1))
    for number, (step, order) in enumerate(zip(sections, orders, strict=True)):
        if not order:
            found[number, layers] = sum(section.cycles for section in step)
            continue
        if sum(section.end == End.LAYER for section in step) != len(order):
            raise InputError(f"step {number} ran other layers than its trace tells")
        left, last = list(order), layers
        for section in step:
            if section.end == End.LAYER:
                last = left.pop(0)
            where = layers if section.end == End.STEP else last
            found[number, where] += section.cycles
    return found

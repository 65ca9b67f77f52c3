# SPDX-License-Identifier: BSD-3-Clause
"""The goals, and the table that shows which of them the committed figures meet.

Goals are instructions per multiply-accumulate of a 384 by 384 product for each ISA, and
instructions for a second of audio with the weights of Opus 1.6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from toolkit.measure.bench.figures import FOLDER, KERNELS, OPUS, Figure, figures
from toolkit.measure.bench.kernels import DENSE, SPARSE, WIDE
from toolkit.targets.target import load_target

TABLE: Final = FOLDER / "README.md"
# By system, ISA and product; `wide` has int16 activations.
KERNEL_GOALS: Final = {
    ("cortexm", "simd32", DENSE): 1.45,
    ("cortexm", "mve", DENSE): 0.165,
    ("cortexm", "mve", WIDE): 0.32,
    ("aarch64", "neon", DENSE): 0.33,
    ("aarch64", "dotprod", DENSE): 0.14,
}
SPARSE_GOAL: Final = 1.25  # times the cost of the dense product, per MAC that is kept
# By core: millions of instructions a second of the whole sender, and for a second decoded.
SENDER_GOALS: Final = {"cortex-m4": 45.0, "cortex-m55": 16.0, "cortex-a76": 12.0}
DECODE_GOALS: Final = {"cortex-m4": 9.0, "cortex-a76": 1.3}
# By core: millions of instructions for a second of FARGAN's speech, with the release's weights and
# with our own.
FARGAN_GOALS: Final = {
    "cortex-a76": 40.0,
    "cortex-a53": 95.0,
    "cortex-a7": 100.0,
    "cortex-m55": 60.0,
    "cortex-m7": 320.0,
    "cortex-m4": 320.0,
}
OWN_FARGAN_GOALS: Final = {"cortex-m55": 20.0, "cortex-m7": 100.0, "cortex-m4": 70.0}
# By ISA: why its sparse products miss this goal, and what was tried.
TRIED: Final = {
    "mve": "the goal follows the dense product, whose rows now run in one loop and whose columns "
    "in twos; a quarter of the blocks leaves too few for that.",
    "neon": "the fixed cost of eight rows (bias, requantising, the ends of the loop) is spread "
    "over fewer MACs. Tried: two blocks per turn, first blocks that add to nothing, loads that "
    "move their pointers, offsets in bytes that are ready to add.",
    "dotprod": "two blocks take four SDOTs and at least one load of weights, two of inputs and one "
    "of offsets: 0.125 instructions per MAC, more than the goal, which follows the low cost of the "
    "dense product. Tried: offsets of 32 bits within the weights; by count alone, one-byte indices "
    "(0.17), table look-ups and lists of runs.",
}
OWN_FARGAN: Final = "speak with FARGAN (our own weights)"
WHY_OWN_FARGAN: Final = (
    "Our own FARGAN has 107 million MACs a second, all dense. By the ISAs' limits they need at "
    "least 87 million instructions on Cortex-M4 and M7 and 13 on M55; rows, activations and gates "
    "come on top. Only blocks pruned in training would meet these goals."
)
_STEPS_A_SECOND: Final = 50
_CHUNKS_A_SECOND: Final = 25


@dataclass(frozen=True)
class Goal:
    """A figure of a target, and the most that it should be if there is a goal for it."""

    target: str
    what: str
    found: float
    goal: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        return None if self.goal is None else self.found <= self.goal


def goals_of(figure: Figure, facts: Mapping[str, Any]) -> Iterator[Goal]:
    """Yield the goals that a file of figures has figures for."""
    parts = {part["name"]: part["mean"] for part in facts["parts"]}
    target = load_target(figure.target)
    core = target.core
    if figure.run == KERNELS:
        cost = {layer["name"]: layer["per_mac"] for layer in facts["layers"]}
        for name in (DENSE, *SPARSE, WIDE):
            goal = KERNEL_GOALS.get((target.system, target.isa, name))
            if name in SPARSE:
                goal = round(SPARSE_GOAL * cost[DENSE], 4)
            yield Goal(figure.target, name, cost[name], goal)
    elif figure.run.endswith("encoder"):
        own = "" if figure.run.startswith(OPUS) else " (our own weights)"
        found = facts["step"]["mean"] * _STEPS_A_SECOND / 1e6
        yield Goal(figure.target, f"sender{own}", found, None if own else SENDER_GOALS.get(core))
    elif figure.run.endswith("fargan"):
        of_release = figure.run.startswith(OPUS)
        goals = FARGAN_GOALS if of_release else OWN_FARGAN_GOALS
        what = "speak with FARGAN" if of_release else OWN_FARGAN
        found = parts["speak"] * _STEPS_A_SECOND / 1e6
        yield Goal(figure.target, what, found, goals.get(core))
    elif figure.run.startswith(OPUS):
        found = (parts["payload"] + _CHUNKS_A_SECOND * parts["chunk"]) / 1e6
        yield Goal(figure.target, "decode a second", found, DECODE_GOALS.get(core))


def table() -> str:
    """Return a Markdown table of the committed figures and the goals."""
    found = [goal for f in figures() if f.path.is_file() for goal in goals_of(f, f.read())]
    products = (DENSE, *SPARSE, WIDE)
    kernels = [goal for goal in found if goal.what in products]
    stages = [goal for goal in found if goal.what not in products]
    missed = [goal for goal in found if goal.met is False]
    lines = [
        "# Committed figures",
        "",
        "`./run bench --all --write` writes this file and the files beside it. `./run bench --all`",
        "and `tests/measure/test_bench_figures.py` compare them. All figures are instructions that",
        "QEMU counted. Each file has them by part and layer, with MACs, bytes read and share of",
        "the ISA's limit (`toolkit/data/isa_limits.toml`). The goals are in",
        "`toolkit/measure/bench/goals.py`.",
        "",
        f"{len([g for g in found if g.met])} goals are met, {len(missed)} are not"
        + (": " + "; ".join(_missed(goal) for goal in missed) if missed else "")
        + ".",
        "",
        *_reasons(missed),
        "Instructions per MAC of a 384 by 384 product. A sparse product has 8x4 blocks, of which",
        "half or a quarter are kept; only kept MACs count. `wide` has int16 weights and inputs.",
        "",
        *_rows(kernels, "product", "{:.3f}"),
        "",
        "Millions of instructions for a second of audio, with the weights of Opus 1.6 unless the",
        "row names others. A sender's second is its steady state: 50 steps after payloads have",
        "stopped growing, which takes 1.08 s from a cold start. To decode a second takes one such",
        "payload and its 25 chunks, one by one.",
        "",
        *_rows(stages, "what", "{:.2f}"),
    ]
    return "\n".join(lines) + "\n"


def _missed(goal: Goal) -> str:
    assert goal.goal is not None
    over = 100 * (goal.found / goal.goal - 1)
    return f"{goal.target}, {goal.what} by {over:.0f} %"


def _reasons(missed: list[Goal]) -> Iterator[str]:
    isas = {load_target(goal.target).isa for goal in missed if goal.what in SPARSE}
    for isa in sorted(isas & TRIED.keys()):
        yield f"Sparse products of `{isa}`: {TRIED[isa]}"
        yield ""
    if any(goal.what == OWN_FARGAN for goal in missed):
        yield WHY_OWN_FARGAN
        yield ""


def _rows(goals: list[Goal], what: str, form: str) -> Iterator[str]:
    yield f"| target | {what} | found | goal | |"
    yield "|---|---|---|---|---|"
    for goal in goals:
        aimed = "" if goal.goal is None else form.format(goal.goal)
        verdict = {None: "", True: "met", False: "not met"}[goal.met]
        yield f"| {goal.target} | {goal.what} | {form.format(goal.found)} | {aimed} | {verdict} |"

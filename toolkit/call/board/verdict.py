# SPDX-License-Identifier: BSD-3-Clause
"""The proof for a whole call: a board plays, packet by packet, what this machine plays.

The C of the library, compiled for this machine, is the reference for all packets of a long call.
The integer reference, which is some hundred times slower, is compared with it for a part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from quantize.codec.receiver import State
from quantize.features.integers import FRAME
from toolkit.call.board.steps import Steps
from toolkit.device.link.session import Session
from toolkit.device.pipeline import Prepared
from toolkit.device.stream import stream
from toolkit.measure.budget import Budget, budget_of, clock_of, upper
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.measure.cycles.estimate import Estimate, estimate
from toolkit.speech.audio import Pcm
from toolkit.stages.base import HASH_BYTES
from toolkit.stages.calling import CallStage, CallStep, Heard, Kind
from toolkit.targets.target import Target
from toolkit.verify.checks import COMPARISON, REFERENCE, Check, budget_check, memory_checks
from toolkit.verify.compare import Comparison, Mismatch, compare
from toolkit.verify.verify import memory_of

HOST_C: Final = "host C"
PACKET_SECONDS: Final = 0.02
_PCM: Final = "pcm"
_STATES: Final = {
    State.NORMAL: "good",
    State.RECOVERED: "LBRR",
    State.DRED: "DRED",
    State.PLC: "PLC",
    State.FADE: "fade",
}


@dataclass(frozen=True)
class Costs:
    """What packets of one state cost, in the units of the budget; `worst` is a packet's number."""

    packets: int
    mean: float
    most: int
    worst: int


@dataclass(frozen=True)
class CallVerdict:
    """What a board made of a call.

    `rows` has what the board answered to each of the steps. `states` has the state of each packet,
    `checked` counts the packets that the integer reference played too. The budget has the cost of
    each packet.
    """

    prepared: Prepared
    steps: Steps
    rows: list[bytes]
    states: list[str]
    checked: int
    comparisons: dict[str, Comparison]
    budget: Budget
    stack_used: int
    link: dict[str, Any]

    @property
    def checks(self) -> list[Check]:
        """Every check, comparisons first."""
        memory = memory_of(self.prepared.build, self.stack_used)
        return [
            *(self._comparison(name) for name in self.comparisons),
            budget_check(self.budget, "packet"),
            *memory_checks(memory),
        ]

    @property
    def ok(self) -> bool:
        """Whether no value differs, every packet is within the limit, and memory suffices."""
        return all(check.ok for check in self.checks)

    @property
    def costs(self) -> dict[str, Costs]:
        """What packets cost by their state, the most expensive state first."""
        found: dict[str, Costs] = {}
        costs = np.array(self.budget.per_frame)
        for state in dict.fromkeys(self.states):
            those = np.flatnonzero([other == state for other in self.states])
            worst = int(those[costs[those].argmax()])
            mean = float(costs[those].mean())
            found[state] = Costs(len(those), round(mean, 1), int(costs[worst]), worst)
        return dict(sorted(found.items(), key=lambda item: -item[1].most))

    @property
    def cost(self) -> dict[str, dict[str, float]]:
        """What a packet costs: in the budget's unit, in ms, and in percent of the deadline."""
        budget = self.budget
        costs = budget.per_frame
        named = {
            "mean": round(budget.mean, 1),
            "p99.9": int(upper(costs, 99.9)),
            "worst": budget.max,
            "deadline": budget.limit,
        }
        found = {
            name: {
                "cost": cost,
                "ms": round(1000 * cost / budget.clock_hz, 6),
                "percent": round(100 * cost / budget.limit, 4),
            }
            for name, cost in named.items()
        }
        packet = costs.index(budget.max)
        found["worst"] |= {"packet": packet, "seconds": round(PACKET_SECONDS * packet, 2)}
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON object."""
        stage, budget = self.prepared.stage, self.budget.as_json()
        del budget["per_frame"], budget["instructions"]
        return {
            "ok": self.ok,
            "target": self.prepared.target.name,
            "stage": stage.name,
            "model_hash": stage.hash,
            "source": stage.source,
            "packets": len(self.states),
            "seconds": round(PACKET_SECONDS * len(self.states), 2),
            "checked": self.checked,
            "comparisons": {
                name: {
                    "values": found.values,
                    "mismatches": found.mismatches,
                    "first": None if found.first is None else self.place(found.first),
                }
                for name, found in self.comparisons.items()
            },
            "budget": budget,
            "cost": self.cost,
            "states": {name: dict(vars(costs)) for name, costs in self.costs.items()},
            "memory": memory_of(self.prepared.build, self.stack_used),
            "build_id": self.prepared.build and self.prepared.build.build_id,
            "link": self.link,
        }

    def place(self, first: Mismatch) -> dict[str, Any]:
        """Return a mismatch with its packet, its time in seconds, its sample and the state."""
        packet = self.steps.packets[first.step]
        sample = first.element if first.layer == _PCM else None
        return {
            **vars(first),
            "packet": packet,
            "seconds": round(PACKET_SECONDS * packet + (sample or 0) / (100 * FRAME), 5),
            "sample": sample,
            "state": self.states[packet],
        }

    def _comparison(self, name: str) -> Check:
        found = self.comparisons[name]
        if found.first is None:
            text = f"all {found.values:,} values equal"
            text += f", of {self.checked:,} packets" if name.startswith(REFERENCE) else ""
            return Check(COMPARISON, name, found.values > 0, text)
        text = f"{found.mismatches:,} of {found.values:,} values differ; first: "
        return Check(COMPARISON, name, False, text + place_text(self.place(found.first)))


def place_text(place: Mapping[str, Any]) -> str:
    """Name a mismatch of a call; `got` or `want` is None where one side lacks the value."""
    got, want = ("nothing" if place[key] is None else place[key] for key in ("got", "want"))
    where = f"packet {place['packet']}, {place['seconds']:.3f} s"
    what = place["layer"] if place["sample"] is None else f"sample {place['sample']}"
    return f"{where}, {what}, state {place['state']}: got {got}, want {want}"


def verify_call(
    session: Session,
    prepared: Prepared,
    steps: Steps,
    *,
    checked: int,
    clock_hz: int | None = None,
    counter: BlockCounter | None = None,
    progress: Callable[[], None] = lambda: None,
) -> CallVerdict:
    """Stream a call through a board, compare what it plays, and sum up what packets cost.

    The integer reference plays the first `checked` packets too. With the `counter` that the board
    was started with, estimated cycles are judged. Raises BoardError for other firmware.
    """
    stage, target = prepared.stage, prepared.target
    assert isinstance(stage, CallStage)
    clock = clock_of(target, clock_hz, counter is not None)  # refuse a bad one before a long run
    board = session.expect(
        target=target.name,
        stage=stage.name,
        model_hash=bytes.fromhex(stage.hash)[:HASH_BYTES],
        build_id=bytes.fromhex(prepared.build.build_id) if prepared.build else None,
    )
    target = target.counting_cycles() if board.cycles else target
    streamed = stream(session, steps.inputs, progress=progress)
    on_host = stage.outputs(steps.rows)
    names = list(on_host)
    count = int(np.searchsorted(steps.packets, checked))
    want = stage.reference(steps.inputs[:count]).outputs
    part = {name: values[:count] for name, values in on_host.items()}
    found = {
        f"{REFERENCE} = {HOST_C}": compare(HOST_C, names, part, want),
        f"{HOST_C} = {target.name}": compare(
            target.name, names, stage.outputs(streamed.outputs), on_host
        ),
    }
    ticks = by_packet(steps, streamed.ticks)
    cycles = None if counter is None else _estimate(counter, target, steps)
    return CallVerdict(
        prepared=replace(prepared, target=target),
        steps=steps,
        rows=streamed.outputs,
        states=states_of(steps),
        checked=min(checked, steps.packets[-1] + 1),
        comparisons=found,
        budget=budget_of(target, ticks, clock, cycles),
        stack_used=streamed.stack_used,
        link=streamed.link,
    )


def by_packet(steps: Steps, costs: Sequence[int]) -> list[int]:
    """Return the cost of each packet from those of the steps."""
    return [int(cost) for cost in np.bincount(steps.packets, weights=costs)]


def _estimate(counter: BlockCounter, target: Target, steps: Steps) -> Estimate:
    found = estimate(counter, target, len(steps.packets))
    return replace(
        found,
        instructions=by_packet(steps, found.instructions),
        cycles=by_packet(steps, found.cycles),
    )


def states_of(steps: Steps) -> list[str]:
    """Return the state of each packet in words: what came, and what plays."""
    found: list[str] = []
    speaking = False
    for row, answer in zip(steps.inputs, steps.rows, strict=True):
        step, heard = CallStep.unpacked(row.astype("<i2").tobytes()), Heard.unpacked(answer)
        if step.kind is not Kind.NOTHING:
            found.append(_state(step, State(heard.source), speaking))
        speaking = heard.speaking
    return found


def _state(step: CallStep, source: State, speaking: bool) -> str:
    if source is State.CONCEALED:
        return "lost, concealed"
    if step.kind in (Kind.LOST, Kind.CONCEALED):
        return f"{'lost' if speaking else 'first lost'}, {_STATES[source]}"
    came = "good" if step.kind is Kind.GOOD else "LBRR"
    if source in (State.DRED, State.FADE):
        return f"{came}, {'fade' if source is State.FADE else 'spoken over'}"
    return f"{came}, before a gap" if step.expect == 1 else came


def answers_of(steps: Steps, rows: Sequence[bytes]) -> list[Heard]:
    """Return the answer to each packet: of the steps, one a packet plays."""
    plays = [
        CallStep.unpacked(row.astype("<i2").tobytes()).kind is not Kind.NOTHING
        for row in steps.inputs
    ]
    return [Heard.unpacked(row) for row, flag in zip(rows, plays, strict=True) if flag]


def played(answers: Sequence[Heard]) -> Pcm:
    """Return what was played: int16 at 16 kHz."""
    return np.concatenate([np.zeros(0, np.int16), *(answer.pcm for answer in answers)])

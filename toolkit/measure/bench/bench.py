# SPDX-License-Identifier: BSD-3-Clause
"""Where a step's time goes: the cost of every layer and part, from the board's own timer.

An image built to measure stores the time after each layer in the layer's place in the trace
(toolkit/measure/spans.py). The same image without traces gives the true cost of a step. The parts
of a sender are its networks and what is around them; the parts of a receiver are its ops.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantize.codec.receiver import STEP
from toolkit.common.errors import InputError
from toolkit.device.link.session import Session
from toolkit.device.stream import stream
from toolkit.measure.bench.parts import Cost, LayerCost, Measured, PartCost, parts_of
from toolkit.measure.budget import STEP_SECONDS, Budget, budget_of
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.measure.cycles.estimate import Estimate, estimate, layer_cycles
from toolkit.measure.isa_limits import Limit, limits_of
from toolkit.measure.spans import layer_spans
from toolkit.speech.audio import read_speech
from toolkit.stages.stage import HASH_BYTES, DecoderStage, Int16s, Stage
from toolkit.targets.placement import WAIT_ESTIMATE, wait_cycles
from toolkit.targets.target import Target


@dataclass(frozen=True)
class Bench:
    """The result of a measurement; `as_json` is its public form."""

    target: Target
    stage: Stage
    budget: Budget
    stamp_cost: float
    parts: list[PartCost]
    layers: list[LayerCost]
    limits: dict[str, Limit]
    estimate: Estimate | None = None
    cycles: Budget | None = None  # the budget of estimated cycles

    def as_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object; costs are in `unit`s a step."""
        budget = self.budget
        often = {part.name: part.a_second for part in self.parts}
        return {
            "target": self.target.name,
            "core": self.target.core,
            "isa": self.target.isa,
            "stage": self.stage.name,
            "model_hash": self.stage.hash,
            "source": self.stage.source,
            "unit": budget.unit,
            "steps": len(budget.per_frame),
            "settling": self.stage.settling,
            "step": {
                "max": budget.max,
                "p99": budget.p99,
                "mean": round(budget.mean, 1),
                "limit": budget.limit,
                "used_percent": round(budget.used_percent, 2),
                "estimated": budget.estimated,
                "model": budget.model,
                "cycles": None if self.cycles is None else _cycles(self.cycles),
            },
            "stamp_cost": round(self.stamp_cost, 2),
            "cycles": None if self.estimate is None else self.estimate.as_json(),
            "wait_estimate": WAIT_ESTIMATE,
            "isa_limits": [limit.as_json() for limit in self.limits.values()],
            "parts": [
                {"name": p.name, "steps": p.steps, "a_second": p.a_second}
                | self._costs(p.cost, p.a_second)
                for p in self.parts
            ],
            "layers": [
                {"name": layer.name, "part": layer.part, "times": layer.times}
                | self._costs(layer.cost, often[layer.part])
                for layer in self.layers
            ],
        }

    def _costs(self, cost: Cost, a_second: float | None) -> dict[str, Any]:
        """Return the figures of a part or layer; the ISA's limit only if instructions count."""
        work = cost.work
        macs, least = work.macs, work.least if self.budget.unit == "instructions" else None
        return {
            "mean": round(cost.mean, 1),
            "max": round(cost.max, 1),
            "cycles": None if cost.cycles is None else round(cost.cycles, 1),
            "macs": macs,
            "per_mac": round(cost.mean / macs, 3) if macs else None,
            "least_per_mac": round(least / macs, 4) if macs and least else None,
            "limit_percent": round(100 * least / cost.mean, 1) if least and cost.mean > 0 else None,
            "weight_bytes": work.read_bytes,
            "memories": work.reads,
            "waited_cycles": {
                memory: wait_cycles(self.target, memory, read)
                for memory, read in work.reads.items()
            },
            "weight_bytes_a_second": None
            if a_second is None
            else round(work.read_bytes * a_second),
        }


def _cycles(budget: Budget) -> dict[str, Any]:
    return {
        "max": budget.max,
        "p99": budget.p99,
        "mean": round(budget.mean, 1),
        "used_percent": round(budget.used_percent, 2),
    }


def bench_inputs(stage: Stage, audio: Path, steps: int) -> Int16s:
    """Return the inputs that settle a stage, then those of `steps` times 20 ms of a recording.

    A sender settles while its payloads grow (`Stage.settling`). A receiver gets all ops for the
    packets of a sender that has settled. Raises InputError if the recording ends before that.
    """
    if isinstance(stage, DecoderStage):
        settling = stage.sending.settling
        inputs = stage.inputs_for(read_speech(audio)[: (settling + steps) * STEP], skip=settling)
    else:
        settling = stage.settling
        inputs = stage.inputs(audio)[: settling + steps]
    if len(inputs) <= stage.settling:
        raise InputError(
            f"{audio}: too short to measure: payloads stop growing after "
            f"{settling * STEP_SECONDS:.2f} s; give a longer recording"
        )
    return inputs


def bench(
    session: Session,
    *,
    target: Target,
    stage: Stage,
    manifest: Mapping[str, Any],
    build_id: str | None,
    inputs: Int16s,
    counter: BlockCounter | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Bench:
    """Measure a board that runs an image built to measure; `inputs` are streamed twice.

    The steps in which the stage settles run but do not count. With the `counter` that the board was
    started with, cycles are estimated too.
    """
    board = session.expect(
        target=target.name,
        stage=stage.name,
        model_hash=bytes.fromhex(stage.hash)[:HASH_BYTES],
        build_id=bytes.fromhex(build_id) if build_id else None,
    )
    target = target.counting_cycles() if board.cycles else target
    settling, counted = stage.settling, inputs[stage.settling :]
    plain = stream(session, inputs, progress=progress).after(settling)
    stamped = stream(session, inputs, trace=True, progress=progress).after(settling)
    spans = layer_spans(target, stage, plain, stamped)
    # The counter's first steps are the run without traces.
    found = None if counter is None else estimate(counter, target, len(plain.ticks), settling)
    cycles = None
    if found is not None:
        cycles = layer_cycles(found.sections, spans.orders, len(stage.layers))
    limits = limits_of(target.isa)
    playback = stage.playback(counted, stage.outputs(plain.outputs))
    parts, layers = parts_of(
        stage,
        Measured(spans.costs, cycles),
        None if playback is None else playback.kinds,
        manifest,
        limits,
        target.isa,
    )
    budget = budget_of(target, plain.ticks)
    judged = None if found is None else budget_of(target, plain.ticks, estimate=found)
    return Bench(target, stage, budget, spans.stamp, parts, layers, limits, found, judged)

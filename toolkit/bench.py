# SPDX-License-Identifier: BSD-3-Clause
"""Where a step's time goes: the cost of every layer and part, from the board's own timer.

An image built to measure stamps the time after each layer into the layer's place in the trace
(toolkit/spans.py). The same image run without traces gives the true cost of a step. A sender's
parts are its networks and what is around them; a receiver's are its ops.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from quantize.encoder import FRAMES_PER_STEP
from quantize.receiver import STEP
from toolkit.audio import read_speech
from toolkit.budget import STEP_SECONDS, Budget, budget_of
from toolkit.codegen.batch import MOST_STEPS
from toolkit.codegen.reads import CHUNKS_A_SECOND, layer_reads
from toolkit.cycles.counter import BlockCounter
from toolkit.cycles.estimate import estimate, layer_cycles
from toolkit.decoder_stage import VOICE_FRAMES
from toolkit.isa_limits import Limit, limits_of
from toolkit.link.session import Session
from toolkit.spans import Floats, layer_orders, layer_spans
from toolkit.stage import HASH_BYTES, DecoderStage, Int16s, Stage
from toolkit.stream import stream
from toolkit.targets import Target

# Layers of several frames or chunks in one step are named frame0.x, frame1.x, chunk1.x, ...
_MANY = re.compile(r"^(frame|chunk)\d+\.")
_A_SECOND = round(1 / STEP_SECONDS)
# How often a receiver does an op in a second without a good packet; what happens once a gap has no
# such number.
_OPS_A_SECOND: dict[str, float] = {"speak": _A_SECOND, "chunk": CHUNKS_A_SECOND, "hear": _A_SECOND}
_OPS_A_SECOND |= {f"{n} chunks": CHUNKS_A_SECOND / n for n in range(2, MOST_STEPS + 1)}
VOICE = "voice"


@dataclass(frozen=True)
class Work:
    """What a layer does in a step: multiply-accumulates, the instructions that they need at least
    (toolkit/isa_limits.py; None without a limit), and the bytes of tables that it reads."""

    macs: int = 0
    least: float | None = None
    read_bytes: int = 0


@dataclass(frozen=True)
class LayerCost:
    """One layer over all its runs in a step, in the budget's unit."""

    name: str
    part: str
    times: int
    mean: float
    max: float
    work: Work


@dataclass(frozen=True)
class PartCost:
    """A part of the stage: features, a network, the payload; or an op of a receiver.

    Over `steps` steps; `a_second` is how many there are in a second of audio, None for what is not
    done regularly.
    """

    name: str
    steps: int
    a_second: float | None
    mean: float
    max: float
    work: Work


@dataclass(frozen=True)
class Bench:
    """What a measurement found; `as_json` is its public form."""

    target: Target
    stage: Stage
    budget: Budget
    stamp_cost: float
    parts: list[PartCost]
    layers: list[LayerCost]
    limits: dict[str, Limit]

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object; costs in `unit`s a step."""
        budget = self.budget
        counted = budget.unit == "instructions"
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
            "step": {
                "max": budget.max,
                "p99": budget.p99,
                "mean": round(budget.mean, 1),
                "limit": budget.limit,
                "used_percent": round(budget.used_percent, 2),
                "estimated": budget.estimated,
                "model": budget.model,
            },
            "stamp_cost": round(self.stamp_cost, 2),
            "isa_limits": [limit.as_json() for limit in self.limits.values()],
            "parts": [
                {"name": p.name, "steps": p.steps, "a_second": p.a_second}
                | _costs(p.mean, p.max, p.work, p.a_second, counted)
                for p in self.parts
            ],
            "layers": [
                {"name": layer.name, "part": layer.part, "times": layer.times}
                | _costs(layer.mean, layer.max, layer.work, often[layer.part], counted)
                for layer in self.layers
            ],
        }


def _costs(
    mean: float, top: float, work: Work, a_second: float | None, counted: bool
) -> dict[str, Any]:
    """Figures of a part or layer; the share of the ISA's limit only where instructions count."""
    macs, least = work.macs, work.least if counted else None
    return {
        "mean": round(mean, 1),
        "max": round(top, 1),
        "macs": macs,
        "per_mac": round(mean / macs, 3) if macs else None,
        "least_per_mac": round(least / macs, 4) if macs and least else None,
        "limit_percent": round(100 * least / mean, 1) if least and mean > 0 else None,
        "weight_bytes": work.read_bytes,
        "weight_bytes_a_second": None if a_second is None else round(work.read_bytes * a_second),
    }


def bench_inputs(stage: Stage, audio: Path, steps: int) -> Int16s:
    """Inputs of the first `steps` times 20 ms of a recording: of a receiver, all ops for them."""
    if isinstance(stage, DecoderStage):
        return stage.inputs_for(read_speech(audio)[: steps * STEP])
    return stage.inputs(audio)[:steps]


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

    With the `counter` that the board was started with, costs are estimated cycles.
    """
    session.expect(
        target=target.name,
        stage=stage.name,
        model_hash=bytes.fromhex(stage.hash)[:HASH_BYTES],
        build_id=bytes.fromhex(build_id) if build_id else None,
    )
    plain = stream(session, inputs, progress=progress)
    stamped = stream(session, inputs, trace=True, progress=progress)
    spans, stamp_cost = layer_spans(target, stage, plain, stamped)
    budget = budget_of(target, plain.ticks)
    if counter is not None:
        found = estimate(counter, target, len(inputs))
        spans = layer_cycles(found.sections, layer_orders(stage, stamped), len(stage.layers))
        budget = budget_of(target, plain.ticks, estimate=found)
    limits = limits_of(target.isa)
    done = {layer["name"]: _work(layer["tables"], limits) for layer in manifest["layers"]}
    playback = stage.playback(inputs, stage.outputs(plain.outputs))
    if playback is None:
        layers = _layers_of_networks(stage, spans, done)
        order = list(dict.fromkeys(layer.part for layer in layers))
        parts = [_network(name, layers, spans, stage) for name in order]
    else:
        kinds = np.array(playback.kinds)
        parts, layers = [], []
        for kind in dict.fromkeys(playback.kinds):
            of_kind = _layers_of_op(kind, stage, spans[kinds == kind], done, manifest, target.isa)
            parts.append(_op(kind, of_kind, spans[kinds == kind]))
            layers += of_kind
    return Bench(target, stage, budget, stamp_cost, parts, layers, limits)


def _work(tables: Sequence[Mapping[str, Any]], limits: dict[str, Limit]) -> Work:
    """What one run of a layer with these tables does."""
    macs = sum(table["macs"] for table in tables)
    known = all(table["weights"] in limits for table in tables if table["macs"])
    least = sum(t["macs"] * limits[t["weights"]].per_mac for t in tables if t["macs"] and known)
    read = sum(table["read_bytes"] for table in tables)
    return Work(macs, least if known and macs else None, read)


def _sum(works: Sequence[Work]) -> Work:
    """All of it together; the least is known if it is for everything that has MACs."""
    macs = sum(work.macs for work in works)
    least = [work.least for work in works if work.macs]
    known = bool(least) and None not in least
    total = sum(value for value in least if value is not None) if known else None
    return Work(macs, total, sum(work.read_bytes for work in works))


def _times(work: Work, times: int) -> Work:
    return _sum([work] * times)


def _base(name: str) -> str:
    """A layer's name without the frame or chunk it belongs to."""
    return _MANY.sub("", name)


def _layers_of_networks(stage: Stage, spans: Floats, done: dict[str, Work]) -> list[LayerCost]:
    """Layers of a stage whose steps are all alike; what no network computes is features."""
    names = [_base(name) for name, _ in stage.layers] + [stage.rest]
    part_of = {node.name: n.graph.name for n in stage.networks for node in n.graph.nodes}
    layers = []
    for name in dict.fromkeys(names):
        runs = [other == name for other in names]
        steps = spans[:, runs].sum(axis=1)
        part = part_of.get(name, stage.rest if name == stage.rest else "features")
        work = _times(done.get(name, Work()), sum(runs))
        layers.append(_layer(name, part, sum(runs), steps, work))
    return layers


def _network(name: str, layers: Sequence[LayerCost], spans: Floats, stage: Stage) -> PartCost:
    own = {layer.name: layer for layer in layers if layer.part == name}
    names = [_base(layer) for layer, _ in stage.layers] + [stage.rest]
    steps = spans[:, [layer in own for layer in names]].sum(axis=1)
    work = _sum([layer.work for layer in own.values()])
    return PartCost(name, len(steps), _A_SECOND, float(steps.mean()), float(steps.max()), work)


def _reads(stage: Stage, isa: str, name: str, steps: int) -> int:
    """Bytes of weights that a layer reads when so many steps of it run at once."""
    (network,) = (n for n in stage.networks if any(node.name == name for node in n.graph.nodes))
    return next(reads.bytes for reads in layer_reads(network, isa, steps) if reads.name == name)


def _layers_of_op(
    kind: str,
    stage: Stage,
    spans: Floats,
    done: dict[str, Work],
    manifest: Mapping[str, Any],
    isa: str,
) -> list[LayerCost]:
    """The layers that an op runs, then the voice, or what else it does."""
    ran = [_base(name) for at, (name, _) in enumerate(stage.layers) if spans[:, at].any()]
    layers = []
    for name in dict.fromkeys(ran):
        of_layer = [_base(other) == name for other, _ in stage.layers] + [False]
        steps = spans[:, of_layer].sum(axis=1)
        times = ran.count(name)
        work = _times(done[name], times)
        if times > 1:
            work = replace(work, read_bytes=_reads(stage, isa, name, times))
        layers.append(_layer(name, kind, times, steps, work))
    if kind in VOICE_FRAMES:
        own = {name for name, _ in stage.layers}
        work = _sum(
            [
                _times(done[layer["name"]], _voice_runs(layer["times"], kind))
                for layer in manifest["layers"]
                if layer["name"] not in own
            ]
        )
        layers.append(_layer(VOICE, kind, 1, spans[:, -1], work))
    else:
        layers.append(_layer(stage.rest, kind, 1, spans[:, -1], Work()))
    return layers


def _voice_runs(times: int, kind: str) -> int:
    """How often an op runs a layer of the voice that runs `times` times in 20 ms."""
    spoken, told = VOICE_FRAMES[kind]
    return told if times == FRAMES_PER_STEP else spoken * times // FRAMES_PER_STEP


def _layer(name: str, part: str, times: int, steps: Floats, work: Work) -> LayerCost:
    return LayerCost(name, part, times, float(steps.mean()), float(steps.max()), work)


def _op(kind: str, layers: Sequence[LayerCost], spans: Floats) -> PartCost:
    steps = spans.sum(axis=1)
    work = _sum([layer.work for layer in layers])
    often = _OPS_A_SECOND.get(kind)
    return PartCost(kind, len(steps), often, float(steps.mean()), float(steps.max()), work)

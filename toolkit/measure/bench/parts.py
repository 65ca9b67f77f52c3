# SPDX-License-Identifier: BSD-3-Clause
"""Costs and work by layer and by part: networks of a sender, ops of a receiver."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.codec.sender import FRAMES_PER_STEP
from quantize.nn.batch import MOST_STEPS
from toolkit.codegen.network.reads import CHUNKS_A_SECOND, layer_reads
from toolkit.codegen.packing.pack import pack_network
from toolkit.measure.budget import STEP_SECONDS
from toolkit.measure.isa_limits import Limit
from toolkit.measure.spans import Floats
from toolkit.stages.stage import Stage

VOICE = "voice"
# Layers of several frames or chunks in one step are named frame0.x, frame1.x, chunk1.x, ...
_MANY = re.compile(r"^(frame|chunk)\d+\.")
_A_SECOND = round(1 / STEP_SECONDS)
# How often a receiver does an op in a second without a good packet. Ops that happen once in a gap
# have no such number.
_OPS_A_SECOND: dict[str, float] = {"speak": _A_SECOND, "chunk": CHUNKS_A_SECOND, "hear": _A_SECOND}
_OPS_A_SECOND |= {f"{n} chunks": CHUNKS_A_SECOND / n for n in range(2, MOST_STEPS + 1)}


@dataclass(frozen=True)
class Work:
    """The work of a layer in a step.

    `macs` counts multiply-accumulates. `least` is the fewest instructions that they need
    (toolkit/measure/isa_limits.py), None without a limit. `reads` has the bytes of tables read, by
    memory.
    """

    macs: int = 0
    least: float | None = None
    reads: dict[str, int] = field(default_factory=dict)

    @property
    def read_bytes(self) -> int:
        """Bytes read from all memories together."""
        return sum(self.reads.values())

    def __mul__(self, times: int) -> "Work":
        least = None if self.least is None else self.least * times
        return Work(self.macs * times, least, {k: n * times for k, n in self.reads.items()})


@dataclass(frozen=True)
class Cost:
    """Cost of a layer or part a step, in the budget's unit; `cycles` is an estimate or None."""

    mean: float
    max: float
    cycles: float | None
    work: Work


@dataclass(frozen=True)
class LayerCost:
    """One layer over all its runs in a step."""

    name: str
    part: str
    times: int
    cost: Cost


@dataclass(frozen=True)
class PartCost:
    """Cost of a part of the stage over `steps` steps.

    A part is the features, a network or the payload, or an op of a receiver. `a_second` is the
    number of its runs in a second of audio, None for a part without a regular rate.
    """

    name: str
    steps: int
    a_second: float | None
    cost: Cost


@dataclass(frozen=True)
class Measured:
    """Costs [steps, layers + 1], the rest last; `cycles` has the same shape if estimated."""

    spans: Floats
    cycles: Floats | None

    def of(self, steps: npt.NDArray[np.bool_]) -> "Measured":
        """Return the measurement of some steps only."""
        return Measured(self.spans[steps], None if self.cycles is None else self.cycles[steps])

    def cost(self, columns: Sequence[bool], work: Work) -> Cost:
        """Return the cost of some layers together."""
        chosen = self.spans[:, list(columns)].sum(axis=1)
        cycles = None if self.cycles is None else self.cycles[:, list(columns)].sum(axis=1).mean()
        estimated = None if cycles is None else float(cycles)
        return Cost(float(chosen.mean()), float(chosen.max()), estimated, work)


def work_of(tables: Sequence[Mapping[str, Any]], limits: Mapping[str, Limit]) -> Work:
    """Return the work of one run of a layer with these tables of a manifest."""
    macs = sum(table["macs"] for table in tables)
    known = all(table["weights"] in limits for table in tables if table["macs"])
    least = sum(t["macs"] * limits[t["weights"]].per_mac for t in tables if t["macs"] and known)
    reads: dict[str, int] = {}
    for table in tables:
        reads[table["memory"]] = reads.get(table["memory"], 0) + table["read_bytes"]
    return Work(macs, least if known and macs else None, reads)


def parts_of(
    stage: Stage,
    measured: Measured,
    kinds: Sequence[str] | None,
    manifest: Mapping[str, Any],
    limits: Mapping[str, Limit],
    isa: str,
) -> tuple[list[PartCost], list[LayerCost]]:
    """Return costs by part and by layer; `kinds` names the op of each step if there are ops."""
    done = {layer["name"]: work_of(layer["tables"], limits) for layer in manifest["layers"]}
    if kinds is None:
        layers = _layers_of_networks(stage, measured, done)
        order = list(dict.fromkeys(layer.part for layer in layers))
        return [_network(name, layers, measured, stage) for name in order], layers
    parts: list[PartCost] = []
    layers = []
    for kind in dict.fromkeys(kinds):
        own = measured.of(np.array(kinds) == kind)
        of_kind = _layers_of_op(kind, stage, own, done, manifest, isa)
        everything = own.cost([True] * own.spans.shape[1], _sum([x.cost.work for x in of_kind]))
        parts.append(PartCost(kind, len(own.spans), _OPS_A_SECOND.get(kind), everything))
        layers += of_kind
    return parts, layers


def _sum(works: Sequence[Work]) -> Work:
    """Add up work; `least` is known if it is known for all work that has MACs."""
    least = [work.least for work in works if work.macs]
    told = [value for value in least if value is not None]
    reads: dict[str, int] = {}
    for work in works:
        for memory, count in work.reads.items():
            reads[memory] = reads.get(memory, 0) + count
    known = bool(told) and len(told) == len(least)
    return Work(sum(work.macs for work in works), sum(told) if known else None, reads)


def _base(name: str) -> str:
    """Return a layer's name without its frame or chunk."""
    return _MANY.sub("", name)


def _layers_of_networks(stage: Stage, measured: Measured, done: dict[str, Work]) -> list[LayerCost]:
    """Return the layers of a stage whose steps are all alike.

    Layers that belong to no network are features.
    """
    names = [_base(name) for name, _ in stage.layers] + [stage.rest]
    part_of = {node.name: n.graph.name for n in stage.networks for node in n.graph.nodes}
    layers = []
    for name in dict.fromkeys(names):
        runs = [other == name for other in names]
        part = part_of.get(name, stage.rest if name == stage.rest else "features")
        cost = measured.cost(runs, done.get(name, Work()) * sum(runs))
        layers.append(LayerCost(name, part, sum(runs), cost))
    return layers


def _network(name: str, layers: Sequence[LayerCost], measured: Measured, stage: Stage) -> PartCost:
    own = {layer.name: layer for layer in layers if layer.part == name}
    names = [_base(layer) for layer, _ in stage.layers] + [stage.rest]
    work = _sum([layer.cost.work for layer in own.values()])
    cost = measured.cost([layer in own for layer in names], work)
    return PartCost(name, len(measured.spans), _A_SECOND, cost)


def _layers_of_op(
    kind: str,
    stage: Stage,
    measured: Measured,
    done: dict[str, Work],
    manifest: Mapping[str, Any],
    isa: str,
) -> list[LayerCost]:
    """Return the layers that an op runs, then the voice or the rest of its work."""
    spans = measured.spans
    ran = [_base(name) for at, (name, _) in enumerate(stage.layers) if spans[:, at].any()]
    layers = []
    for name in dict.fromkeys(ran):
        of_layer = [_base(other) == name for other, _ in stage.layers] + [False]
        times = ran.count(name)
        work = done[name] * times
        if times > 1:
            work = Work(work.macs, work.least, _reads(stage, isa, name, times, done[name]))
        layers.append(LayerCost(name, kind, times, measured.cost(of_layer, work)))
    rest = [False] * len(stage.layers) + [True]
    if frames := stage.voice_frames(kind):
        own = {name for name, _ in stage.layers}
        others = [layer for layer in manifest["layers"] if layer["name"] not in own]
        runs = [done[x["name"]] * _voice_runs(x["times"], frames) for x in others]
        return [*layers, LayerCost(VOICE, kind, 1, measured.cost(rest, _sum(runs)))]
    return [*layers, LayerCost(stage.rest, kind, 1, measured.cost(rest, Work()))]


def _reads(stage: Stage, isa: str, name: str, steps: int, once: Work) -> dict[str, int]:
    """Return the bytes that a layer reads when `steps` steps of it run at once, by memory.

    Each memory has the same share as in a single step.
    """
    (network,) = (n for n in stage.networks if any(node.name == name for node in n.graph.nodes))
    found = layer_reads(pack_network(network, isa), steps)
    total = next(reads.bytes for reads in found if reads.name == name)
    return {memory: count * total // once.read_bytes for memory, count in once.reads.items()}


def _voice_runs(times: int, frames: tuple[int, int]) -> int:
    """Return how often an op runs a layer of the voice that runs `times` times in 20 ms."""
    spoken, told = frames
    return told if times == FRAMES_PER_STEP else spoken * times // FRAMES_PER_STEP

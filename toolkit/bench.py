# SPDX-License-Identifier: BSD-3-Clause
"""Where a step's time goes: the cost of every layer and part, from the board's own timer.

An image built to measure stamps the time after each layer into the layer's place in the trace
(firmware/nn/trace.c). The same image run without traces gives the true cost of a step; what the
stamps add to it is taken out again, the same share for each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.budget import Budget, budget_of
from toolkit.errors import CheckFailed, InputError
from toolkit.link.session import Session
from toolkit.stage import HASH_BYTES, Int16s, Stage
from toolkit.stream import Streamed, stream
from toolkit.targets import Target

Floats = npt.NDArray[np.float64]

TOLERANCE = 0.02  # by how much a figure may grow over a committed one
_FRAME = "frame"  # layers of several frames in one step are named frame0.x, frame1.x, ...


@dataclass(frozen=True)
class LayerCost:
    """One layer over all its runs in a step. `macs` and `weight_bytes` are those of a step."""

    name: str
    part: str
    times: int
    mean: float
    max: float
    macs: int
    weight_bytes: int

    @property
    def per_mac(self) -> float | None:
        """Units a multiply-accumulate; None where the layer has none."""
        return self.mean / self.macs if self.macs else None


@dataclass(frozen=True)
class PartCost:
    """A part of the stage: features, a network, the payload."""

    name: str
    mean: float
    max: float


@dataclass(frozen=True)
class Bench:
    """What a measurement found; `as_json` is its public form."""

    target: Target
    stage: Stage
    budget: Budget
    stamp_cost: float
    parts: list[PartCost]
    layers: list[LayerCost]

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object; costs in `unit`s a step."""
        budget = self.budget
        return {
            "target": self.target.name,
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
            },
            "stamp_cost": round(self.stamp_cost, 2),
            "parts": [
                {"name": p.name, "mean": round(p.mean, 1), "max": round(p.max, 1)}
                for p in self.parts
            ],
            "layers": [
                {
                    "name": layer.name,
                    "part": layer.part,
                    "times": layer.times,
                    "mean": round(layer.mean, 1),
                    "max": round(layer.max, 1),
                    "macs": layer.macs,
                    "per_mac": None if layer.per_mac is None else round(layer.per_mac, 3),
                    "weight_bytes": layer.weight_bytes,
                }
                for layer in self.layers
            ],
        }


def bench(
    session: Session,
    *,
    target: Target,
    stage: Stage,
    manifest: dict[str, Any],
    build_id: str | None,
    inputs: Int16s,
    progress: Callable[[], None] = lambda: None,
) -> Bench:
    """Measure a board that runs an image built to measure; `inputs` are streamed twice."""
    session.expect(
        target=target.name,
        stage=stage.name,
        model_hash=bytes.fromhex(stage.hash)[:HASH_BYTES],
        build_id=bytes.fromhex(build_id) if build_id else None,
    )
    plain = stream(session, inputs, progress=progress)
    stamped = stream(session, inputs, trace=True, progress=progress)
    spans, stamp_cost = layer_spans(target, stage, plain, stamped)
    rest = stage.rest
    names = [name for name, _ in stage.layers] + [rest]
    part_of = _parts(stage)
    return Bench(
        target=target,
        stage=stage,
        budget=budget_of(target, plain.ticks),
        stamp_cost=stamp_cost,
        parts=_sum_parts(names, spans, part_of),
        layers=_sum_layers(names, spans, part_of, manifest),
    )


def layer_spans(
    target: Target, stage: Stage, plain: Streamed, stamped: Streamed
) -> tuple[Floats, float]:
    """Cost [steps, layers + 1] of each layer and of what follows the last, and that of a stamp."""
    sizes = np.array([size for _, size in stage.layers])
    places = 2 * (np.cumsum(sizes) - sizes)
    if sizes.min() < 2:
        raise InputError(f"stage {stage.name}: a layer of one value has no room for a time")
    rows = np.array([np.frombuffer(trace, np.uint8) for trace in stamped.traces])
    stamps = np.stack([rows[:, at : at + 4].copy().view("<u4")[:, 0] for at in places], axis=1)
    ends = np.concatenate([stamps, np.array(stamped.ticks)[:, None]], axis=1)
    ticks = np.diff(ends.astype(np.int64), axis=1, prepend=0)
    unit = (target.count(1 << 20)) / (1 << 20)
    extra = np.array(stamped.ticks) - np.array(plain.ticks)
    stamp_ticks = float(extra.mean()) / len(sizes)
    spans = ticks.astype(np.float64)
    spans[:, :-1] -= stamp_ticks
    return spans * unit, stamp_ticks * unit


def _base(name: str) -> str:
    """A layer's name without the frame it belongs to."""
    return name.split(".", 1)[1] if name.startswith(_FRAME) and "." in name else name


def _parts(stage: Stage) -> dict[str, str]:
    """Layer (without its frame) -> part of the stage; what no network computes is features."""
    found = {node.name: n.graph.name for n in stage.networks for node in n.graph.nodes}
    own = {_base(name) for name, _ in stage.layers} - found.keys()
    return found | dict.fromkeys(own, "features") | {stage.rest: stage.rest}


def _sum_parts(names: Sequence[str], spans: Floats, part_of: dict[str, str]) -> list[PartCost]:
    order = list(dict.fromkeys(part_of[_base(name)] for name in names))
    parts = []
    for part in order:
        of_part = [part_of[_base(name)] == part for name in names]
        steps = spans[:, of_part].sum(axis=1)
        parts.append(PartCost(part, float(steps.mean()), float(steps.max())))
    return parts


def _sum_layers(
    names: Sequence[str], spans: Floats, part_of: dict[str, str], manifest: dict[str, Any]
) -> list[LayerCost]:
    known = {layer["name"]: layer for layer in manifest["layers"]}
    layers = []
    for base in dict.fromkeys(_base(name) for name in names):
        of_layer = [_base(name) == base for name in names]
        steps = spans[:, of_layer].sum(axis=1)
        times = sum(of_layer)
        entry = known.get(base, {"macs": 0, "flash_bytes": 0})
        layers.append(
            LayerCost(
                name=base,
                part=part_of[base],
                times=times,
                mean=float(steps.mean()),
                max=float(steps.max()),
                macs=entry["macs"] * times,
                weight_bytes=entry["flash_bytes"] * times,
            )
        )
    return layers


def check_against(found: dict[str, Any], committed: dict[str, Any]) -> None:
    """CheckFailed where the step or a part costs over 2 % more than committed figures say.

    Both as `Bench.as_json` gives them. InputError if they are not of the same thing.
    """
    for key in ("target", "stage", "unit", "steps"):
        if found[key] != committed.get(key):
            raise InputError(
                f"the committed figures are for {key} {committed.get(key)}, these for {found[key]}"
            )
    before = {"step": committed["step"]["mean"]}
    before |= {part["name"]: part["mean"] for part in committed["parts"]}
    now = {"step": found["step"]["mean"]} | {p["name"]: p["mean"] for p in found["parts"]}
    for name, cost in now.items():
        if name not in before or cost > before[name] * (1 + TOLERANCE):
            raise CheckFailed(
                f"{found['target']}: {name} costs {cost:,.0f} {found['unit']} a step, "
                f"committed is {before.get(name, 0):,.0f}; find out why, or commit the new figures"
            )

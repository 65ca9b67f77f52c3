# SPDX-License-Identifier: BSD-3-Clause
"""The proof: integer.py, host C and a board compute the same bits, and every step fits.

integer.py is the reference. Host C is compared layer by layer at every step. A board is compared
by its outputs, and in a second pass layer by layer when traces are asked for; when outputs differ,
the run is repeated with traces in any case, so that the first wrong layer is named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.graph import Graph
from quantize.model import QuantisedModel
from quantize.run import run_integer
from toolkit.budget import Budget, budget_of
from toolkit.build import BuildResult
from toolkit.compare import Comparison, compare, split_trace
from toolkit.hostlib import HostEngine
from toolkit.link.session import Session
from toolkit.report.checks import checks
from toolkit.stream import Streamed, stream
from toolkit.targets import Target

Int16s = npt.NDArray[np.int16]
Progress = Callable[[], None]


@dataclass(frozen=True)
class Verification:
    """Everything that a verification found; `as_json` is its public form."""

    target: Target
    model: QuantisedModel
    manifest: dict[str, Any]
    build: BuildResult | None
    audio: Path
    inputs: Int16s
    outputs: dict[str, Int16s]
    comparisons: dict[str, Comparison]
    budget: Budget
    stack_used: int
    link: dict[str, Any]

    @property
    def mismatches(self) -> int:
        return sum(c.mismatches for c in self.comparisons.values())

    @property
    def ok(self) -> bool:
        """Not one value differs, every step kept to the limit, and memory suffices."""
        return all(check.ok for check in checks(self._facts()))

    def as_json(self) -> dict[str, Any]:
        """The verdict as a JSON object (DESIGN section 7 gives the least that is in it)."""
        return {"ok": self.ok, **self._facts()}

    def _facts(self) -> dict[str, Any]:
        found = [c.first for c in self.comparisons.values() if c.first is not None]
        first = min(found, key=lambda mismatch: mismatch.step, default=None)
        build = self.build
        return {
            "target": self.target.name,
            "model_hash": self.model.hash,
            "scheme": self.model.scheme,
            "stage": self.model.graph.name,
            "source": self.model.source,
            "audio": self.audio.name,
            "frames": len(self.inputs),
            "mismatches": self.mismatches,
            "first_mismatch": None if first is None else _mismatch(first),
            "comparisons": {
                who: {
                    "values": c.values,
                    "mismatches": c.mismatches,
                    "first": None if c.first is None else _mismatch(c.first),
                }
                for who, c in self.comparisons.items()
            },
            "budget": self.budget.as_json(),
            "memory": {
                "flash": build.flash if build else None,
                "flash_limit": build.flash_limit if build else None,
                "ram": build.ram if build else None,
                "ram_limit": build.ram_limit if build else None,
                "stack": build.stack if build else None,
                "stack_worst": build.stack_worst if build else None,
                "stack_used": self.stack_used or None,
            },
            "build_id": build.build_id if build else None,
            "link": self.link,
        }


def _mismatch(first: Any) -> dict[str, Any]:
    return dict(vars(first))


def layer_sizes(graph: Graph) -> list[tuple[str, int]]:
    """The layers of a trace, in order, with their sizes."""
    return [(node.name, node.output.size) for node in graph.nodes]


def reference(model: QuantisedModel, inputs: Int16s) -> dict[str, Int16s]:
    """Every layer's output by the normative arithmetic: [steps, size] int16 per layer."""
    run = run_integer(model, inputs.astype(np.int64))
    return {name: values.astype("<i2") for name, values in run.items()}


def compare_host(
    engine: HostEngine, model: QuantisedModel, inputs: Int16s, want: dict[str, Int16s]
) -> Comparison:
    """Run the host library and compare every layer of every step."""
    engine.reset()
    traces = [engine.step(row.astype("<i2").tobytes())[1] for row in inputs]
    sizes = layer_sizes(model.graph)
    return compare("host C", [n for n, _ in sizes], split_trace(traces, sizes), want)


def output_layers(graph: Graph) -> list[tuple[str, int]]:
    """The layers that write the graph's outputs, in the order of a step's output bytes."""
    writers = {node.output.buffer: node for node in graph.nodes}
    return [(writers[name].name, graph.buffers[name]) for name in graph.outputs]


def compare_board(
    session: Session,
    target: Target,
    model: QuantisedModel,
    inputs: Int16s,
    want: dict[str, Int16s],
    *,
    trace: bool = False,
    progress: Progress = lambda: None,
) -> tuple[Comparison, Streamed]:
    """Stream all steps through a board and compare its outputs.

    With `trace` they are streamed a second time to compare every layer: the costs that come back
    are those of the first pass, which does nothing but the work.
    """
    streamed = stream(session, inputs, progress=progress)
    sizes = output_layers(model.graph)
    got = split_trace(streamed.outputs, sizes)
    found = compare(target.name, [name for name, _ in sizes], got, want)
    if trace:
        again = stream(session, inputs, trace=True, progress=progress)
        layers = _compare_traces(target, model, again, want)
        first = layers.first or found.first
        mismatches = found.mismatches + layers.mismatches
        return Comparison(found.values + layers.values, mismatches, first), streamed
    if found.first is not None:
        # Repeat up to the first wrong step with traces: the cause lies in an earlier layer.
        steps = found.first.step + 1
        again = stream(session, inputs[:steps], trace=True)
        cut = {name: values[:steps] for name, values in want.items()}
        traced = _compare_traces(target, model, again, cut)
        found = Comparison(found.values, found.mismatches, traced.first or found.first)
    return found, streamed


def _compare_traces(
    target: Target, model: QuantisedModel, streamed: Streamed, want: dict[str, Int16s]
) -> Comparison:
    sizes = layer_sizes(model.graph)
    got = split_trace(streamed.traces, sizes)
    return compare(target.name, [name for name, _ in sizes], got, want)


def verify(
    session: Session,
    *,
    target: Target,
    model: QuantisedModel,
    manifest: dict[str, Any],
    build: BuildResult | None,
    engine: HostEngine,
    audio: Path,
    inputs: Int16s,
    trace: bool = False,
    progress: Progress = lambda: None,
) -> Verification:
    """Verify one model on one board over one recording; see the module's text."""
    session.expect(
        target=target.name,
        stage=model.graph.name,
        model_hash=bytes.fromhex(model.hash)[:16],
        build_id=bytes.fromhex(build.build_id) if build else None,
    )
    want = reference(model, inputs)
    on_host = compare_host(engine, model, inputs, want)
    on_board, streamed = compare_board(
        session, target, model, inputs, want, trace=trace, progress=progress
    )
    names = output_layers(model.graph)
    by_layer = split_trace(streamed.outputs, names)
    outputs = {
        buffer: by_layer[name] for buffer, (name, _) in zip(model.graph.outputs, names, strict=True)
    }
    return Verification(
        target=target,
        model=model,
        manifest=manifest,
        build=build,
        audio=audio,
        inputs=inputs,
        outputs=outputs,
        comparisons={"host C": on_host, target.name: on_board},
        budget=budget_of(target, streamed.ticks),
        stack_used=streamed.stack_used,
        link=streamed.link,
    )

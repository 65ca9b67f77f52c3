# SPDX-License-Identifier: BSD-3-Clause
"""The proof: integer.py, host C and a board compute the same bits, and every step fits.

integer.py is the reference. Host C is compared layer by layer at every step. A board is compared by
its outputs, and with `trace` also layer by layer, in a second pass. If outputs differ, the run is
repeated with traces in any case, so that the verdict names the first wrong layer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.device.build.build import BuildResult
from toolkit.device.build.hostlib import HostEngine
from toolkit.device.link.session import Session
from toolkit.device.stream import Streamed, stream
from toolkit.measure.budget import Budget, budget_of, by_kind, clock_of
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.measure.cycles.estimate import Estimate, estimate
from toolkit.stages.base import Playback
from toolkit.stages.stage import HASH_BYTES, DecoderStage, Reference, Stage
from toolkit.targets.target import Target
from toolkit.verify.checks import checks
from toolkit.verify.compare import Comparison, compare, split_trace

Int16s = npt.NDArray[np.int16]
Progress = Callable[[], None]


@dataclass(frozen=True)
class Verification:
    """Everything that a verification found; `as_json` is its public form.

    `sender` has the verdict on the firmware that made a receiver's payloads: ok, verdict, page.
    `estimate` is the source of the budget's cycles if they are estimated. `without` is what the
    same receiver plays if no packet carries a payload, samples at 16 kHz, where that was made.
    """

    target: Target
    stage: Stage
    manifest: dict[str, Any]
    build: BuildResult | None
    audio: Path
    inputs: Int16s
    outputs: dict[str, Int16s]
    comparisons: dict[str, Comparison]
    budget: Budget
    stack_used: int
    link: dict[str, Any]
    sender: dict[str, Any] | None = None
    estimate: Estimate | None = None
    without: Int16s | None = None

    @cached_property
    def playback(self) -> Playback | None:
        """What the board played; None if the stage does not speak."""
        return self.stage.playback(self.inputs, self.outputs)

    @property
    def mismatches(self) -> int:
        return sum(c.mismatches for c in self.comparisons.values())

    @property
    def ok(self) -> bool:
        """Whether no value differs, every step is within the limit, and memory suffices."""
        return all(check.ok for check in checks(self._facts()))

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON object; toolkit/report/schema.py has its shape."""
        return {"ok": self.ok, **self._facts()}

    def _facts(self) -> dict[str, Any]:
        found = [c.first for c in self.comparisons.values() if c.first is not None]
        first = min(found, key=lambda mismatch: mismatch.step, default=None)
        build = self.build
        return {
            "target": self.target.name,
            "model_hash": self.stage.hash,
            "scheme": self.stage.scheme,
            "stage": self.stage.name,
            "source": self.stage.source,
            "settings": self.stage.settings,
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
            "cycles": None if self.estimate is None else self.estimate.as_json(),
            "ops": self._ops(),
            "weight_reads": self.manifest.get("weight_reads"),
            "sender": self.sender,
            "memory": memory_of(build, self.stack_used),
            "build_id": build.build_id if build else None,
            "link": self.link,
        }

    def _ops(self) -> dict[str, dict[str, Any]] | None:
        """Return the cost of each kind of step; None for a stage whose steps are all alike."""
        if self.playback is None:
            return None
        return {
            kind: {
                "steps": len(part.per_frame),
                "max": part.max,
                "mean": round(part.mean, 1),
                "first": part.first,
                "used_percent": round(part.used_percent, 2),
            }
            for kind, part in by_kind(self.budget, self.playback.kinds).items()
        }


def memory_of(build: BuildResult | None, stack_used: int) -> dict[str, int | None]:
    """Return what an image takes of the board's memory, in bytes; None for what is not known."""
    return {
        "flash": build.flash if build else None,
        "flash_limit": build.flash_limit if build else None,
        "ram": build.ram if build else None,
        "ram_limit": build.ram_limit if build else None,
        "stack": build.stack if build else None,
        "stack_worst": build.stack_worst if build else None,
        "stack_used": stack_used or None,
    }


def _mismatch(first: Any) -> dict[str, Any]:
    return dict(vars(first))


def without_payloads(engine: HostEngine, stage: DecoderStage, pcm: Int16s, packets: int) -> Int16s:
    """Return what a receiver plays on this machine if the same packets are lost and none pays.

    `pcm` is int16 at 16 kHz; the result [samples] too.
    """
    inputs = stage.inputs_of(pcm, [b""] * packets)
    engine.reset()
    rows = [engine.step(row.astype("<i2").tobytes())[0] for row in inputs]
    return stage.playback(inputs, stage.outputs(rows)).pcm.astype(np.int16)


def compare_host(engine: HostEngine, stage: Stage, inputs: Int16s, want: Reference) -> Comparison:
    """Run the host library; compare every layer and the outputs of every step."""
    engine.reset()
    steps = [engine.step(row.astype("<i2").tobytes()) for row in inputs]
    layers = _compare_layers("host C", stage, [trace for _, trace in steps], want)
    return _join(layers, _compare_outputs("host C", stage, [out for out, _ in steps], want))


def compare_board(
    session: Session,
    target: Target,
    stage: Stage,
    inputs: Int16s,
    want: Reference,
    *,
    trace: bool = False,
    progress: Progress = lambda: None,
) -> tuple[Comparison, Streamed]:
    """Stream all steps through a board and compare its outputs.

    With `trace`, stream them a second time to compare every layer. The returned costs are from the
    first pass, which does nothing but the work.
    """
    streamed = stream(session, inputs, progress=progress)
    found = _compare_outputs(target.name, stage, streamed.outputs, want)
    if trace:
        again = stream(session, inputs, trace=True, progress=progress)
        return _join(_compare_layers(target.name, stage, again.traces, want), found), streamed
    if found.first is not None:
        # Repeat up to the first wrong step with traces: the cause lies in an earlier layer.
        steps = found.first.step + 1
        again = stream(session, inputs[:steps], trace=True)
        cut = Reference({name: values[:steps] for name, values in want.layers.items()}, {})
        traced = _compare_layers(target.name, stage, again.traces, cut)
        found = Comparison(found.values, found.mismatches, traced.first or found.first)
    return found, streamed


def _compare_layers(who: str, stage: Stage, traces: Sequence[bytes], want: Reference) -> Comparison:
    got = split_trace(traces, stage.layers)
    return compare(who, [name for name, _ in stage.layers], got, want.layers)


def _compare_outputs(who: str, stage: Stage, rows: Sequence[bytes], want: Reference) -> Comparison:
    return compare(who, list(want.outputs), stage.outputs(rows), want.outputs)


def _join(layers: Comparison, outputs: Comparison) -> Comparison:
    """Join both; a layer is named before the output that follows from it."""
    values, mismatches = layers.values + outputs.values, layers.mismatches + outputs.mismatches
    return Comparison(values, mismatches, layers.first or outputs.first)


def verify(
    session: Session,
    *,
    target: Target,
    stage: Stage,
    manifest: dict[str, Any],
    build: BuildResult | None,
    engine: HostEngine,
    audio: Path,
    inputs: Int16s,
    trace: bool = False,
    clock_hz: int | None = None,
    counter: BlockCounter | None = None,
    progress: Progress = lambda: None,
) -> Verification:
    """Verify one stage on one board over one recording; see the module's docstring.

    `clock_hz` judges the cost by another clock than `clock_of` chooses. With the `counter` that the
    board was started with, estimated cycles are judged in place of instructions.
    """
    estimated = counter is not None
    clock_of(target, clock_hz, estimated)  # refuse a bad clock before a long run, not after it
    board = session.expect(
        target=target.name,
        stage=stage.name,
        model_hash=bytes.fromhex(stage.hash)[:HASH_BYTES],
        build_id=bytes.fromhex(build.build_id) if build else None,
    )
    target = target.counting_cycles() if board.cycles else target
    want = stage.reference(inputs)
    on_host = compare_host(engine, stage, inputs, want)
    on_board, streamed = compare_board(
        session, target, stage, inputs, want, trace=trace, progress=progress
    )
    found = None if counter is None else estimate(counter, target, len(streamed.ticks))
    return Verification(
        target=target,
        stage=stage,
        manifest=manifest,
        build=build,
        audio=audio,
        inputs=inputs,
        outputs=stage.outputs(streamed.outputs),
        comparisons={"host C": on_host, target.name: on_board},
        budget=budget_of(target, streamed.ticks, clock_of(target, clock_hz, estimated), found),
        stack_used=streamed.stack_used,
        link={**streamed.link, "core_counts_cycles": board.cycles},
        estimate=found,
    )

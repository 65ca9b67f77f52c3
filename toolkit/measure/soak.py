# SPDX-License-Identifier: BSD-3-Clause
"""A long run in real time: what a frame of 20 ms costs, and how often it is late.

On silicon each frame is sent when it would come from a microphone. An emulated board gets frames as
fast as it takes them, and its costs are instructions, not time.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from toolkit.device.build.hostlib import HostEngine
from toolkit.device.link.session import Session
from toolkit.measure.budget import EMULATED_TIME, NANOSECONDS, STEP_SECONDS, Clock, upper
from toolkit.targets.target import Target

Int16s = npt.NDArray[np.int16]
BINS: Final = 60
WORST: Final = 5  # frames that are named


@dataclass
class Run:
    """What a soak measured: the ticks of each frame, late answers, wrong outputs.

    `frames` is the frame of each step. `late` counts frames whose answer came after the next frame
    was due, line and host included; `worst_late_s` is by how much at most.
    """

    ticks: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    late: int = 0
    worst_late_s: float = 0.0
    mismatches: int = 0
    first_mismatch: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Feed:
    """The steps of one pass: inputs [steps, n], and the frame of 20 ms that each belongs to."""

    inputs: Int16s
    frames: Sequence[int]

    @property
    def length(self) -> int:
        """Frames in a pass."""
        return self.frames[-1] + 1

    def steps(self, count: int) -> Iterator[tuple[int, bytes]]:
        """Yield (frame, input) for `count` frames, from the start again at the end of a pass."""
        rows = [row.astype("<i2").tobytes() for row in self.inputs]
        first = 0
        while True:
            for frame, row in zip(self.frames, rows, strict=True):
                if first + frame >= count:
                    return
                yield first + frame, row
            first += self.length


def run_soak(
    session: Session,
    engine: HostEngine,
    feed: Feed,
    count: int,
    *,
    paced: bool,
    progress: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Run `count` frames in one session; compare every output with host C.

    With `paced`, a frame is sent no earlier than 20 ms after the one before it.
    """
    session.open()
    engine.reset()
    found = Run()
    sent: list[tuple[int, bytes]] = []
    began = clock()

    def inputs() -> Iterator[bytes]:
        for frame, row in feed.steps(count):
            if paced and (wait := began + frame * STEP_SECONDS - clock()) > 0:
                sleep(wait)
            sent.append((frame, row))
            yield row

    for result in session.run_steps(inputs()):
        frame, row = sent.pop()
        found.frames.append(frame)
        if frame == len(found.ticks):
            found.ticks.append(0)
            progress()
        found.ticks[frame] += result.ticks
        if engine.step(row)[0] != result.output:
            found.mismatches += 1
            found.first_mismatch = frame if found.first_mismatch is None else found.first_mismatch
        if paced:
            behind = clock() - began - (frame + 1) * STEP_SECONDS
            found.late += behind > 0
            found.worst_late_s = max(found.worst_late_s, behind)
    found.seconds = clock() - began
    return found


def soak_facts(run: Run, target: Target, clock: Clock, *, paced: bool) -> dict[str, Any]:
    """Return the public JSON of a soak, without who ran what."""
    unit = target.unit
    hz = NANOSECONDS if unit == "nanoseconds" else clock.hz
    costs = np.array([target.count(ticks) for ticks in run.ticks], dtype=np.float64)
    ms = 1000.0 * costs / hz
    limit_ms = 1000.0 * STEP_SECONDS
    judged = target.runner is None  # time in an emulator says nothing
    misses = int((ms > limit_ms).sum()) if judged else None
    edges, counts = _histogram(ms)
    order = np.argsort(ms)[::-1][:WORST]
    return {
        "ok": not run.mismatches and not misses,
        "unit": unit,
        "clock_hz": hz,
        "clock_source": clock.source,
        "label": _label(target, clock),
        "judged": judged,
        "paced": paced,
        "frames": len(ms),
        "seconds": round(run.seconds, 3),
        "limit_ms": limit_ms,
        "ms": {
            "first": _rounded(ms[0]), "mean": _rounded(ms.mean()), "p50": _rounded(upper(ms, 50)),
            "p99": _rounded(upper(ms, 99)), "p99.9": _rounded(upper(ms, 99.9)),
            "worst": _rounded(ms.max()),
        },
        "worst_frames": [{"frame": int(n), "ms": _rounded(ms[n])} for n in order],
        "misses": misses,
        "late": run.late if paced else None,
        "worst_late_ms": round(1000 * run.worst_late_s, 3) if paced else None,
        "mismatches": run.mismatches,
        "first_mismatch": run.first_mismatch,
        "histogram": {"edges_ms": [_rounded(edge) for edge in edges], "counts": counts},
    }  # fmt: skip


def _label(target: Target, clock: Clock) -> str:
    """Return what the milliseconds are, in a sentence."""
    if target.runner is not None:
        return f"{EMULATED_TIME}: not judged"
    if target.unit == "instructions":
        return (
            f"instructions of an emulator, not time: ms at one cycle an instruction and "
            f"{clock.hz / 1e6:g} MHz"
        )
    if target.unit == "cycles":
        return f"cycles that the core counted, at {clock.hz / 1e6:g} MHz"
    if not target.is_board:
        return "time by the clock on the wall: what other programs took from a step counts"
    return "time by the board's clock, from the start of a step to its end"


def _histogram(ms: npt.NDArray[np.float64]) -> tuple[list[float], list[int]]:
    low, high = float(ms.min()), float(ms.max())
    if low == high:
        low, high = low * 0.99, high * 1.01 + 1e-6
    counts, edges = np.histogram(ms, bins=BINS, range=(low, high))
    return edges.tolist(), counts.tolist()


def _rounded(value: float) -> float:
    return round(float(value), 6)

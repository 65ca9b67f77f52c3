# SPDX-License-Identifier: BSD-3-Clause
"""Stream step inputs through a board and keep the results."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.device.link.session import Session

Int16s = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Streamed:
    """A whole run: per step its output bytes, trace (if asked for) and timer ticks."""

    outputs: list[bytes]
    traces: list[bytes]
    ticks: list[int]
    stack_used: int
    link: dict[str, Any]

    def after(self, steps: int) -> "Streamed":
        """Return the same run without its first `steps` steps."""
        return replace(
            self,
            outputs=self.outputs[steps:],
            traces=self.traces[steps:],
            ticks=self.ticks[steps:],
        )


def stream(
    session: Session,
    inputs: Int16s,
    *,
    trace: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Streamed:
    """Run every row of `inputs` [steps, n] in one new session, one step under way at a time.

    `progress` is called after each step. Raises LinkError as Session does.
    """
    started = time.monotonic()
    before = vars(session.counts).copy()
    session.open(trace=trace)
    outputs, traces, ticks = [], [], []
    for result in session.run_steps(row.astype("<i2").tobytes() for row in inputs):
        outputs.append(result.output)
        ticks.append(result.ticks)
        if result.trace is not None:
            traces.append(result.trace)
        progress()
    counters = session.counters()
    link = {name: value - before[name] for name, value in vars(session.counts).items()}
    link["seconds"] = round(time.monotonic() - started, 3)
    link["board_rx_dropped"] = counters.rx_dropped
    link["board_frames_rejected"] = counters.frames_rejected
    return Streamed(outputs, traces, ticks, counters.stack_peak, link)

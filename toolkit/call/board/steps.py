# SPDX-License-Identifier: BSD-3-Clause
"""A call as steps of a board, one for each packet of 20 ms, in virtual time.

A jitter buffer of `depth` packets plays a packet when the one `depth` later can have arrived. The
receiver gets a payload when its packet arrives after a lost one, and also that of each packet which
is played while the voice speaks. It does one unit of work after each packet, so that no packet
costs much more than another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from quantize.codec.receiver import STEP
from quantize.packet.extension import LIBOPUS_1_6, Found
from toolkit.call.play import UNIT, Decoded, redundancy_of
from toolkit.common.errors import InputError
from toolkit.stages.base import Int16s
from toolkit.stages.calling import CallStep, Heard, Kind

DEPTH: Final = 5  # packets: 100 ms
# The clock of the first packet: it wraps after half a second.
FIRST: Final = (1 << 32) - 25 * STEP
_BUDGET: Final = 1
_FORESEEN: Final = 4  # packets: the receiver prepares for what begins within 70 ms


class Engine(Protocol):
    """The engine of a call, compiled for this machine: toolkit.device.build.hostlib.HostEngine."""

    def reset(self) -> None:
        """Return to the state before the first step."""

    def step(self, inputs: bytes) -> tuple[bytes, bytes]:
        """Run one step; return its output and its trace."""


@dataclass(frozen=True)
class Steps:
    """The steps of a call: their inputs [steps, n], and for each step its packet.

    `rows` has what this machine's engine answered to each step. `gone` and `carries` say of each
    packet whether it is lost, and whether it has arrived with a payload.
    """

    inputs: Int16s
    packets: list[int]
    rows: list[bytes]
    gone: list[bool]
    carries: list[bool]


def steps_of(base: Decoded, engine: Engine, depth: int = DEPTH) -> Steps:
    """Make the steps of a call, whose packets have 20 ms, and run them through `engine`.

    Which payloads a receiver gets depends on whether the voice speaks, which the engine tells.
    Raises InputError for packets of another length, and for a payload that a board has no room for.
    """
    if base.samples != STEP:
        raise InputError(f"packets of {base.samples / 16:g} ms: a board plays packets of 20 ms")
    found = [redundancy_of(packet, (LIBOPUS_1_6,)) for packet in base.arrived]
    packets: list[int] = []
    inputs: list[bytes] = []
    rows: list[bytes] = []
    speaking = False
    engine.reset()
    for packet in range(len(base.gone)):
        for step in _steps(base, found, packet, depth, speaking):
            packets.append(packet)
            inputs.append(step.packed())
            rows.append(engine.step(inputs[-1])[0])
            speaking = Heard.unpacked(rows[-1]).speaking
    table = np.array([np.frombuffer(data, "<i2") for data in inputs])
    return Steps(table, packets, rows, base.gone, [one is not None for one in found])


def _steps(
    base: Decoded, found: Sequence[Found | None], packet: int, depth: int, speaking: bool
) -> Iterator[CallStep]:
    """Yield the steps of a packet: one, and another before it for each further payload."""
    clock = _stamp(packet)
    taken = list(_taken(base, found, packet, depth, speaking))
    for one in taken[:-1]:
        yield CallStep(Kind.NOTHING, clock, payload=one[1], time=one[0])
    kind = Kind.GOOD
    if base.gone[packet]:
        kind = Kind.RECOVERED if base.recovers[packet] else Kind.CONCEALED
    soon = _packets_to_gap(base, packet, depth)
    step = CallStep(kind, clock, base.pcm[packet], expect=soon, budget=_BUDGET)
    if taken:
        step = replace(step, time=taken[-1][0], payload=taken[-1][1])
    yield step


def _packets_to_gap(base: Decoded, packet: int, depth: int) -> int:
    """Return how many packets after this one the next gap begins, 0 if none begins soon.

    The buffer knows whether LBRR recovers a packet when the next one can have arrived.
    """
    known = max(min(depth - 1, _FORESEEN), 1)
    last = min(packet + known, len(base.gone) - 1)
    soon = range(packet + 1, last + 1)
    return next((n - packet for n in soon if base.gone[n] and not base.recovers[n]), 0)


def _taken(
    base: Decoded, found: Sequence[Found | None], packet: int, depth: int, speaking: bool
) -> Iterator[tuple[int, bytes]]:
    """Yield time stamp and payload of each packet whose redundancy the receiver takes now."""
    arriving = range(depth + 1) if packet == 0 else (packet + depth,)
    wanted = [n for n in arriving if n < len(found) and not base.gone[n] and n and base.gone[n - 1]]
    if speaking and not base.gone[packet] and packet not in wanted:
        wanted.insert(0, packet)
    for n in wanted:
        one = found[n]
        if one is not None:
            yield (_stamp(n) + UNIT * one.frame_offset) % (1 << 32), one.payload


def _stamp(packet: int) -> int:
    return (FIRST + STEP * packet) % (1 << 32)

# SPDX-License-Identifier: BSD-3-Clause
"""A call as a stage: packets of 20 ms in, what is played out, through the public receiver.

toolkit/common/wire.toml describes input and output (call_op, call_answer). The steps of a call with
losses are made in toolkit/call/board/steps.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from quantize.codec.receiver import STEP
from quantize.codec.receiver_clock import ReceiverClock
from quantize.codec.receiver_model import DecoderModel
from quantize.errors import InputError, PayloadError
from toolkit.common.wire import WIRE
from toolkit.stages.base import Int16s, Playback, Reference
from toolkit.stages.receiver import DecoderStage

_OP, _ANSWER = WIRE.records["call_op"], WIRE.records["call_answer"]
_PCM_BYTES: Final = 2 * STEP
PAYLOAD_MAX: Final = 320  # bytes: room in a step
UNITS_MAX: Final = 255  # of work after a packet


class Kind(IntEnum):
    """What a step plays, by its number on the wire."""

    GOOD = WIRE.ops["good"]
    RECOVERED = WIRE.ops["recovered"]
    LOST = WIRE.ops["lost"]
    NOTHING = WIRE.ops["nothing"]
    CONCEALED = WIRE.ops["concealed"]


@dataclass(frozen=True)
class CallStep:
    """What has come when a packet of 20 ms is played.

    `pcm` is int16 [320], for good, recovered and concealed packets. `clock` is the time stamp of
    the packet, `time` that of the payload's frame. `expect` tells where the next gap begins: 1 is
    the next packet, 0 is nothing to tell. `budget` is the work that the receiver does afterwards.
    """

    kind: Kind
    clock: int
    pcm: Int16s = field(default_factory=lambda: np.zeros(STEP, np.int16))
    payload: bytes = b""
    time: int = 0
    expect: int = 0
    budget: int = 0

    def packed(self) -> bytes:
        """Return the step's input; raises InputError for a payload that is too long."""
        if len(self.payload) > PAYLOAD_MAX:
            raise InputError(
                f"a payload of {len(self.payload)} bytes: the firmware has room for {PAYLOAD_MAX}"
            )
        body = self.pcm.astype("<i2").tobytes() + self.payload.ljust(PAYLOAD_MAX, b"\0")
        return _OP.pack(
            kind=self.kind, expect=self.expect, budget=self.budget, reserved=0,
            clock=self.clock, time=self.time, length=len(self.payload), unused=0, body=body,
        )  # fmt: skip

    @staticmethod
    def unpacked(data: bytes) -> CallStep:
        """Return the step of an input."""
        told = _OP.unpack(data)
        assert told is not None
        body = told["body"]
        return CallStep(
            Kind(told["kind"]), told["clock"], np.frombuffer(body[:_PCM_BYTES], "<i2"),
            body[_PCM_BYTES:][: told["length"]], told["time"], told["expect"], told["budget"],
        )  # fmt: skip


@dataclass(frozen=True)
class Heard:
    """A step's answer: see wire.toml.

    `source` is a State, or another number of a board that is wrong.
    """

    status: int
    wanted: int
    source: int
    speaking: bool
    clock: int
    pcm: Int16s

    @staticmethod
    def unpacked(data: bytes) -> Heard:
        """Return the answer in a step's output."""
        told = _ANSWER.unpack(data)
        assert told is not None
        return Heard(
            told["status"], told["wanted"], told["source"], told["speaking"] != 0,
            told["clock"], np.frombuffer(told["values"], "<i2"),
        )  # fmt: skip

    def packed(self) -> bytes:
        """Return the step's output."""
        return _ANSWER.pack(
            status=self.status, wanted=self.wanted, source=self.source, speaking=int(self.speaking),
            reserved=0, clock=self.clock, values=self.pcm.astype("<i2").tobytes(),
        )  # fmt: skip


class CallStage(DecoderStage):
    """A receiver that is called packet by packet, with its default settings."""

    name = "call"

    def __init__(self, model: DecoderModel) -> None:
        super().__init__(model)
        self.layers = []
        self.input_bytes = _OP.layout.size + _PCM_BYTES + PAYLOAD_MAX
        self.output_bytes = _ANSWER.layout.size + _PCM_BYTES

    @property
    def settings(self) -> dict[str, int | bool]:
        """None but the library's defaults."""
        return {}

    def inputs(self, audio: Path) -> Int16s:
        raise InputError(f"{audio}: a call is made of packets: `dredkit call --target` makes them")

    def reference(self, inputs: Int16s) -> Reference:
        player = CallPlayer(self.model)
        steps = [CallStep.unpacked(row.astype("<i2").tobytes()) for row in inputs]
        return Reference({}, self.outputs([player.step(step).packed() for step in steps]))

    def outputs(self, rows: Sequence[bytes]) -> dict[str, Int16s]:
        heard = [Heard.unpacked(row) for row in rows]
        state = [[h.status, h.wanted, h.source, h.speaking] for h in heard]
        clock = np.array([[h.clock] for h in heard], "<u4").view("<i2")
        return {
            "status, wanted, source, speaking": np.array(state, np.int16).reshape(len(rows), 4),
            "clock": clock.reshape(len(rows), 2),
            "pcm": np.array([h.pcm for h in heard], np.int16).reshape(len(rows), STEP),
        }

    def playback(self, inputs: Int16s, outputs: dict[str, Int16s]) -> Playback:
        raise InputError("a call has no playback: toolkit/call/board tells what was played")

    def voice_frames(self, kind: str) -> tuple[int, int] | None:
        return None


class CallPlayer:
    """What a board must play: quantize.codec.receiver_clock, step by step."""

    def __init__(self, model: DecoderModel) -> None:
        self._clock = ReceiverClock(model.receiver())
        self._started = False

    def step(self, step: CallStep) -> Heard:
        """Run one step as firmware/server/call/engine.c does."""
        clock = self._clock
        if not self._started:
            clock.set_time(step.clock)
            self._started = True
        status = 0
        if step.payload:
            try:
                status = clock.payload(step.time, step.payload)
            except PayloadError as error:
                status = error.status
        pcm: Any = np.zeros(STEP, np.int64)
        if step.kind is Kind.LOST:
            pcm = clock.lost(STEP)
        elif step.kind is Kind.CONCEALED:
            pcm = clock.concealed(step.pcm.astype(np.int64))
        elif step.kind is not Kind.NOTHING:
            pcm = clock.good(step.pcm.astype(np.int64), recovered=step.kind is Kind.RECOVERED)
        if step.expect:
            clock.expect_loss_at((clock.time + (step.expect - 1) * STEP) % (1 << 32))
        wanted = clock.work(step.budget)
        return Heard(status, wanted, clock.state, clock.speaking, clock.time, pcm.astype(np.int16))

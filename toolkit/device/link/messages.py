# SPDX-License-Identifier: BSD-3-Clause
"""A board's messages as typed values: the messages of wire.toml that leave the link."""

from dataclasses import dataclass

_HASH_SHOWN = 12  # digits of a hash in a message


@dataclass(frozen=True)
class Board:
    """The board's description of itself: the message `board` of wire.toml."""

    protocol: int
    build_id: bytes
    model_hash: bytes
    target: str
    stage: str
    input_bytes: int
    output_bytes: int
    trace_bytes: int
    window: int
    session: int  # the open session, 0 if none
    uptime: int  # ticks since start, wrapping
    cycles: int  # 1 if a tick is a cycle that the core counted, 0 if it is a tick of the timer

    def difference(
        self,
        build_id: bytes | None,
        model_hash: bytes | None,
        target: str | None,
        stage: str | None,
    ) -> str | None:
        """Return in words how this board differs from what is expected; None if it does not.

        An argument of None accepts any value.
        """
        runs = _name(self.stage, self.model_hash, self.target)
        expected = _name(stage or self.stage, model_hash or self.model_hash, target or self.target)
        if (
            stage in (None, self.stage)
            and model_hash in (None, self.model_hash)
            and target in (None, self.target)
        ):
            if build_id in (None, self.build_id):
                return None
            runs = f"build {_short(self.build_id)} of {runs}"
            expected = f"build {_short(build_id or b'')}"
        return f"the board runs {runs}; expected {expected}"


@dataclass(frozen=True)
class Counters:
    """The board's counters since its start: the message `counters` of wire.toml."""

    steps: int
    rx_dropped: int
    frames_rejected: int
    resends: int
    stack_peak: int  # bytes, 0 if unknown


@dataclass(frozen=True)
class StepResult:
    """One step: its index, its cost in the board's ticks, its outputs, its trace if asked for."""

    index: int
    ticks: int
    output: bytes
    trace: bytes | None


def _name(stage: str, model_hash: bytes, target: str) -> str:
    return f"model {_short(model_hash)} ({stage}) built for {target}"


def _short(number: bytes) -> str:
    return number.hex()[:_HASH_SHOWN]

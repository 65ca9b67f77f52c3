# SPDX-License-Identifier: BSD-3-Clause
"""The settings of a sender: its input rate, the cost of payloads, the decision on voice."""

from dataclasses import dataclass, field, replace
from typing import Final

from quantize.codec.sender import DEFAULT_BYTES, HEARD_RATE, default_rate, step_samples
from quantize.dred.history import Rate
from quantize.dred.payload import MAX_CHUNKS
from quantize.dred.policy import libopus_policy
from quantize.errors import InputError

CHUNK_MS: Final = 40
_STEPS_A_CHUNK: Final = 2
_FIRST_STEPS: Final = 2  # the first step sends nothing; the second completes the first chunk
DURATION_MS: Final = MAX_CHUNKS * CHUNK_MS


@dataclass(frozen=True)
class Sending:
    """How a sender is built and run.

    `input_rate` is the PCM's in Hz, fixed when firmware is generated. `rate` holds for every step.
    With `vad`, quantize.codec.sender.voiced decides which steps are voice; otherwise all of them
    are voice. Raises InputError for settings that no firmware takes.
    """

    input_rate: int = HEARD_RATE
    rate: Rate = field(default_factory=default_rate)
    vad: bool = False

    def __post_init__(self) -> None:
        step_samples(self.input_rate)
        if self.rate.max_bytes > DEFAULT_BYTES:
            raise InputError(
                f"a payload of {self.rate.max_bytes} bytes: the firmware has room for "
                f"{DEFAULT_BYTES}"
            )

    @property
    def settling(self) -> int:
        """Steps of 20 ms from a cold start until payloads stop growing.

        Payloads grow by a chunk every two steps, until they cover the requested duration.
        """
        return _STEPS_A_CHUNK * self.rate.max_chunks + _FIRST_STEPS


def asked_rate(
    *,
    q0: int | None = None,
    dq: int | None = None,
    qmax: int | None = None,
    max_bytes: int | None = None,
    duration: int | None = None,
    bitrate: int | None = None,
    loss: int | None = None,
) -> Rate:
    """Return the rate for options; None leaves the default of quantize.codec.sender.

    `duration` of redundancy is in ms, 40..1040 in steps of 40. `bitrate` of the whole stream in
    bit/s and the expected `loss` in percent let libopus' policy decide q0, dQ and the depth; they
    must be given together. Raises InputError, in the words of the command line, for options that
    contradict each other or are out of range.
    """
    if duration is None:
        duration = DURATION_MS
    if not CHUNK_MS <= duration <= DURATION_MS or duration % CHUNK_MS:
        raise InputError(
            f"--duration {duration}: want {CHUNK_MS}..{DURATION_MS} ms in steps of {CHUNK_MS}"
        )
    rate = default_rate()
    if bitrate is None and loss is None:
        rate = replace(
            rate,
            q0=rate.q0 if q0 is None else q0,
            dq=rate.dq if dq is None else dq,
            qmax=rate.qmax if qmax is None else qmax,
            max_chunks=duration // CHUNK_MS,
        )
        return replace(rate, max_bytes=rate.max_bytes if max_bytes is None else max_bytes)
    if bitrate is None or loss is None:
        raise InputError("--bitrate and --loss decide together: give both or neither")
    if (q0, dq, qmax) != (None, None, None):
        raise InputError("--bitrate and --loss decide q0, dQ and qmax: leave out those options")
    decided = libopus_policy(bitrate, loss, duration // 10).rate
    if decided is None:
        raise InputError(
            f"--bitrate {bitrate} --loss {loss}: too little for any redundancy; raise one of them"
        )
    room = rate.max_bytes if max_bytes is None else max_bytes
    return replace(decided, max_bytes=min(decided.max_bytes, room))

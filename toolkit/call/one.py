# SPDX-License-Identifier: BSD-3-Clause
"""One call: a recording is sent, or packets are read; some get lost, and the receiver plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.sender import EncoderModel
from quantize.packet.extension import Framing
from toolkit.call.bitfile import Record, read_bitfile
from toolkit.call.library import ReceiverLibrary
from toolkit.call.losses import bursty, gilbert, read_pattern, spread
from toolkit.call.play import Decoded, Played, decode_call, play_decoded
from toolkit.call.sender import send
from toolkit.speech.audio import Pcm, read_audio

BIT_SUFFIX: Final = ".bit"


@dataclass(frozen=True)
class Losses:
    """Where losses come from: a file, a channel (chances to start and end a burst), or bursts."""

    percent: int
    seed: int
    pattern: Path | None = None
    channel: tuple[float, float] | None = None

    @property
    def how(self) -> str:
        """Where they come from, in words."""
        if self.pattern is not None:
            return f"as {self.pattern.name} says"
        if self.channel is not None:
            starts, ends = self.channel
            return f"by a channel of two states, {starts:g} and {ends:g}, seed {self.seed}"
        return f"in bursts, seed {self.seed}"

    def draw(self, count: int) -> list[bool]:
        """Return for each of `count` packets whether it is lost."""
        if self.pattern is not None:
            return spread(read_pattern(self.pattern), count)
        if self.channel is not None:
            return gilbert(count, *self.channel, self.seed)
        return bursty(count, self.percent, self.seed)


@dataclass(frozen=True)
class Call:
    """What is sent and how. `bitrate`, `duration` and `packet_ms` do not concern a packet file."""

    source: Path
    losses: Losses
    bitrate: int
    duration: int
    packet_ms: int
    lbrr: bool
    depth: int
    config: ReceiverConfig
    framings: Sequence[Framing]

    @property
    def of_packets(self) -> bool:
        """Whether the source is a packet file."""
        return self.source.suffix.lower() == BIT_SUFFIX


@dataclass(frozen=True)
class Outcome:
    """A call: the recording (None for a packet file), the packets, what was heard and played.

    `played` is by voice. `cut` tells that the packet file ends inside a packet.
    """

    sent: Pcm | None
    records: list[Record]
    base: Decoded
    played: dict[str, Played]
    cut: list[str]


def run_call(call: Call, sender: EncoderModel, receivers: Mapping[str, Path]) -> Outcome:
    """Run a call; `receivers` has the folder of each voice's compiled receiver.

    Raises InputError for a source that cannot be used, ToolError without libopus.
    """
    sent, cut = None, list[str]()
    if call.of_packets:
        records = read_bitfile(call.source, cut.append)
    else:
        sent = read_audio(call.source)
        records = send(
            sent,
            sender,
            bitrate=call.bitrate,
            loss=call.losses.percent,
            duration=call.duration,
            framing=call.framings[0],
            packet_ms=call.packet_ms,
            lbrr=call.lbrr,
        ).records
    base = decode_call(records, call.losses.draw(len(records)), lbrr=call.lbrr)
    played = {}
    for voice, folder in receivers.items():
        player = ReceiverLibrary(folder).start(call.config)
        played[voice] = play_decoded(player, base, call.depth, call.framings)
    return Outcome(sent, records, base, played, cut)

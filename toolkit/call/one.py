# SPDX-License-Identifier: BSD-3-Clause
"""One call: a recording is sent, or packets are read; some get lost, and the receiver plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.sender import EncoderModel
from quantize.packet.extension import Framing
from toolkit.call.bitfile import Record, read_bitfile
from toolkit.call.library import ReceiverLibrary
from toolkit.call.losses import bursty, gilbert, read_pattern, spread
from toolkit.call.oggfile import is_oggfile, read_oggfile
from toolkit.call.play import Decoded, Played, decode_again, decode_call, payload_in, play_decoded
from toolkit.call.sender import send
from toolkit.speech.audio import OGG_SUFFIXES, Pcm, read_audio

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
class Packets:
    """Packets that a file holds; `cut` tells that it ends inside one."""

    records: list[Record]
    cut: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """What is sent and how. `bitrate`, `duration` and `packet_ms` do not concern packets."""

    source: Path
    losses: Losses
    bitrate: int
    duration: int
    packet_ms: int
    lbrr: bool
    depth: int
    config: ReceiverConfig
    framings: Sequence[Framing]


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


def read_packets(source: Path, framings: Sequence[Framing]) -> Packets | None:
    """Return the packets of a source that is sent as it is; None for a recording.

    Packets are opus_demo's files, and Ogg Opus with DRED in any packet. Raises InputError for a
    file that cannot be read.
    """
    suffix = source.suffix.lower()
    if suffix == BIT_SUFFIX:
        cut: list[str] = []
        return Packets(read_bitfile(source, cut.append), cut)
    if suffix not in OGG_SUFFIXES or not is_oggfile(source):
        return None
    records = read_oggfile(source)
    return Packets(records) if any(_carries(record, framings) for record in records) else None


def _carries(record: Record, framings: Sequence[Framing]) -> bool:
    return payload_in(record.packet, framings) is not None


def run_call(
    call: Call, packets: Packets | None, sender: EncoderModel, receivers: Mapping[str, Path]
) -> Outcome:
    """Run a call; `receivers` has the folder of each voice's compiled receiver.

    `packets` are those of the source if it has any. Raises InputError for a source that cannot be
    used, ToolError without libopus.
    """
    sent, cut = None, list[str]()
    if packets is not None:
        records, cut = packets.records, packets.cut
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
    lost = call.losses.draw(len(records))
    base = decode_call(records, lost, lbrr=call.lbrr)
    played = {}
    if receivers:
        given = decode_again(base, records, lost, lbrr=call.lbrr)
        for voice, folder in receivers.items():
            player = ReceiverLibrary(folder).start(call.config)
            played[voice] = play_decoded(player, given, call.depth, call.framings)
    return Outcome(sent, records, base, played, cut)

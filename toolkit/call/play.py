# SPDX-License-Identifier: BSD-3-Clause
"""Play a stream with lost packets: the base codec's decoder, and a receiver of the redundancy.

The base decoder is the system's libopus, which knows nothing of DRED: it conceals lost packets by
itself, or decodes the packet before once more. The receiver plays that where a gap has no payload.
Time stamps count from the first packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from quantize.codec.receiver import FRAME, State
from quantize.errors import PayloadError
from quantize.integer import Ints
from quantize.packet.extension import LIBOPUS_1_6, Found, Framing, search
from quantize.packet.opus_packet import Packet
from toolkit.call.bitfile import Record
from toolkit.call.codec import decode_stream, repeats
from toolkit.common.errors import InputError
from toolkit.speech.audio import Pcm

UNIT: Final = 40  # samples at 16 kHz of 2.5 ms
_SILK_MODES: Final = 16  # configurations of SILK alone and of SILK with CELT


class Player(Protocol):
    """A receiver with a clock: quantize.codec.receiver_clock, or the firmware's behind cffi."""

    @property
    def speaking(self) -> bool:
        """Whether the voice speaks."""

    @property
    def state(self) -> State:
        """Where the last 10 ms came from."""

    def payload(self, time: int, data: bytes) -> int:
        """Take the payload of the frame that begins at a time stamp."""

    def work(self, budget: int) -> int:
        """Decode ahead."""

    def good(self, pcm: Ints, *, recovered: bool = False) -> Ints:
        """Take good samples and return what to play."""

    def concealed(self, pcm: Ints) -> Ints:
        """Play in place of lost samples, of which the base codec made `pcm`."""


@dataclass(frozen=True)
class Decoded:
    """What the base codec's decoder alone makes of a call, int16 [packets, samples] at 16 kHz.

    `gone` says of each packet whether it is lost, `recovers` whether its audio comes from the next
    packet's LBRR. `arrived` has the packets that are not lost.
    """

    pcm: Pcm
    gone: list[bool]
    recovers: list[bool]
    arrived: list[Packet | None]

    @property
    def samples(self) -> int:
        """The length of a packet."""
        return int(self.pcm.shape[1])

    @property
    def repeats(self) -> list[bool]:
        """Whether a receiver should be given, in place of each packet, the one before once more."""
        return _repeated(self.arrived, self.recovers)


@dataclass(frozen=True)
class Played:
    """What was played, int16 at 16 kHz, and where each 10 ms came from.

    `carries` says of each packet whether it has arrived with a payload.
    """

    pcm: Pcm
    sources: list[State]
    carries: list[bool]


def decode_call(
    records: Sequence[Record], lost: Sequence[bool], *, lbrr: bool = False, again: bool = False
) -> Decoded:
    """Decode packets of 10, 20 .. 120 ms, of which some are lost; conceal or recover those.

    Args:
        records: the packets, all of one length.
        lost: whether each packet is lost; empty and damaged packets count as lost too.
        lbrr: whether the last packet of a gap is recovered from the next one's LBRR.
        again: whether gaps close together begin with the packet before, decoded once more. That is
            what a receiver should be given; without it, all is libopus' own concealment.

    Raises:
        InputError: packets of several lengths or of no multiple of 10 ms; ToolError: no libopus.
    """
    arrived = [
        None if flag else _whole(record.packet) for flag, record in zip(lost, records, strict=True)
    ]
    gone = [packet is None for packet in arrived]
    units = {packet.units for packet in arrived if packet} or {8}
    if len(units) > 1:
        raise InputError(
            f"packets of {min(units) * UNIT / 16:g} to {max(units) * UNIT / 16:g} ms: want packets "
            "of one length"
        )
    samples = UNIT * units.pop()
    if samples % FRAME:
        raise InputError(f"packets of {samples / 16:g} ms: want a multiple of 10 ms")
    recovers = [lbrr and gone[i] and has_lbrr(after) for i, after in enumerate(arrived[1:])]
    recovers.append(False)
    twice = _repeated(arrived, recovers) if again else ()
    pcm = decode_stream(records, gone, recovers, samples, twice)
    return Decoded(pcm, gone, recovers, arrived)


def decode_again(
    base: Decoded, records: Sequence[Record], lost: Sequence[bool], *, lbrr: bool = False
) -> Decoded:
    """Return what a receiver should be given of a call that `decode_call` decoded as `base`.

    That is `base` itself where no packet is to be decoded once more.
    """
    return decode_call(records, lost, lbrr=lbrr, again=True) if any(base.repeats) else base


def _repeated(arrived: Sequence[Packet | None], recovers: Sequence[bool]) -> list[bool]:
    """Return in place of which packets the one before is decoded again; CELT's never is."""
    silk = [packet is not None and packet.toc >> 3 < _SILK_MODES for packet in arrived]
    gone = [packet is None for packet in arrived]
    return [flag and silk[i - 1] for i, flag in enumerate(repeats(gone, recovers))]


def play(
    player: Player,
    records: Sequence[Record],
    lost: Sequence[bool],
    *,
    lbrr: bool = False,
    depth: int = 50,
    framings: Sequence[Framing] = (LIBOPUS_1_6,),
) -> Played:
    """Decode packets as `decode_call` does and play them by a receiver.

    Args:
        player: a receiver at 16 kHz that has heard nothing.
        records: the packets.
        lost: whether each packet is lost.
        lbrr: whether LBRR is used.
        depth: packets of a jitter buffer. When a lost packet is played, the first packet after the
            gap has arrived if it is at most so many packets away.
        framings: how payloads are marked.
    """
    return play_decoded(player, decode_call(records, lost, lbrr=lbrr, again=True), depth, framings)


def play_decoded(player: Player, base: Decoded, depth: int, framings: Sequence[Framing]) -> Played:
    """Play by a receiver what the base codec's decoder made of a call; see `play`."""
    gone, samples = base.gone, base.samples
    payloads = [redundancy_of(packet, framings) for packet in base.arrived]
    parts: list[Ints] = []
    sources: list[State] = []
    for i, flag in enumerate(gone):
        within = range(i, min(i + depth + 1, len(gone)))
        ahead = next((j for j in within if not gone[j]), None)
        if ahead is not None and (flag or player.speaking):
            _give(player, samples * ahead, payloads[ahead])
        for part in np.split(base.pcm[i].astype(np.int64), samples // FRAME):
            if flag and not base.recovers[i]:
                parts.append(player.concealed(part))
            else:
                parts.append(player.good(part, recovered=base.recovers[i]))
            sources.append(player.state)
    carries = [found is not None for found in payloads]
    return Played(np.concatenate(parts).astype(np.int16), sources, carries)


def _give(player: Player, time: int, found: Found | None) -> None:
    """Give a packet's payload, and let the receiver work ahead."""
    if found is None:
        return
    try:
        player.payload(time + UNIT * found.frame_offset, found.payload)
    except PayloadError:
        return
    while player.work(1):
        pass


def _whole(packet: bytes) -> Packet | None:
    """Return a packet's parts; None if it is empty or damaged."""
    try:
        return Packet.parse(packet) if packet else None
    except InputError:
        return None


def payload_in(packet: bytes, framings: Sequence[Framing]) -> Found | None:
    """Return the redundancy in a packet; None if it has none that can be read, or is damaged."""
    return redundancy_of(_whole(packet), framings)


def redundancy_of(packet: Packet | None, framings: Sequence[Framing]) -> Found | None:
    """Return the redundancy in a packet that has arrived; None if there is none to be read."""
    if packet is None:
        return None
    try:
        found = search(packet, framings)
    except InputError:
        return None
    return found if isinstance(found, Found) else None


def has_lbrr(packet: Packet | None) -> bool:
    """Return whether a mono packet's first frame has LBRR of the time before it.

    A SILK frame begins with a voice flag for each 20 ms, and then the LBRR flag (RFC 6716, section
    4.2.3): bits of even chance, so that they are the first bits of the frame.
    """
    if packet is None or packet.toc >> 3 >= _SILK_MODES or not packet.frames[0]:
        return False
    flags = max(packet.frame_units // 8, 1)
    return bool(packet.frames[0][0] >> (7 - flags) & 1)

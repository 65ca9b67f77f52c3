# SPDX-License-Identifier: BSD-3-Clause
"""Turn a recording with lost packets into a script of ops for a receiver.

The base codec between the two ends is transparent and has the delay of Opus: packet p gives the
input, 104 samples late. The packet that ends a gap has come before the gap is played.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from quantize.codec.receiver import FRAME, STEP, Receiver
from quantize.codec.receiver_model import BOARD_CONFIG, Chunk, Hear, Speak, Take
from quantize.codec.redundancy import CHUNK_FRAMES
from quantize.dred.history import DELAY_SAMPLES, UNIT_SAMPLES
from quantize.dred.payload import Payload, parse
from quantize.dred.tables import EntropyTables
from quantize.errors import PayloadError
from quantize.features.integers import FEATURES
from quantize.integer import Ints
from quantize.vocoder.voices import Voice

Int16s = npt.NDArray[np.int16]
Op = Hear | Take | Chunk | Speak

CODEC_DELAY = DELAY_SAMPLES + UNIT_SAMPLES  # samples at 16 kHz: the delay that a sender assumes
_SECOND = 50  # packets
# Where in the recording, and how many packets. The long gap is a second, or a third of the whole.
_LONG = 0.4
_BURSTS = ((0.12, 1), (0.2, 2), (0.3, 3), (0.75, 5), (0.9, 2))


def default_losses(packets: int) -> list[bool]:
    """Return which packets are lost: one second in the middle, and five bursts of 20 to 100 ms."""
    lost = [False] * packets
    second = min(_SECOND, packets // 3)
    for place, count in ((_LONG, second), *_BURSTS):
        start = round(place * packets)
        lost[start : start + count] = [True] * len(lost[start : start + count])
    return lost


def losses_at(spans: Sequence[tuple[float, float]], packets: int) -> list[bool]:
    """Return for each packet whether it begins within one of the spans (from, to), in seconds."""
    return [
        any(first <= packet / _SECOND < last for first, last in spans) for packet in range(packets)
    ]


def delayed(pcm: Int16s, packets: int) -> Int16s:
    """Return the base codec's output for int16 PCM at 16 kHz: [packets, 320]."""
    late = np.concatenate([np.zeros(CODEC_DELAY, np.int16), pcm])
    return late[: packets * STEP].reshape(packets, STEP)


def script(
    good: Int16s,
    payloads: Sequence[bytes],
    lost: Sequence[bool],
    tables: EntropyTables,
    voice: type[Voice],
    batch: int = 1,
) -> list[Op]:
    """Return the ops for `good` [packets, 320], of which some are `lost`.

    `payloads` has the redundancy that comes with each packet. A receiver gets the one that comes
    after a gap before it speaks, and further ones while it still speaks over good packets. One op
    decodes up to `batch` chunks. A malformed payload is passed on, so that the receiver refuses it.
    """
    planner = _Planner(tables, voice, batch)
    ops: list[Op] = []
    for gone, group in groupby(range(len(good)), key=lambda packet: lost[packet]):
        packets = list(group)
        after = packets[-1] + 1
        if gone and after < len(good) and payloads[after]:
            ops += planner.take(STEP * len(packets), payloads[after])
        for packet in packets:
            if gone:
                planner.receiver.speak()
                ops.append(Speak())
                continue
            if planner.receiver.speaking and payloads[packet] and packet > packets[0]:
                ops += planner.take(0, payloads[packet])
            planner.receiver.hear(good[packet].astype(np.int64))
            ops.append(Hear(good[packet].astype(np.int64)))
    return ops


class _Planner:
    """Finds out which chunks a receiver wants, with no network and no voice."""

    def __init__(self, tables: EntropyTables, voice: type[Voice], batch: int) -> None:
        self.receiver = Receiver(_NoNetwork(tables), _mute(voice), BOARD_CONFIG)
        self._batch = batch

    def take(self, ahead: int, data: bytes) -> Iterator[Op]:
        """Yield the ops that take a payload and decode what is of use."""
        yield Take(ahead, data)
        try:
            self.receiver.payload(ahead, data)
        except PayloadError:
            return
        while wanted := self.receiver.chunks_wanted:
            yield Chunk(min(self._batch, wanted))
            self.receiver.decode(min(self._batch, wanted))


class _NoNetwork:
    """A decoder whose features are all 0."""

    def __init__(self, tables: EntropyTables) -> None:
        self.layers: dict[str, Ints] = {}
        self._tables = tables

    def parse(self, data: bytes) -> Payload:
        return parse(data, self._tables)

    def start(self, payload: Payload) -> None:
        pass

    def chunk(self) -> Ints:
        return np.zeros((CHUNK_FRAMES, FEATURES), np.int64)


def _mute(voice: type[Voice]) -> Voice:
    """Return a voice that begins with as much as another one and says nothing."""

    class Mute:
        CONTEXT: ClassVar[int] = voice.CONTEXT
        PAST: ClassVar[int] = voice.PAST
        KNOWN_FRAMES: ClassVar[int] = voice.KNOWN_FRAMES

        def begin(self, context: Ints, past: Ints) -> None:
            pass

        def frame(self, ahead: Ints, known: Ints | None) -> Ints:
            return np.zeros(FRAME, np.int64)

    return Mute()

# SPDX-License-Identifier: BSD-3-Clause
"""Turn a recording with lost packets into a script of ops for a receiver.

The base codec between the two ends is transparent and has the delay of Opus: packet p gives the
input, 104 samples late. Redundancy comes with the packet that ends a gap.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from quantize.codec.receiver import STEP, chunks_for
from quantize.codec.receiver_model import Chunk, Hear, Speak, Take
from quantize.dred.history import DELAY_SAMPLES, UNIT_SAMPLES
from quantize.dred.payload import parse
from quantize.dred.tables import EntropyTables
from quantize.errors import PayloadError
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

    `payloads` has the redundancy that comes with each packet. One op decodes up to `batch` chunks.
    A malformed payload is passed on, so that the receiver refuses it.
    """
    ops: list[Op] = []
    for gone, group in groupby(range(len(good)), key=lambda packet: lost[packet]):
        packets = list(group)
        if not gone:
            ops += [Hear(good[packet].astype(np.int64)) for packet in packets]
            continue
        after = packets[-1] + 1
        if after < len(good) and payloads[after]:
            ops += _redundancy(STEP * len(packets), payloads[after], tables, voice, batch)
        ops += [Speak()] * len(packets)
    return ops


def _redundancy(
    gap: int, data: bytes, tables: EntropyTables, voice: type[Voice], batch: int
) -> Iterator[Op]:
    yield Take(gap, data)
    try:
        payload = parse(data, tables)
    except PayloadError:
        return
    yield from chunk_ops(chunks_for(gap, payload, voice), batch)


def chunk_ops(count: int, batch: int) -> list[Chunk]:
    """Return the ops that decode `count` chunks, up to `batch` in each."""
    return [Chunk(min(batch, count - first)) for first in range(0, count, batch)]

# SPDX-License-Identifier: BSD-3-Clause
"""A stream with losses, packet by packet: what a receiver is given when."""

import numpy as np
import pytest

from quantize.codec.receiver import State
from quantize.integer import Ints
from quantize.packet.extension import insert
from quantize.packet.opus_packet import Packet
from tests.support.decoder_models import random_payload
from toolkit.call.bitfile import Record
from toolkit.call.codec import decode_stream, encode_speech, repeats
from toolkit.call.play import decode_again, decode_call, has_lbrr, play
from toolkit.common.errors import InputError
from toolkit.common.paths import DATA
from toolkit.speech.audio import read_speech

PACKETS = 20
SLOT = 160


class Noting:
    """A receiver that notes its calls, and speaks for two slots after a gap."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.state = State.NORMAL
        self.left = 0

    @property
    def speaking(self) -> bool:
        return self.left > 0

    def payload(self, time: int, data: bytes) -> int:
        self.calls.append(("payload", time))
        return 1

    def work(self, budget: int) -> int:
        return 0

    def good(self, pcm: Ints, *, recovered: bool = False) -> Ints:
        self.calls.append(("recovered" if recovered else "good", len(pcm)))
        self.left = max(self.left - 1, 0)
        return pcm

    def concealed(self, pcm: Ints) -> Ints:
        self.calls.append(("lost", len(pcm)))
        self.left = 2
        return np.full(len(pcm), 77, np.int64)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    pcm = read_speech(DATA / "clip.wav")[16000 : 16000 + PACKETS * 320]
    plain = encode_speech(pcm, [24000] * PACKETS, 20)
    return [
        Record(insert(record.packet, random_payload(i, chunks=2)), record.final_range)
        for i, record in enumerate(plain)
    ]


def test_the_payload_after_a_gap_comes_first_and_further_ones_while_the_voice_speaks(
    records: list[Record],
) -> None:
    player = Noting()
    lost = [n in (3, 4, 9) for n in range(PACKETS)]
    played = play(player, records, lost)
    good, gone = [("good", SLOT)] * 2, [("lost", SLOT)] * 2
    assert player.calls == [
        *(good * 3),
        ("payload", 5 * 320), *gone,
        ("payload", 5 * 320), *gone,
        ("payload", 5 * 320), *good,
        *(good * 3),
        ("payload", 10 * 320), *gone,
        ("payload", 10 * 320), *good,
        *(good * (PACKETS - 11)),
    ]  # fmt: skip
    base = decode_call(records, lost, again=True).pcm
    for packet, flag in enumerate(lost):
        part = played.pcm[320 * packet : 320 * (packet + 1)]
        assert part.tolist() == ([77] * 320 if flag else base[packet].tolist())
    assert len(played.sources) == 2 * PACKETS


def test_gaps_close_together_begin_with_the_packet_before() -> None:
    lost = [n in (0, 5, 6, 13, 20, 22) for n in range(24)]
    none = [False] * 24
    assert [n for n, flag in enumerate(repeats(lost, none)) if flag] == [5, 13, 20, 22]
    assert [n for n, flag in enumerate(repeats(lost[1:], none)) if flag] == [12, 19, 21]
    recovers = [n in (6, 22) for n in range(24)]
    assert [n for n, flag in enumerate(repeats(lost, recovers)) if flag] == [5, 13, 20]
    far = [n in (0, 8) for n in range(24)]
    assert not any(repeats(far, none))


def test_a_packet_that_is_repeated_is_decoded_twice(records: list[Record]) -> None:
    lost = [n in (2, 6) for n in range(PACKETS)]
    twice = [*records[:6], records[5], *records[7:]]
    want = decode_stream(twice, [n == 2 for n in range(PACKETS)], [False] * PACKETS, 320)
    assert np.array_equal(decode_call(records, lost, again=True).pcm, want)
    plain = decode_call(records, lost).pcm
    assert np.array_equal(plain, decode_stream(records, lost, [False] * PACKETS, 320))
    assert not np.array_equal(plain[6], want[6])


def test_a_call_without_repetitions_is_decoded_once(records: list[Record]) -> None:
    near, far = ([n in (2, second) for n in range(PACKETS)] for second in (6, 12))
    base = decode_call(records, far, lbrr=True)
    assert decode_again(base, records, far, lbrr=True) is base
    given = decode_again(decode_call(records, near), records, near)
    assert np.array_equal(given.pcm, decode_call(records, near, again=True).pcm)


def test_packets_of_celt_are_not_repeated() -> None:
    pcm = read_speech(DATA / "clip.wav")[16000 : 16000 + PACKETS * 320]
    loud = encode_speech(pcm, [200_000] * PACKETS, 0)
    assert all(record.packet[0] >> 3 >= 16 for record in loud)
    lost = [n in (2, 6) for n in range(PACKETS)]
    again, plain = (decode_call(loud, lost, again=flag).pcm for flag in (True, False))
    assert np.array_equal(again, plain)


def test_a_payload_beyond_the_jitter_buffer_has_not_come(records: list[Record]) -> None:
    player = Noting()
    play(player, records, [2 <= n < 6 for n in range(PACKETS)], depth=2)
    times = [time for name, time in player.calls if name == "payload"]
    before = player.calls.index(("payload", 6 * 320))
    assert set(times) == {6 * 320}
    assert player.calls[:before].count(("lost", SLOT)) == 4  # two of the four packets


def test_the_last_packet_of_a_gap_may_come_from_lbrr(records: list[Record]) -> None:
    has = [has_lbrr(Packet.parse(record.packet)) for record in records]
    lost = [n in (6, 7) for n in range(PACKETS)]
    recovers = [n == 7 and has[8] for n in range(PACKETS)]
    player = Noting()
    play(player, records, lost, lbrr=True)
    calls = [name for name, _ in player.calls if name != "payload"]
    want = [("recovered" if recovers[n] else "lost") if lost[n] else "good" for n in range(PACKETS)]
    assert calls == [name for name in want for _ in range(2)]


def test_lbrr_is_seen_in_a_packets_first_bits() -> None:
    """The flags of voice come first, one for each 20 ms of a frame, then the one of LBRR."""
    silk_20, silk_60, celt = 9 << 3, 11 << 3, 17 << 3
    assert has_lbrr(Packet(silk_20, (b"\x40",)))
    assert not has_lbrr(Packet(silk_20, (b"\x80",)))
    assert has_lbrr(Packet(silk_60, (b"\x10",)))
    assert not has_lbrr(Packet(silk_60, (b"\xe0",)))
    assert not has_lbrr(Packet(celt, (b"\xff",)))
    assert not has_lbrr(Packet(silk_20, (b"",)))
    assert not has_lbrr(None)


def test_packets_of_2_5_ms_are_refused() -> None:
    with pytest.raises(InputError, match="want a multiple of 10 ms"):
        play(Noting(), [Record(Packet(16 << 3, (b"\x01",)).build())], [False])


def test_packets_of_several_lengths_are_refused(records: list[Record]) -> None:
    longer = Record(Packet(11 << 3, (b"\x00",)).build())
    with pytest.raises(InputError, match="packets of 20 to 60 ms: want packets of one length"):
        play(Noting(), [*records[:2], longer], [False] * 3)


def test_empty_and_damaged_packets_count_as_lost(records: list[Record]) -> None:
    damaged = Record(records[4].packet[:1] + b"\xff" * 3)
    stream = [*records[:3], Record(b""), damaged, *records[5:]]
    base = decode_call(stream, [n == 8 for n in range(PACKETS)])
    assert [n for n, gone in enumerate(base.gone) if gone] == [3, 4, 8]
    wanted = decode_stream(records, base.gone, [False] * PACKETS, 320)
    assert np.array_equal(base.pcm, wanted)

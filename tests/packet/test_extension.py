# SPDX-License-Identifier: BSD-3-Clause
"""Opus packets of every code, with and without extensions; by hand and at random."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantize.errors import PacketError, PayloadError
from quantize.packet.extension import (
    PRESENT,
    RUN_MAX,
    Extension,
    Found,
    Framing,
    extensions,
    extract,
    insert,
    strip,
)
from quantize.packet.opus_packet import Packet
from toolkit.common.errors import InputError

TOC = 9 << 3  # SILK wide band, 20 ms, mono, code 0
FRAMES = st.lists(st.binary(max_size=600), min_size=1, max_size=6)
PAYLOADS = st.binary(min_size=1, max_size=1000)


def test_a_packet_by_hand() -> None:
    """Code 0 becomes code 3: one frame, padded, 6 bytes: ID 126, 'D', 12, and the payload."""
    packet = insert(bytes([TOC]) + b"frame", b"\x01\x02\x03")
    assert packet == bytes([TOC | 3, 0x41, 6]) + b"frame" + b"\xfcD\x0c\x01\x02\x03"
    assert len(packet) == 6 + 3 + 3 + 2  # docs/FORMAT.md, section 1: 5 bytes more
    found = extract(packet)
    assert found is not None
    assert (found.payload, found.frame_offset) == (b"\x01\x02\x03", 0)


@pytest.mark.parametrize(
    ("size", "length"), [(1, b"\x04"), (251, b"\xfe"), (252, b"\xff\x01"), (505, b"\xff\xfe")]
)
def test_the_padding_length(size: int, length: bytes) -> None:
    packet = insert(bytes([TOC]) + b"frame", b"x" * size)
    assert packet[2 : 2 + len(length)] == length
    assert len(packet) == 2 + len(length) + 5 + 3 + size


@given(frames=FRAMES, payload=PAYLOADS, number=st.integers(32, 127))
def test_what_is_inserted_is_extracted(frames: list[bytes], payload: bytes, number: int) -> None:
    plain = Packet(TOC, tuple(frames)).build()
    framing = Framing(number, b"" if number == 32 else b"D\x0c")
    packet = insert(plain, payload, framing)
    found = extract(packet, framing)
    assert found is not None
    assert found.payload == payload
    assert Packet.parse(packet).frames == tuple(frames)
    assert strip(packet) == plain
    with pytest.raises(InputError, match="already has"):
        insert(packet, payload, framing)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_every_code_is_read(code: int) -> None:
    bodies = {0: b"abcd", 1: b"ab" + b"cd", 2: b"\x03" + b"abc" + b"d"}
    frames = {0: (b"abcd",), 1: (b"ab", b"cd"), 2: (b"abc", b"d")}
    parts = Packet.parse(bytes([TOC | code]) + bodies[code])
    assert parts.frames == frames[code]
    assert Packet.parse(parts.build()).frames == frames[code]


@pytest.mark.parametrize("size", [0, 1, 251, 252, 255, 256, 1020, 1275])
def test_frame_lengths(size: int) -> None:
    parts = Packet(TOC, (b"x" * size, b"y"))
    assert Packet.parse(parts.build()).frames == parts.frames


def test_frame_durations() -> None:
    assert Packet(9 << 3, (b"",)).frame_units == 8
    assert Packet(3 << 3, (b"",)).frame_units == 24
    assert Packet(12 << 3, (b"",)).frame_units == 4
    assert Packet(28 << 3, (b"",)).frame_units == 1


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes([TOC | 1]) + b"abc",  # two equal frames of three bytes
        bytes([TOC | 2]),
        bytes([TOC | 2, 253]),
        bytes([TOC | 2, 4]) + b"abc",
        bytes([TOC | 3]),
        bytes([TOC | 3, 0]),
        bytes([TOC | 3, 7]) + b"1234567",  # 140 ms
        bytes([TOC | 3, 49]) + bytes(49),
        bytes([TOC | 3, 0x41]),
        bytes([TOC | 3, 0x41, 255]),
        bytes([TOC | 3, 0x41, 3]) + b"ab",
        bytes([TOC | 3, 0x82, 5]) + b"ab",
        bytes([TOC]) + bytes(1276),
    ],
)
def test_broken_packets_are_refused(packet: bytes) -> None:
    with pytest.raises(InputError, match="Opus packet"):
        Packet.parse(packet)


def padded(padding: bytes, frames: int = 2) -> Packet:
    return Packet(TOC, (b"ab",) * frames, padding)


def test_other_extensions_are_read_and_kept() -> None:
    others = b"\x01\x06\x07x\x02\x41\x02yz\x03\x00\x42last"
    parts = padded(others)
    read = [Extension(3, 0, b""), Extension(3, 0, b"x"), Extension(32, 1, b"yz")]
    read.append(Extension(33, 1, b"last"))
    assert list(extensions(parts)) == read
    packet = insert(parts.build(), b"p" * 300)
    again = list(extensions(Packet.parse(packet)))
    assert again == [Extension(126, 0, b"D\x0c" + b"p" * 300), *read]


def test_plain_padding_is_dropped() -> None:
    for plain in (bytes(50), b"\x01" * 9, b"\x01\x01\x00junk"):
        packet = insert(padded(plain).build(), b"payload")
        assert Packet.parse(packet).padding == b"\xfcD\x0cpayload"


def test_a_later_frame_adds_its_time() -> None:
    found = extract(padded(b"\x02\xfcD\x0cpayload").build())
    assert found is not None
    assert (found.payload, found.frame_offset) == (b"payload", 8)


def test_other_versions_are_ignored() -> None:
    packet = insert(bytes([TOC]) + b"frame", b"payload", Framing(126, b"D\x0a"))
    assert extract(packet) is None
    assert extract(bytes([TOC]) + b"frame") is None
    with pytest.raises(InputError, match="long"):
        Framing(31)


@pytest.mark.parametrize(
    "padding", [b"\x02\x02", b"\x03\x02", b"\x03", b"\x07", b"\x41", b"\x41\xff", b"\x41\x05abc"]
)
def test_broken_extensions_are_refused(padding: bytes) -> None:
    with pytest.raises(InputError, match="Opus extension"):
        extract(padded(padding).build())


def test_repeated_extensions_are_read() -> None:
    """Two frames repeat the first one's three extensions; the last long one has no length."""
    first = b"\x07a" + b"\xfd\x04D\x0cp0" + b"\x09b"
    second = b"c" + b"\x04D\x0cp1" + b"d"
    third = b"e" + b"D\x0cp2 to the end" + b"f"
    parts = padded(first + b"\x04" + second + third, frames=3)
    read = list(extensions(parts))
    assert [e.frame for e in read] == [0] * 3 + [1] * 3 + [2] * 3
    assert [e.id for e in read] == [3, 126, 4] * 3
    assert [e.data for e in read[::3]] == [b"a", b"c", b"e"]
    assert [e.data for e in read[1::3]] == [b"D\x0cp0", b"D\x0cp1", b"D\x0cp2 to the end"]
    found = extract(parts.build())
    assert found is not None
    assert (found.payload, found.frame_offset) == (b"p0", 0)


def test_extensions_may_follow_repeated_ones() -> None:
    parts = padded(b"\x07a" + b"\x05" + b"b" + b"\x02\x41\x01z")
    read = [Extension(3, 0, b"a"), Extension(3, 1, b"b"), Extension(32, 1, b"z")]
    assert list(extensions(parts)) == read


@pytest.mark.parametrize("padding", [b"\x07a\x04b", b"\x07a\x05b", b"\x06\x05\x06", b"\x04\x06"])
def test_nothing_is_added_to_what_is_repeated(padding: bytes) -> None:
    """Also if the repeated payload would leave the padding malformed, or nothing repeats yet."""
    assert list(extensions(padded(padding)))
    with pytest.raises(PacketError, match="cannot add") as refused:
        insert(padded(padding).build(), b"payload")
    assert refused.value.status == PRESENT
    assert extract(insert(padded(padding, frames=1).build(), b"payload")) == Found(b"payload", 0)


def test_a_repeat_of_a_later_frame_is_kept() -> None:
    later = b"\x02\x07a\x05b"
    parts = Packet.parse(insert(padded(later, frames=3).build(), b"payload"))
    read = [Extension(126, 0, b"D\x0cpayload"), Extension(3, 1, b"a"), Extension(3, 2, b"b")]
    assert list(extensions(parts)) == read


def many_repeated(count: int) -> bytes:
    """Return extensions of one byte, and twice as many without data, all repeated once."""
    return b"\x07a\x06\x06" * count + b"\x05" + b"b" * count


def test_a_run_of_64_extensions_with_data_is_repeated() -> None:
    assert len(list(extensions(padded(many_repeated(RUN_MAX))))) == 6 * RUN_MAX
    more = many_repeated(RUN_MAX + 1)
    with pytest.raises(PacketError, match="more than 64"):
        list(extensions(padded(more)))
    alone = list(extensions(padded(more, frames=1)))  # nothing repeats, and b begins extension 49
    assert alone[3 * (RUN_MAX + 1) :] == [Extension(49, 0, b"b" * RUN_MAX)]


@pytest.mark.parametrize("size", [0, 1001])
def test_a_payload_has_1_to_1000_bytes(size: int) -> None:
    with pytest.raises(PayloadError, match=rf"1\.\.1000 bytes, got {size}$"):
        insert(bytes([TOC]) + b"frame", bytes(size))
    assert len(insert(bytes([TOC]), bytes(1000))) == 1 + 1000 + 8  # packet.h: 8 bytes more at most


def test_a_prefix_has_up_to_8_bytes() -> None:
    assert Framing(127, bytes(8)).prefix == bytes(8)
    with pytest.raises(InputError, match=r"9 bytes: want 0\.\.8"):
        Framing(127, bytes(9))


@given(packet=st.binary(max_size=80))
def test_junk_ends_in_an_answer_or_a_refusal(packet: bytes) -> None:
    with contextlib.suppress(InputError):
        found = extract(packet)
        assert found is None or len(found.payload) < len(packet)


@given(frames=st.integers(1, 6), padding=st.binary(max_size=60))
def test_junk_in_the_padding(frames: int, padding: bytes) -> None:
    parts = padded(padding, frames)
    assert Packet.parse(parts.build()) == Packet(parts.toc | 3, parts.frames, padding)
    with contextlib.suppress(InputError):
        assert all(0 <= e.frame < frames for e in extensions(parts))

# SPDX-License-Identifier: BSD-3-Clause
"""COBS, CRC and frames: Python against C, and both against all damage that a bad line does."""

import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cffi
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.fixtures.toy_board import LINK_SOURCES, SHIM, compile_c
from toolkit.common.wire import WIRE
from toolkit.device.build.declarations import prototypes
from toolkit.device.link.frames import (
    Damaged,
    Frame,
    FrameDecoder,
    cobs_decode,
    cobs_encode,
    encode_frame,
    parse_frame,
)

AROUND = WIRE.header_layout.size + WIRE.trailer_layout.size
OVERRUN = -WIRE.errors["overrun"]
TRAP = "-fsanitize-undefined-trap-on-error"
BROKEN = -WIRE.errors["frame"]

UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # other tests may be running beside these

# COBS is about long runs without a zero, so these are likely.
runs = st.one_of(
    st.binary(max_size=40),
    st.integers(240, 260).map(lambda count: b"\x01" * count),
    st.integers(500, 520).map(lambda count: bytes(range(1, 255)) * 3 + b"\x07" * (count - 500)),
    st.just(b"\0"),
)
data = st.lists(runs, max_size=5).map(b"".join)
frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 65535), data)


class CLink:
    """firmware/server/link, compiled for this machine; undefined behaviour traps."""

    def __init__(self, folder: Path) -> None:
        library = compile_c(
            folder / "link.so",
            [*LINK_SOURCES, SHIM],
            [
                "-O1",
                "-shared",
                "-fPIC",
                "-fsanitize=undefined",
                "-fsanitize-undefined-trap-on-error",
            ],
        )
        self._ffi = cffi.FFI()
        self._ffi.cdef(prototypes(SHIM.read_text()))
        self._c: Any = self._ffi.dlopen(str(library))
        self._out = self._ffi.new("uint8_t[65536]")

    def crc32(self, crc: int, bytes_: bytes) -> int:
        return int(self._c.shim_crc32(crc, bytes_, len(bytes_)))

    def cobs(self, bytes_: bytes) -> bytes:
        count = self._c.shim_cobs(bytes_, len(bytes_), self._out)
        return bytes(self._ffi.buffer(self._out, count))

    def encode(self, frame: Frame, first: int) -> bytes:
        count = self._c.shim_encode(
            frame.type, frame.sequence, frame.payload, len(frame.payload), first, self._out
        )
        return bytes(self._ffi.buffer(self._out, count))

    def decode(self, stream: bytes, capacity: int) -> list[Frame | int]:
        """Return the frames and the error codes that a stream brings, in order."""
        kind = self._ffi.new("uint8_t *")
        sequence = self._ffi.new("uint16_t *")
        length = self._ffi.new("uint16_t *")
        found: list[Frame | int] = []
        self._c.shim_open(capacity)
        for byte in stream:
            result = self._c.shim_push(byte, kind, sequence, length, self._out)
            if result > 0:
                payload = bytes(self._ffi.buffer(self._out, length[0]))
                found.append(Frame(kind[0], sequence[0], payload))
            elif result < 0:
                found.append(result)
        assert self._c.shim_guard_is_whole()
        return found


@pytest.fixture(scope="module")
def c_link(tmp_path_factory: pytest.TempPathFactory) -> CLink:
    return CLink(tmp_path_factory.mktemp("link"))


def decode(stream: bytes, pieces: int, seed: int = 0) -> list[Frame | Damaged]:
    """Return what Python reads from a stream cut into so many pieces at random places."""
    draw = random.Random(seed)
    cuts = sorted(draw.randrange(len(stream) + 1) for _ in range(pieces - 1))
    decoder = FrameDecoder()
    return [
        event
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for event in decoder.feed(stream[start:end])
    ]


@UNHURRIED
@given(data)
@example(b"")
@example(b"\x01" * 254)
@example(b"\x01" * 254 + b"\0")
@example(b"\x01" * 508)
def test_cobs_has_no_zeros_and_returns(bytes_: bytes) -> None:
    encoded = cobs_encode(bytes_)
    assert 0 not in encoded
    assert len(encoded) <= len(bytes_) + len(bytes_) // 254 + 1
    assert cobs_decode(encoded) == bytes_


@UNHURRIED
@given(data)
@example(b"\x01" * 254)
@example(b"\x01" * 254 + b"\0")
@example(b"\x01" * 508)
def test_cobs_in_c_is_the_same(c_link: CLink, bytes_: bytes) -> None:
    assert c_link.cobs(bytes_) == cobs_encode(bytes_)


def test_cobs_examples_of_the_paper() -> None:
    # From Cheshire and Baker 1999 and from the examples that every implementation quotes.
    assert cobs_encode(b"") == b"\x01"
    assert cobs_encode(b"\0") == b"\x01\x01"
    assert cobs_encode(b"\x11\x22\x00\x33") == b"\x03\x11\x22\x02\x33"
    assert cobs_encode(b"\x11\x00\x00\x00") == b"\x02\x11\x01\x01\x01"
    ascending = bytes(range(1, 255))
    assert cobs_encode(ascending) == b"\xff" + ascending
    assert cobs_encode(b"\0" + ascending) == b"\x01\xff" + ascending
    assert cobs_encode(ascending + b"\xff") == b"\xff" + ascending + b"\x02\xff"


@UNHURRIED
@given(data, data)
def test_crc_in_c_is_zlibs_and_goes_on(c_link: CLink, first: bytes, second: bytes) -> None:
    assert c_link.crc32(c_link.crc32(0, first), second) == zlib.crc32(first + second)


@UNHURRIED
@given(frames, st.data())
def test_frames_in_c_are_the_same(c_link: CLink, frame: Frame, draw: st.DataObject) -> None:
    first = draw.draw(st.integers(0, len(frame.payload)))
    assert c_link.encode(frame, first) == encode_frame(frame)


@UNHURRIED
@given(st.lists(frames, max_size=4), st.integers(1, 9), st.integers(0, 999))
def test_frames_return_however_the_stream_is_cut(
    c_link: CLink, sent: list[Frame], pieces: int, seed: int
) -> None:
    stream = b"".join(map(encode_frame, sent))
    assert decode(stream, pieces, seed) == sent
    assert c_link.decode(stream, WIRE.maximum_payload + AROUND) == sent


@UNHURRIED
@given(frames, st.data())
def test_one_changed_lost_or_doubled_byte_is_noticed(
    c_link: CLink, frame: Frame, draw: st.DataObject
) -> None:
    stream = bytearray(encode_frame(frame))
    at = draw.draw(st.integers(1, len(stream) - 2))  # a doubled delimiter does no harm
    kind = draw.draw(st.sampled_from(["flip", "drop", "double"]))
    if kind == "flip":
        stream[at] ^= draw.draw(st.integers(1, 255))
    elif kind == "drop":
        del stream[at]
    else:
        stream.insert(at, stream[at])
    after = Frame(1, 2, b"after")
    hurt = bytes(stream) + encode_frame(after)
    # A run of equal bytes does not show which byte was doubled, but its length shows that one was.
    for found in (decode(hurt, 1), c_link.decode(hurt, WIRE.maximum_payload + AROUND)):
        assert found[-1] == after
        assert len(found) > 1
        assert not any(isinstance(event, Frame) for event in found[:-1])


@UNHURRIED
@given(st.binary(max_size=600), st.integers(0, 80))
def test_garbage_never_gets_past_the_buffer_and_leaves_no_trace(
    c_link: CLink, garbage: bytes, capacity: int
) -> None:
    after = Frame(7, 8, b"")
    capacity += AROUND
    stream = garbage + encode_frame(after)
    assert c_link.decode(stream, capacity)[-1] == after
    assert decode(stream, 3)[-1] == after


@UNHURRIED
@given(frames)
def test_a_frame_longer_than_the_buffer_is_refused(c_link: CLink, frame: Frame) -> None:
    size = len(frame.payload) + AROUND
    stream = encode_frame(frame)
    assert c_link.decode(stream, size) == [frame]
    assert c_link.decode(stream + stream, size - 1) == [OVERRUN, OVERRUN]


def test_python_holds_no_more_than_the_longest_frame() -> None:
    decoder = FrameDecoder()
    longest = Frame(1, 2, bytes(range(256)) * (WIRE.maximum_payload // 256))
    assert list(decoder.feed(encode_frame(longest))) == [longest]
    for _ in range(100):
        assert list(decoder.feed(b"\x55" * 10_000)) == []
    assert len(decoder._held) < WIRE.maximum_payload + 100
    (damaged, *rest) = decoder.feed(encode_frame(longest))
    assert isinstance(damaged, Damaged)
    assert rest == [longest]
    with pytest.raises(ValueError, match="at most"):
        encode_frame(Frame(1, 2, bytes(WIRE.maximum_payload + 1)))


def wrong_frames() -> Iterator[bytes]:
    """Return bodies with a sound CRC and a wrong length, and bodies too short for a header."""
    for length in (0, 2, 4, 65535):
        body = WIRE.header_layout.pack(1, 2, length) + b"abc"
        yield cobs_encode(body + WIRE.trailer_layout.pack(zlib.crc32(body)))
    for size in range(AROUND):
        yield cobs_encode(bytes(size))
    yield b"\x05\x01"  # a group that is cut off


@pytest.mark.parametrize("raw", list(wrong_frames()))
def test_wrong_lengths_are_refused(c_link: CLink, raw: bytes) -> None:
    assert parse_frame(raw) is None
    assert c_link.decode(b"\0" + raw + b"\0", 100) == [BROKEN]

# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/packet equals quantize/packet on real, drawn and damaged packets."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import cffi
import pytest

from quantize.packet.extension import DRAFTS, LIBOPUS_1_6, RUN_MAX, Framing, insert
from quantize.packet.opus_packet import Packet
from tests.support.opus_packets import KINDS, real_packets
from tests.support.packet_mutations import cases
from tests.support.packet_native import SOURCES, Case, build, differences, expected
from toolkit.common.wire import Status
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import INCLUDES

CASES = 5000
TOC = 9 << 3  # SILK wide band, 20 ms, mono, code 0
OVERHEAD = 17  # DK_PACKET_OVERHEAD, which tests/programs/packet_cases.c compares with each packet


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("packet"))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> tuple[cffi.FFI, Any]:
    library = tmp_path_factory.mktemp("packet") / "packet.so"
    command = ["gcc", "-std=c11", "-Os", "-shared", "-fPIC", *(f"-I{path}" for path in INCLUDES)]
    subprocess.run([*command, "-o", str(library), *map(str, SOURCES)], check=True)
    ffi = cffi.FFI()
    ffi.cdef(declarations("dredkit/packet.h"))
    return ffi, ffi.dlopen(str(library))


@pytest.mark.parametrize("kind", KINDS)
def test_real_packets(kind: str, program: Path) -> None:
    """Every packet of an encoder takes a payload, short and long ones, with room to the byte."""
    fitting, short = [], []
    for i, packet in enumerate(real_packets(kind)):
        payload = b"redundancy"[: 1 + i % 10] * (1 + i % 97)
        for framing in (LIBOPUS_1_6, DRAFTS):
            size = len(insert(packet, payload, framing))  # less than before if padding is dropped
            fitting.append(Case(packet, payload, max(size, len(packet)), (framing,)))
            if size > len(packet):
                short.append(Case(packet, payload, size - 1, (framing,)))
    assert short
    assert {expected(case).added for case in short} == {Status.OVERRUN}
    again = [
        Case(answer.added, b"x", 9000, case.framings)
        for case, answer in zip(fitting, map(expected, fitting), strict=True)
        if isinstance(answer.added, bytes)
    ]
    assert len(again) == len(fitting)
    assert {expected(case).added for case in again} == {Status.PRESENT}
    assert differences(program, [*fitting, *short, *again]) == []


def test_drawn_and_damaged_packets(program: Path) -> None:
    real = [packet for kind in KINDS for packet in real_packets(kind)[::9]]
    drawn = list(cases(11, CASES, real))
    assert differences(program, drawn) == []
    seen = Counter[Any]()
    for case in drawn:
        answer = expected(case)
        seen["found" if answer.found else "none", isinstance(answer.found, bytes)] += 1
        seen["added", answer.added if isinstance(answer.added, int) else "bytes"] += 1
        seen["later frame"] += answer.frame_offset > 0
        seen["other version"] += answer.other_version >= 0
    # Every kind of answer occurs often enough to mean something.
    assert set(seen) == {
        *(("found", True), ("found", False), ("none", True), "later frame", "other version"),
        *(("added", "bytes"), ("added", Status.PACKET), ("added", Status.EXTENSION)),
        *(("added", Status.PRESENT), ("added", Status.LENGTH), ("added", Status.OVERRUN)),
    }
    assert min(seen.values()) >= CASES // 100, seen


def test_the_largest_overhead_is_reached(program: Path) -> None:
    """A padding that grows by four length bytes, four of lacing, the ID and the longest prefix."""
    packet = Packet(TOC, (b"frame",), b"\x41\x02yz").build()
    framing = Framing(127, b"8 bytes!")
    payload = bytes(1000)
    assert len(insert(packet, payload, framing)) == len(packet) + len(payload) + OVERHEAD
    case = Case(packet, payload, len(packet) + len(payload) + OVERHEAD, (framing,))
    assert differences(program, [case]) == []


def test_junk_extensions_that_repeat(program: Path) -> None:
    """All two-byte paddings and some longer ones, over one to three frames."""
    paddings = [bytes([a, b]) for a in range(0, 256, 3) for b in range(0, 256, 5)]
    paddings += [
        bytes([7, 1, 65, 2, 1, 2, a, b, 3, 0, c])
        for a in range(8)
        for b in range(8)
        for c in range(8)
    ]
    wanted = [
        Case(Packet(TOC, (b"ab",) * (1 + i % 3), padding).build(), b"p", 40)
        for i, padding in enumerate(paddings)
    ]
    assert differences(program, wanted) == []


@pytest.mark.parametrize("extra", [b"\x07a", b"\x41\x01a"], ids=["short", "long"])
def test_the_longest_run_that_repeats(extra: bytes, program: Path) -> None:
    """Runs of up to 66 extensions with data, over frames that repeat them and one that cannot."""
    wanted = [
        Case(Packet(TOC, (b"",) * frames, body + end + b"\x01x" * 2 * count).build(), b"p", 999)
        for count in (RUN_MAX - 2, RUN_MAX - 1, RUN_MAX, RUN_MAX + 1)
        for body in (extra * count + b"\x41\x01z", b"\x41\x01z" + extra * count)
        for end in (b"\x04", b"\x05", b"\x06\x01\x04")
        for frames in (1, 2, 3)
    ]
    assert differences(program, wanted) == []
    assert {type(expected(case).added) for case in wanted} == {int, bytes}


def test_framings_are_those_of_python(native: tuple[cffi.FFI, Any]) -> None:
    ffi, lib = native
    for own, framing in (
        (lib.dk_packet_libopus_1_6, LIBOPUS_1_6), (lib.dk_packet_drafts, DRAFTS),
        (lib.dk_packet_framings[0], LIBOPUS_1_6), (lib.dk_packet_framings[1], DRAFTS),
    ):  # fmt: skip
        prefix = bytes(ffi.buffer(own.prefix))[: own.prefix_bytes]
        assert Framing(own.id, prefix) == framing


def test_wrong_arguments_are_refused(native: tuple[cffi.FFI, Any]) -> None:
    ffi, lib = native
    sound = bytes([TOC]) + b"frame"
    room = ffi.new("uint8_t[100]", sound)
    found = ffi.new("dk_packet_found *")
    framing = ffi.new("dk_packet_framing *", [126, 2, b"D\x0c"])
    null, find, add = ffi.NULL, lib.dk_packet_find, lib.dk_packet_add
    refused = [
        lib.dk_packet_frames(null, 6),
        lib.dk_packet_units(null, 6),
        lib.dk_packet_strip(null, 6),
        lib.dk_packet_added_bytes(null, 6, 1, framing),
        lib.dk_packet_added_bytes(room, 6, 1, null),
        find(null, 6, framing, 1, found),
        find(room, 6, null, 1, found),
        find(room, 6, framing, 1, null),
        add(null, 6, 100, b"p", 1, framing),
        add(room, 6, 100, null, 1, framing),
        add(room, 6, 100, b"p", 1, null),
        add(room, 6, 5, b"p", 1, framing),  # a packet longer than its buffer
    ]
    for number, marks in ((31, 2), (128, 2), (126, 9)):
        wrong = ffi.new("dk_packet_framing *", [number, marks, b"D\x0c"])
        refused.append(find(room, 6, wrong, 1, found))
        refused.append(add(room, 6, 100, b"p", 1, wrong))
    assert set(refused) == {Status.ARGUMENT}
    assert (found.payload, found.bytes, found.other_version) == (null, 0, -1)
    assert bytes(ffi.buffer(room, 6)) == sound
    assert find(room, 6, null, 0, found) == 0

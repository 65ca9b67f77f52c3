# SPDX-License-Identifier: BSD-3-Clause
"""Packets of 24 kinds that libopus made: with a payload in them, libopus hears the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

from quantize.errors import PacketError
from quantize.packet.extension import extract, insert, strip
from quantize.packet.opus_packet import Packet
from tests.support.opus_packets import KINDS, libopus, real_packets
from tests.support.packet_mutations import damaged


def test_the_kinds_differ() -> None:
    """Every length of 2.5 to 120 ms, every code, padded and plain, DTX, LBRR and stereo."""
    assert len(KINDS) == 24
    packets = {name: real_packets(name) for name in KINDS}
    units = {Packet.parse(p).units for made in packets.values() for p in made}
    assert units == {1, 2, 4, 8, 16, 24, 32, 40, 48}
    codes = {p[0] & 3 for made in packets.values() for p in made}
    flags = {p[1] & 0xC0 for made in packets.values() for p in made if p[0] & 3 == 3}
    assert codes == {0, 1, 2, 3}
    assert flags == {0x00, 0x40, 0x80, 0xC0}
    assert {p[0] & 4 for made in packets.values() for p in made} == {0, 4}
    assert sum(len(p) == 1 for p in packets["silk-20-dtx"]) > 5
    modes = {
        0 if p[0] >> 3 < 12 else 1 if p[0] >> 3 < 16 else 2 for m in packets.values() for p in m
    }
    assert modes == {0, 1, 2}


@pytest.mark.parametrize("name", KINDS)
def test_libopus_hears_the_same(name: str) -> None:
    opus, plain = libopus(), real_packets(name)
    payloads = [bytes([i % 256]) * (1 + 37 * i % 1000) for i in range(len(plain))]
    carrying = [insert(*pair) for pair in zip(plain, payloads, strict=True)]
    for packet, before, payload in zip(carrying, plain, payloads, strict=True):
        parts = Packet.parse(packet)
        assert parts.frames == Packet.parse(before).frames == opus.parse(packet)
        assert len(parts.frames) == opus.frame_count(packet) == opus.frame_count(before)
        assert parts.units == KINDS[name].units == opus.units(packet)
        assert opus.unpad(packet) == opus.unpad(before) == opus.unpad(strip(packet))
        found = extract(packet)
        assert found is not None
        assert (found.payload, found.frame_offset) == (payload, 0)
    for fec in (False, True) if KINDS[name].fec else (False,):
        heard = opus.decode(plain, fec=fec)
        assert np.any(heard)
        np.testing.assert_array_equal(opus.decode(carrying, fec=fec), heard)


@pytest.mark.parametrize("more", [1, 2, 3, 254, 255, 256, 600])
def test_the_padding_of_libopus_is_dropped(more: int) -> None:
    packet = real_packets("hybrid-40")[9]
    padded = libopus().pad(packet, len(packet) + more)
    assert len(padded) == len(packet) + more
    assert insert(padded, b"payload") == insert(packet, b"payload")


def test_libopus_refuses_the_same_packets() -> None:
    """Packets with a few bytes changed: the same frames, or both refuse."""
    rng = random.Random(5)
    refused = 0
    real = [packet for name in KINDS for packet in real_packets(name)[:4]]
    for _ in range(4000):
        packet = damaged(rng, insert(rng.choice(real), b"payload"))
        try:
            frames = Packet.parse(packet).frames
        except PacketError:
            frames = None
        assert frames == libopus().parse(packet), packet.hex()
        refused += frames is None
    assert 400 < refused < 3600

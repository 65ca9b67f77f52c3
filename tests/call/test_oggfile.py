# SPDX-License-Identifier: BSD-3-Clause
"""Ogg Opus files: their packets, and `dredkit call` with those that carry DRED."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from quantize.packet.extension import LIBOPUS_1_6, insert
from tests.call.conftest import PACKETS
from tests.support.decoder_models import random_payload
from toolkit.call.codec import encode_speech
from toolkit.call.oggfile import is_oggfile, read_oggfile
from toolkit.call.one import read_packets
from toolkit.common.errors import InputError
from toolkit.speech.audio import Pcm, write_wav

SERIAL, PRE_SKIP, STEP = 7, 312, 960  # STEP: samples at 48 kHz of a packet


def crc(data: bytes) -> int:
    """Return Ogg's checksum: polynomial 0x04c11db7, nothing reflected or inverted."""
    found = 0
    for byte in data:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 ^ (0x04C11DB7 if found & 0x80000000 else 0)) & 0xFFFFFFFF
    return found


def page(number: int, packet: bytes, granule: int, flags: int = 0) -> bytes:
    """Return a page with one packet."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, SERIAL, number, 0)
    whole = head + bytes([len(lacing)]) + lacing + packet
    return whole[:22] + struct.pack("<I", crc(whole)) + whole[26:]


def ogg(packets: Sequence[bytes], channels: int = 1, family: int = 0) -> bytes:
    """Return an Ogg Opus file of packets of 20 ms; family 1 spreads channels over streams."""
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, PRE_SKIP, 16000, 0, family)
    if family:
        head += bytes([channels, 0, *range(channels)])
    pages = [page(0, head, 0, 2), page(1, b"OpusTags" + struct.pack("<II", 0, 0), 0)]
    for i, packet in enumerate(packets):
        last = 4 if i == len(packets) - 1 else 0
        pages.append(page(2 + i, packet, STEP * (i + 1), last))
    return b"".join(pages)


@pytest.fixture(scope="module")
def plain(speech: Pcm) -> list[bytes]:
    return [record.packet for record in encode_speech(speech, [24000] * PACKETS, 20)]


@pytest.fixture(scope="module")
def carrying(plain: list[bytes]) -> list[bytes]:
    return [insert(packet, random_payload(i, chunks=3)) for i, packet in enumerate(plain)]


def test_packets_come_out_as_they_are(carrying: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "x.opus"
    file.write_bytes(ogg(carrying))
    assert is_oggfile(file)
    assert [record.packet for record in read_oggfile(file)] == carrying
    packets = read_packets(file, [LIBOPUS_1_6])
    assert packets is not None
    assert [record.packet for record in packets.records] == carrying


def test_a_missing_page_is_a_missing_packet(carrying: list[bytes], tmp_path: Path) -> None:
    data = ogg(carrying)
    cut = page(2 + 5, carrying[5], STEP * 6)
    (tmp_path / "x.opus").write_bytes(data.replace(cut, b""))
    found = [record.packet for record in read_oggfile(tmp_path / "x.opus")]
    assert found == carrying[:5] + carrying[6:]


def test_ogg_without_dred_is_a_recording(plain: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "x.opus").write_bytes(ogg(plain))
    assert read_packets(tmp_path / "x.opus", [LIBOPUS_1_6]) is None


def test_a_wav_is_a_recording_whatever_its_name(speech: Pcm, tmp_path: Path) -> None:
    write_wav(tmp_path / "x.wav", speech)
    (tmp_path / "x.opus").write_bytes((tmp_path / "x.wav").read_bytes())
    for name in ("x.wav", "x.opus"):
        assert read_packets(tmp_path / name, [LIBOPUS_1_6]) is None


def test_files_that_cannot_be_read(carrying: list[bytes], tmp_path: Path) -> None:
    whole = ogg(carrying)
    for name, data, said in (
        ("cut", whole[:40], "is not an Ogg Opus file"),
        ("headers", ogg([]), "is not an Ogg Opus file"),
        ("streams", ogg(carrying, 4, 1), "more than two channels"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=said):
            read_oggfile(tmp_path / name)

# SPDX-License-Identifier: BSD-3-Clause
"""The examples give on every board what they give here, and what the reference says."""

from pathlib import Path

import pytest

from quantize.codec.sender import default_rate, run_encoder, voiced
from quantize.packet.extension import insert
from tests.support.examples import PACKETS, models, program, speech, write_pcm
from toolkit.call.bitfile import read_bitfile
from toolkit.measure.examples import CORES, HOST, run_example

EMPTY = b"\x48"  # SILK, wideband, 20 ms, without sound


def play(board: str, name: str, folder: Path) -> str:
    """Run an example on the two seconds of speech and return what it prints."""
    write_pcm(folder / "speech.pcm", speech())
    return run_example(board, program(board, name), folder)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the sender ran on this machine."""
    folder = tmp_path_factory.mktemp("sender")
    play(HOST, "sender", folder)
    return folder


def test_the_senders_packets_are_those_of_the_reference(sent: Path) -> None:
    rates = [default_rate()] * PACKETS
    payloads = run_encoder(models()[0], speech(), rates, voiced(speech())).payloads
    want = [insert(EMPTY, payload) if payload else EMPTY for payload in payloads]
    assert sum(packet != EMPTY for packet in want) > PACKETS // 2
    assert [record.packet for record in read_bitfile(sent / "packets.bit")] == want


@pytest.mark.parametrize("board", CORES)
def test_the_sender_on_boards(board: str, sent: Path, tmp_path: Path) -> None:
    play(board, "sender", tmp_path)
    assert (tmp_path / "packets.bit").read_bytes() == (sent / "packets.bit").read_bytes()

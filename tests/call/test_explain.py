# SPDX-License-Identifier: BSD-3-Clause
"""`explain`: what each packet carries, what it covers, and what the next one rebuilds of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from quantize.dred.payload import Header, parse, write_symbols
from quantize.dred.tables import DECAY, P_ZERO, EntropyTables
from quantize.packet.extension import DRAFTS, LIBOPUS_1_6, Framing, insert
from quantize.packet.opus_packet import Packet
from tests.support.opus_packets import KINDS, real_packets
from toolkit.call.bitfile import Record, write_bitfile
from toolkit.call.explain import Loss, explain, rebuilt_share
from toolkit.commands.explain import command
from toolkit.commands.shared.packets import tables_in
from toolkit.models.importers import SHIPPED

TOC = 9 << 3  # SILK wide band, 20 ms, mono, code 0
SPEECH = bytes([TOC]) + b"frame"
BOTH = (LIBOPUS_1_6, DRAFTS)


@pytest.fixture(scope="module")
def tables() -> EntropyTables:
    return tables_in(SHIPPED)


def payload(tables: EntropyTables, chunks: int, offset: int = 10) -> bytes:
    """Return a payload with a 1 for every symbol that is sent."""
    header = Header(6, 5, 15, offset)

    def ones(table: np.ndarray, level: int) -> np.ndarray:
        return ((table[DECAY, level] != 0) & (table[P_ZERO, level] != 255)).astype(np.int64)

    state = ones(tables.states, header.q0)
    sent = [ones(tables.latents, header.level(i)) for i in range(chunks)]
    return write_symbols(tables, header, state, sent)


def test_one_packet(tables: EntropyTables) -> None:
    data = payload(tables, 3)
    (told,) = explain([Record(insert(SPEECH, data, DRAFTS))], tables, BOTH)
    assert told.coding is not None
    coding = told.coding
    assert (coding.mode, coding.bandwidth, coding.channels) == ("SILK", "wide", 1)
    assert (coding.frames, coding.frame_units) == (1, 8)
    carried = told.carried
    assert carried is not None
    assert (carried.framing, carried.payload_bytes) == (DRAFTS, len(data))
    assert (carried.chunks, carried.levels) == (3, [6, 7, 7])
    # The bits of all parts fill the payload up to its last byte.
    assert len(carried.chunk_bits) == 3
    assert carried.ends[0] + sum(carried.chunk_bits) == carried.ends[-1]
    assert 8 * len(data) - 7 <= carried.ends[-1] <= 8 * len(data)
    assert carried.ends == parse(data, tables).ends
    assert told.loss == Loss(8, 0, 0, 0)


def test_what_a_loss_costs(tables: EntropyTables) -> None:
    """20-ms packets, where only the fourth carries 2 chunks: 55 ms before it, 22 units."""
    records = [Record(SPEECH)] * 3 + [Record(insert(SPEECH, payload(tables, 2)))]
    told = explain(records, tables, BOTH)
    assert [packet.start for packet in told] == [0, 8, 16, 24]
    assert [packet.loss for packet in told] == [
        Loss(8, 0, 6, 3), Loss(8, 0, 8, 2), Loss(8, 8, 8, 1), Loss(8, 0, 0, 0),
    ]  # fmt: skip
    assert rebuilt_share(told, 1) == pytest.approx(1 / 3)
    assert rebuilt_share(told, 3) == pytest.approx(22 / 24)
    assert rebuilt_share(told, 4) is None


def test_silence_that_was_not_sent_counts_as_rebuilt(tables: EntropyTables) -> None:
    silent = insert(SPEECH, payload(tables, 2, offset=-16))
    told = explain([Record(SPEECH), Record(silent)], tables, BOTH)
    redundancy = told[1].received.redundancy
    assert redundancy is not None
    assert (redundancy.covers_from, redundancy.covers_to) == (16, 48)
    assert told[0].loss == Loss(8, 8, 8, 1)


def test_absent_damaged_and_foreign_packets(tables: EntropyTables) -> None:
    damaged = bytes([TOC | 3, 0])
    extension = Packet(TOC, (b"ab", b"ab"), b"\x03\x02").build()
    old = insert(SPEECH, b"whatever", Framing(126, b"D\x0a"))
    told = explain([Record(p) for p in (SPEECH, b"", damaged, extension, old)], tables, BOTH)
    assert [packet.received.heard for packet in told] == [True, False, False, True, True]
    assert [packet.coding is None for packet in told] == [False, True, True, False, False]
    assert [packet.carried for packet in told] == [None] * 5
    assert told[4].received.other_version == 10
    assert [packet.received.units for packet in told] == [8, 8, 8, 16, 8]


@pytest.mark.parametrize("name", KINDS)
def test_the_coding_of_real_packets(name: str, tables: EntropyTables) -> None:
    kind = KINDS[name]
    for told in explain([Record(packet) for packet in real_packets(name)], tables, BOTH):
        assert told.coding is not None
        # libopus may leave the wanted bandwidth, and CELT has no medium band.
        assert told.coding.mode == {1000: "SILK", 1001: "hybrid", 1002: "CELT"}[kind.mode]
        assert told.coding.channels == kind.channels
        assert told.coding.frames * told.coding.frame_units == kind.units
        assert told.start % kind.units == 0


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=True)


@pytest.fixture
def stream(tables: EntropyTables, tmp_path: Path) -> Path:
    path = tmp_path / "call.bit"
    later = Packet(TOC, (b"ab", b"ab"), b"\x02\xfcD\x0c" + payload(tables, 1)).build()
    packets = [
        *(SPEECH, insert(SPEECH, payload(tables, 5)), b"", bytes([TOC | 3, 0]), later),
        insert(SPEECH, b"whatever", Framing(126, b"D\x0a")),
    ]
    write_bitfile(path, [Record(packet) for packet in packets])
    return path


def test_the_command_shows_every_packet(stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    told = run(stream, "--json", "-")
    assert told.exit_code == 0, told.output
    facts = json.loads(told.stdout)
    rows = [line.split() for line in told.stderr.splitlines()]
    assert rows[0][:5] == ["#", "at", "bytes", "audio", "payload"]
    carried = str(facts["shown"][1]["dred"]["bytes"])
    assert rows[2][3:9] == ["20", "SILK", carried, "6/5/15", "10", "5"]
    assert rows[2][-2:] == ["175", "0/20"]
    assert (rows[3][3], rows[4][3]) == ("absent", "damaged")
    assert "+20 ms" in told.stderr
    assert "version 10" in told.stderr  # of libopus 1.5; a narrow terminal breaks the line here
    assert "packet 3: Opus packet: 0 frames" in told.stderr
    assert "6 packets, 2 with DRED" in told.stderr
    assert (facts["packets"], facts["with_dred"], facts["cut"]) == (6, 2, False)
    assert facts["rebuilt_after"]["1"] == pytest.approx(20 / 120)
    assert [packet["at_ms"] for packet in facts["shown"]] == [0, 20, 40, 60, 80, 120]
    dred = facts["shown"][1]["dred"]
    assert (dred["extension"], dred["version"], dred["covers_ms"]) == (126, 12, 175.0)
    assert len(dred["bits"]["chunks"]) == len(dred["levels"]) == dred["chunks"] == 5
    assert facts["shown"][4]["dred"]["frame_offset_ms"] == 20.0
    assert facts["shown"][5]["other_version"] == 10
    assert facts["shown"][0]["if_lost"] == {
        "ms": 20.0, "next_ms": 20.0, "best_ms": 20.0, "best_after": 1,
    }  # fmt: skip


def test_the_command_shows_some_packets(stream: Path) -> None:
    facts = json.loads(run(stream, "--from", "2", "--count", "3", "--json", "-").stdout)
    assert [packet["packet"] for packet in facts["shown"]] == [2, 3, 4]
    assert facts["packets"] == 6
    drafts = json.loads(run(stream, "--extension-id", "32", "--json", "-").stdout)
    assert drafts["with_dred"] == 0


def test_a_cut_file_is_read_to_its_cut(stream: Path) -> None:
    stream.write_bytes(stream.read_bytes()[:-3])
    told = run(stream, "--json", "-")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["cut"] is True
    assert "ends inside packet 5; the 5 before it are read" in told.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--from", "6"), "--from 6: .* has 6 packets, counted from 0"),
        (("--tables", __file__), "not a checkpoint with entropy tables"),
        (("--extension-prefix", "4"), "--extension-prefix 4: not hexadecimal"),
    ],
)
def test_bad_words_are_one_line(words: tuple[str, ...], reason: str, stream: Path) -> None:
    ended = run(stream, *words)
    assert ended.exit_code != 0
    with pytest.raises(ValueError, match=reason):
        raise ended.exception or AssertionError


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\xff" * 40, bytes(7)])
def test_a_file_that_is_no_packet_file_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.bit"
    path.write_bytes(data)
    ended = run(path)
    assert isinstance(ended.exception, ValueError)
    assert str(ended.exception).startswith(f"{path}:")

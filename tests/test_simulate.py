# SPDX-License-Identifier: BSD-3-Clause
"""Opus streams with our DRED: stock libopus decodes them as if it were not there."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from quantize.dred.payload import parse
from quantize.dred.tables import EntropyTables
from toolkit.audio import read_speech
from toolkit.commands.simulate import command
from toolkit.errors import InputError, ToolError
from toolkit.extension import LIBOPUS_1_6, extract, insert, strip
from toolkit.importers import SHIPPED
from toolkit.simulate import codec
from toolkit.simulate.bitfile import Record, read_bitfile, write_bitfile
from toolkit.simulate.receiver import Redundancy, lose, read_redundancy, survival
from toolkit.simulate.sender import Sent, Vectors, load_tables, send

NO_VECTORS = Vectors(np.zeros((0, 25), np.int64), np.zeros((0, 50), np.int64))


@pytest.fixture(scope="session")
def tables() -> EntropyTables:
    return load_tables(SHIPPED)


def speech(clip: Path, packets: int = 100) -> np.ndarray:
    return read_speech(clip)[: packets * codec.FRAME]


def random_vectors(count: int) -> Vectors:
    rng = np.random.default_rng(0)
    latents, states = rng.laplace(0, 65536, (count, 25)), rng.laplace(0, 65536, (count, 50))
    return Vectors(latents.astype(np.int64), states.astype(np.int64))


@pytest.fixture(scope="session")
def sent(clip: Path, tables: EntropyTables) -> Sent:
    pcm = speech(clip)
    return send(pcm, random_vectors(100), tables, bitrate=32_000, loss=20, duration=104)


def test_every_payload_arrives(sent: Sent, tables: EntropyTables) -> None:
    assert sent.rate is not None
    carried = 0
    for record, payload in zip(sent.records, sent.payloads, strict=True):
        found = extract(record.packet, LIBOPUS_1_6)
        assert (found.payload if found else b"") == payload
        if payload:
            carried += 1
            assert len(parse(payload, tables).chunks) <= sent.rate.max_chunks
    assert carried > 50


def test_stock_libopus_hears_the_same(sent: Sent) -> None:
    """The padding changes no sample, and no final range: what opus_demo compares."""
    plain = [Record(strip(record.packet)) for record in sent.records]
    assert sum(len(record.packet) for record in sent.records) > sum(map(len_of, plain))
    heard = codec.decode_speech(sent.records)
    assert np.array_equal(heard, codec.decode_speech(plain))
    assert np.abs(heard.astype(np.int32)).max() > 1000


def test_a_lost_packet_is_concealed(sent: Sent) -> None:
    """The loss gives 20 ms of sound all the same, and only what follows it may differ."""
    heard = codec.decode_speech(sent.records)
    holed = codec.decode_speech([*sent.records[:50], Record(b""), *sent.records[51:]])
    start = 50 * codec.FRAME
    assert len(holed) == len(heard)
    assert np.array_equal(holed[:start], heard[:start])
    assert not np.array_equal(
        holed[start : start + codec.FRAME], heard[start : start + codec.FRAME]
    )


def len_of(record: Record) -> int:
    return len(record.packet)


def test_no_redundancy_without_expected_loss(clip: Path, tables: EntropyTables) -> None:
    vectors = random_vectors(10)
    sent = send(speech(clip, 10), vectors, tables, bitrate=32_000, loss=0, duration=104)
    assert sent.rate is None
    assert all(extract(record.packet) is None for record in sent.records)


def test_a_missing_binding_is_one_clear_line(
    clip: Path, tables: EntropyTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opuslib_next", None)  # importing it fails
    with pytest.raises(ToolError, match="opuslib-next is missing"):
        codec.encode_speech(speech(clip, 1), [16_000], 0)


def test_the_command_writes_and_reads(tmp_path: Path, clip: Path) -> None:
    output, summary = tmp_path / "out.bit", tmp_path / "out.json"
    short = tmp_path / "short.wav"
    soundfile.write(short, speech(clip, 60), 16000)
    arguments = ["--audio", str(short), "--output", str(output), "--json", str(summary)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    written = json.loads(summary.read_text())
    assert written["packets"] >= 59
    assert written["with_dred"] > 20
    done = CliRunner().invoke(command, ["--read", str(output), "--json", "-"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["mean_payload_bytes"] == written["mean_payload_bytes"]


# Files


def test_bitfile_round_trip(tmp_path: Path) -> None:
    records = [Record(b"abc", 0xFFFFFFFF), Record(b""), Record(b"x" * 300, 7)]
    write_bitfile(tmp_path / "x.bit", records)
    assert read_bitfile(tmp_path / "x.bit") == records
    assert (tmp_path / "x.bit").read_bytes()[:11] == b"\0\0\0\3\xff\xff\xff\xffabc"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no packets"),
        (b"\0\0", "ends inside"),
        (b"\0\0\0\5\0\0\0\0abc", "ends inside"),
        (b"RIFF1234WAVE", "not a .bit file"),
    ],
)
def test_broken_bitfiles_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.bit").write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_bitfile(tmp_path / "x.bit")
    with pytest.raises(InputError, match="cannot read"):
        read_bitfile(tmp_path / "absent.bit")


def test_tables_from_a_file(tmp_path: Path, tables: EntropyTables) -> None:
    (tmp_path / "t.u8").write_bytes(tables.to_bytes())
    assert load_tables(tmp_path / "t.u8").to_bytes() == tables.to_bytes()
    (tmp_path / "t.u8").write_bytes(bytes(4801))
    with pytest.raises(InputError, match="4800"):
        load_tables(tmp_path / "t.u8")
    with pytest.raises(InputError, match="cannot read"):
        load_tables(tmp_path / "absent.safetensors")


# The receiver


def test_redundancy_of_golden_packets(upstream: Path) -> None:
    golden = upstream / "golden"
    tables = load_tables(golden / "dred_stats_tables.u8")
    data = (golden / "pkt_a_payload.bin").read_bytes()
    size = int.from_bytes(data[4:8], "little")
    payload = data[8 : 8 + size]
    packet = insert(b"\x48frame", payload)
    read = read_redundancy(Record(packet), tables)
    assert read == Redundancy(len(packet), size, 6, 5, 15, 10, 1)
    assert (read.covers_from, read.covers_to) == (0, 6)


def test_nothing_to_read(tables: EntropyTables) -> None:
    assert read_redundancy(Record(b""), tables) is None
    assert read_redundancy(Record(b"\x48frame"), tables) is None


def test_survival_by_hand() -> None:
    deep = Redundancy(100, 50, 6, 5, 15, 10, 3)  # 48 - 10 units: four packets and a bit
    packets = [deep, None, None, deep, *[None] * 6, deep]
    lost = [False, True, True, False, *[True] * 6, False]
    assert survival(packets, lost) == {"packets": 11, "lost": 8, "rebuilt": 6}
    assert survival([None, None], [True, False])["rebuilt"] == 0


def test_losses_come_in_bursts_at_the_rate() -> None:
    lost = lose(60_000, 20, 1)
    assert sum(lost) / len(lost) == pytest.approx(0.2, abs=0.01)
    starts = sum(b and not a for a, b in itertools.pairwise(lost))
    assert sum(lost) / starts == pytest.approx(3.0, abs=0.2)
    assert not any(lose(100, 0, 1))
    with pytest.raises(InputError, match="loss"):
        lose(10, 75, 0)

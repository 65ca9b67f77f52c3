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
from quantize.encoder import EncoderModel, default_rate
from toolkit.audio import read_speech
from toolkit.commands.simulate import command
from toolkit.errors import InputError, ToolError
from toolkit.extension import LIBOPUS_1_6, extract, insert, strip
from toolkit.importers import SHIPPED
from toolkit.pipeline import connected, prepare
from toolkit.sending import Sending
from toolkit.simulate import codec
from toolkit.simulate.bitfile import Record, read_bitfile, write_bitfile
from toolkit.simulate.receiver import Redundancy, lose, read_redundancy, survival
from toolkit.simulate.sender import Sent, send
from toolkit.stage import EncoderStage
from toolkit.steps import Sources, quantise_encoder
from toolkit.targets import load_target
from toolkit.verify import verify

PACKETS = 100
VOICE_WORD = codec.FRAME + 3  # of a step's input: after the samples and the rate


@pytest.fixture(scope="session")
def model() -> EncoderModel:
    """The whole sender, of the shipped checkpoints."""
    return quantise_encoder(Sources(SHIPPED))[0]


@pytest.fixture(scope="session")
def tables(model: EncoderModel) -> EntropyTables:
    return model.tables


def speech(clip: Path, packets: int = PACKETS) -> np.ndarray:
    return read_speech(clip)[: packets * codec.FRAME]


@pytest.fixture(scope="session")
def pcm(clip: Path) -> np.ndarray:
    """Speech, with a pause of 0.3 s."""
    samples = speech(clip).copy()
    samples[55 * codec.FRAME : 70 * codec.FRAME] = 0
    return samples


@pytest.fixture(scope="session")
def sent(pcm: np.ndarray, model: EncoderModel) -> Sent:
    return send(pcm, model, bitrate=32_000, loss=20, duration=104)


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


def test_the_padding_holds_what_the_firmware_sends(
    sent: Sent, pcm: np.ndarray, model: EncoderModel, tmp_path: Path
) -> None:
    """The sender's C, asked for the same rate and told the same voice decisions, step by step."""
    soundfile.write(tmp_path / "speech.wav", pcm, 16000)
    asked = Sending(rate=sent.rate or default_rate(), vad=True)
    steps = EncoderStage(model, asked).inputs(tmp_path / "speech.wav")
    assert 0 < steps[:, VOICE_WORD].sum() < PACKETS
    prepared = prepare(model, load_target("host"), tmp_path / "build")
    with connected(prepared, port=None, serial="socket") as session:
        found = verify(
            session,
            target=prepared.target,
            model=model,
            manifest=prepared.manifest,
            build=prepared.build,
            engine=prepared.engine,
            audio=tmp_path / "speech.wav",
            inputs=steps,
            trace=False,
        )
    assert found.mismatches == 0, str(found.comparisons)
    lengths, rows = found.outputs["payload_length"][:, 0], found.outputs["payload"]
    device = [row[:n].astype(np.uint8).tobytes() for n, row in zip(lengths, rows, strict=True)]
    carried = [extract(record.packet, LIBOPUS_1_6) for record in sent.records]
    assert [found.payload if found else b"" for found in carried] == device


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


def test_no_redundancy_without_expected_loss(clip: Path, model: EncoderModel) -> None:
    sent = send(speech(clip, 10), model, bitrate=32_000, loss=0, duration=104)
    assert sent.rate is None
    assert all(extract(record.packet) is None for record in sent.records)


def test_a_missing_binding_is_one_clear_line(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opuslib_next", None)  # importing it fails
    with pytest.raises(ToolError, match="opuslib-next is missing"):
        codec.encode_speech(speech(clip, 1), [16_000], 0)


def test_the_command_writes_and_reads(tmp_path: Path, clip: Path, model: EncoderModel) -> None:
    output, summary = tmp_path / "out.bit", tmp_path / "out.json"
    model.save(tmp_path / "encoder.dkq")
    short = tmp_path / "short.wav"
    soundfile.write(short, speech(clip, 60), 16000)
    arguments = ["--model", str(tmp_path / "encoder.dkq"), "--audio", str(short)]
    arguments += ["--output", str(output), "--json", str(summary)]
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


def test_a_single_network_is_refused(tmp_path: Path, model: EncoderModel) -> None:
    model.rdovae.save(tmp_path / "network.dkq")
    done = CliRunner().invoke(command, ["--model", str(tmp_path / "network.dkq")])
    assert isinstance(done.exception, InputError)
    assert "whole encoder" in str(done.exception)


def test_reading_wants_entropy_tables(tmp_path: Path, upstream: Path) -> None:
    write_bitfile(tmp_path / "x.bit", [Record(b"\x48frame")])
    weights = str(upstream / "weights" / "rdovae_enc.bin")
    done = CliRunner().invoke(command, ["--read", str(tmp_path / "x.bit"), "--weights", weights])
    assert isinstance(done.exception, InputError)
    assert "--tables" in str(done.exception)


# The receiver


def test_redundancy_of_golden_packets(upstream: Path) -> None:
    golden = upstream / "golden"
    tables = EntropyTables.from_bytes((golden / "dred_stats_tables.u8").read_bytes())
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

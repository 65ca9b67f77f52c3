# SPDX-License-Identifier: BSD-3-Clause
"""Opus streams with our DRED: stock libopus decodes them as if it were not there."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from quantize.codec.sender import EncoderModel, default_rate
from quantize.dred.payload import Header, parse, write_symbols
from quantize.dred.tables import EntropyTables
from quantize.packet.extension import DRAFTS, LIBOPUS_1_6, Framing, extract, insert, strip
from quantize.packet.opus_packet import Packet
from tests.support.boards import verified
from toolkit.call import codec
from toolkit.call.bitfile import RECORDS_MAX, Record, read_bitfile, write_bitfile
from toolkit.call.receiver import Received, Redundancy, lose, read_stream, survival
from toolkit.call.sender import Sent, send
from toolkit.commands.simulate import command
from toolkit.common.errors import InputError, ToolError
from toolkit.device.pipeline import connected, prepare
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import Sources, quantise_encoder
from toolkit.speech.audio import read_speech
from toolkit.stages.sending import Sending
from toolkit.stages.stage import EncoderStage
from toolkit.targets.target import load_target

PACKETS = 100
VOICE_WORD = codec.FRAME + 3  # its place in a step's input: after the samples and the rate


@pytest.fixture(scope="session")
def model() -> EncoderModel:
    """Return the whole sender, quantised from the shipped checkpoints."""
    return quantise_encoder(Sources(SHIPPED))[0]


@pytest.fixture(scope="session")
def tables(model: EncoderModel) -> EntropyTables:
    return model.tables


def speech(clip: Path, packets: int = PACKETS) -> np.ndarray:
    return read_speech(clip)[: packets * codec.FRAME]


@pytest.fixture(scope="session")
def pcm(clip: Path) -> np.ndarray:
    """Return speech with a pause of 0.3 s."""
    samples = speech(clip).copy()
    samples[55 * codec.FRAME : 70 * codec.FRAME] = 0
    return samples


@pytest.fixture(scope="session")
def sent(pcm: np.ndarray, model: EncoderModel) -> Sent:
    return send(pcm, model, bitrate=32_000, loss=20, duration=104)


@pytest.mark.parametrize("packet_ms", [10, 40, 60])
def test_packets_of_other_lengths(clip: Path, model: EncoderModel, packet_ms: int) -> None:
    pcm = speech(clip, 63)  # 1260 ms: whole packets, whatever their length
    made = send(pcm, model, bitrate=48_000, loss=20, duration=104, packet_ms=packet_ms)
    received = read_stream(made.records, model.tables)
    assert len(received) == 1260 // packet_ms
    units = packet_ms * 2 // 5
    assert {packet.units for packet in received} == {units}
    found = [packet.redundancy for packet in received if packet.redundancy]
    assert len(found) > len(received) // 2
    # A packet of 10 ms begins at the start of a step or in its middle.
    assert {r.offset for r in found if r.offset > 0} == ({2, 6} if packet_ms == 10 else {10})
    # Redundancy that reaches back over some packets rebuilds a burst of that length.
    last = max(i for i, packet in enumerate(received) if packet.redundancy)
    reach = found[-1].covers_to // units
    lost = [last - reach <= i < last for i in range(len(received))]
    assert survival(received, lost) == {"packets": len(received), "lost": reach, "rebuilt": reach}
    assert reach > 1


def test_speech_shorter_than_a_packet_is_refused(model: EncoderModel) -> None:
    with pytest.raises(InputError, match="shorter than one packet of 60 ms"):
        send(np.zeros(959, np.int16), model, bitrate=32_000, loss=0, duration=0, packet_ms=60)


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
    sent: Sent, pcm: np.ndarray, model: EncoderModel, tmp_path: Path, build_root: Path
) -> None:
    """The sender's C gets the same rate and the same voice decision at every step."""
    soundfile.write(tmp_path / "speech.wav", pcm, 16000)
    asked = Sending(rate=sent.rate or default_rate(), vad=True)
    stage = EncoderStage(model, asked)
    steps = stage.inputs(tmp_path / "speech.wav")
    assert 0 < steps[:, VOICE_WORD].sum() < PACKETS
    prepared = prepare(stage, load_target("host"), build_root)
    with connected(prepared, port=None, serial="socket") as session:
        found = verified(session, prepared, steps, audio=tmp_path / "speech.wav")
    assert found.mismatches == 0, str(found.comparisons)
    lengths, rows = found.outputs["payload_length"][:, 0], found.outputs["payload"]
    device = [row[:n].astype(np.uint8).tobytes() for n, row in zip(lengths, rows, strict=True)]
    carried = [extract(record.packet, LIBOPUS_1_6) for record in sent.records]
    assert [found.payload if found else b"" for found in carried] == device


def test_stock_libopus_hears_the_same(sent: Sent) -> None:
    """The padding changes no sample and no final range, which is what opus_demo compares."""
    plain = [Record(strip(record.packet)) for record in sent.records]
    assert sum(len(record.packet) for record in sent.records) > sum(map(len_of, plain))
    heard = codec.decode_speech(sent.records)
    assert np.array_equal(heard, codec.decode_speech(plain))
    assert np.abs(heard.astype(np.int32)).max() > 1000


def test_a_lost_packet_is_concealed(sent: Sent) -> None:
    """A lost packet still gives 20 ms of sound, and only the sound after it may differ."""
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
    assert [path.name for path in tmp_path.iterdir()] == ["x.bit"]
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
    with pytest.raises(InputError, match="no such file"):
        read_bitfile(tmp_path / "absent.bit")


def test_only_regular_bitfiles_are_read(tmp_path: Path) -> None:
    """A pipe would be waited for, /dev/zero never ends, and zeros are packets without bytes."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="not a file"):
            read_bitfile(path)
    (tmp_path / "zeros.bit").write_bytes(bytes(8 * (RECORDS_MAX + 1)))
    with pytest.raises(InputError, match=f"more than {RECORDS_MAX} packets"):
        read_bitfile(tmp_path / "zeros.bit")


def test_the_command_counts_what_it_wrote_to_a_device(tmp_path: Path) -> None:
    """Its result does not come from reading the file back: a pipe or /dev/null keeps nothing."""
    told = tmp_path / "told.json"
    words = ["--output", "/dev/null", "--json", str(told)]
    assert CliRunner().invoke(command, words, catch_exceptions=False).exit_code == 0
    assert json.loads(told.read_text())["with_dred"] > 0


def test_a_cut_bitfile_gives_its_whole_packets(tmp_path: Path) -> None:
    records = [Record(b"abc"), Record(b"defg", 5)]
    write_bitfile(tmp_path / "x.bit", records)
    data = (tmp_path / "x.bit").read_bytes()
    for size in range(12, len(data)):
        (tmp_path / "x.bit").write_bytes(data[:size])
        told: list[str] = []
        assert read_bitfile(tmp_path / "x.bit", told.append) == records[:1]
        assert told == [f"{tmp_path / 'x.bit'}: ends inside packet 1; the 1 before it are read"]
        with pytest.raises(InputError, match="ends inside packet 1"):
            read_bitfile(tmp_path / "x.bit")


def test_a_single_network_is_refused(tmp_path: Path, model: EncoderModel) -> None:
    model.rdovae.save(tmp_path / "network.dkq")
    done = CliRunner().invoke(command, ["--model", str(tmp_path / "network.dkq")])
    assert isinstance(done.exception, InputError)
    assert "whole sender" in str(done.exception)


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
    read = read_stream([Record(packet)], tables)[0].redundancy
    assert read == Redundancy(len(packet), size, 6, 5, 15, 10, 1)
    assert (read.covers_from, read.covers_to) == (0, 6)


def test_nothing_to_read(tables: EntropyTables) -> None:
    read = read_stream([Record(b"\x48frame"), Record(b"")], tables)
    assert read == [Received(8), Received(8, heard=False)]


FIVE_CHUNKS = 175  # ms before the packet that five chunks at an offset of 10 units cover
TOCS = {2.5: 28, 5: 29, 10: 12, 20: 9, 40: 10, 60: 11}  # by a frame's length in ms


@pytest.fixture(scope="session")
def payload(tables: EntropyTables) -> bytes:
    """Return five chunks, the newest of which ends 25 ms after its packet's first sample."""
    rng = np.random.default_rng(1)
    state, chunks = rng.integers(-2, 3, 50), rng.integers(-2, 3, (5, 25))
    made = write_symbols(tables, Header(6, 5, 15, 10), state, list(chunks))
    assert len(parse(made, tables).chunks) == 5
    return made


def packet_of(frame_ms: float, frames: int, payload: bytes = b"", frame: int = 0) -> Record:
    """Return a packet of `frames` frames, perhaps with a payload on frame number `frame`."""
    steps = b"\x02" * frame  # each moves on to the next frame
    padding = steps + b"\xfcD\x0c" + payload if payload else b""
    return Record(Packet(TOCS[frame_ms] << 3, (b"frame",) * frames, padding).build())


@pytest.mark.parametrize(
    ("frame_ms", "frames"),
    [(2.5, 1), (5, 1), (10, 1), (20, 1), (40, 1), (60, 1), (20, 3), (20, 4), (20, 5), (60, 2)],
)
def test_packets_of_any_length_are_counted_by_it(
    frame_ms: float, frames: int, tables: EntropyTables, payload: bytes
) -> None:
    """In a gap longer than the payload covers, the oldest packets are lost, by their own length."""
    length = frame_ms * frames
    gap = 80
    records = [packet_of(frame_ms, frames, payload)] * (gap + 2)
    read = read_stream(records, tables)
    assert {packet.units * 2.5 for packet in read} == {length}
    found = survival(read, [False, *[True] * gap, False])
    assert found == {"packets": gap + 2, "lost": gap, "rebuilt": int(FIVE_CHUNKS // length)}


@pytest.mark.parametrize(("frame", "rebuilt"), [(0, 2), (1, 2), (2, 2), (3, 1), (5, 1)])
def test_a_later_frames_payload_reaches_less_far_back(
    frame: int, rebuilt: int, tables: EntropyTables, payload: bytes
) -> None:
    """175 ms before frame f are 175 - 20 f before the packet; the lost packets have 60 ms each."""
    lost = packet_of(60, 1)
    read = read_stream([lost, lost, lost, packet_of(20, 6)], tables)
    assert survival(read, [True] * 3 + [False])["rebuilt"] == 0
    read = read_stream([lost, lost, lost, packet_of(20, 6, payload, frame)], tables)
    later = read[-1].redundancy
    assert later is not None
    assert later.offset == 10 + 8 * frame
    assert survival(read, [True] * 3 + [False])["rebuilt"] == (175 - 20 * frame) // 60 == rebuilt


def test_lengths_may_mix(tables: EntropyTables, payload: bytes) -> None:
    """Of 100, 60, 60, 2.5 and 40 ms lost, 40 + 2.5 + 60 + 60 fit into 175 ms."""
    shapes = [(20, 5), (60, 1), (20, 3), (2.5, 1), (20, 2)]
    lost = [packet_of(*shape) for shape in shapes]
    read = read_stream([*lost, packet_of(10, 1, payload)], tables)
    assert [packet.units for packet in read] == [40, 24, 24, 1, 16, 4]
    assert survival(read, [True] * 5 + [False]) == {"packets": 6, "lost": 5, "rebuilt": 4}


def test_packets_without_bytes_are_lost_and_last_as_long_as_the_one_before(
    tables: EntropyTables, payload: bytes
) -> None:
    absent = Record(b"")
    records = [absent, packet_of(60, 1, payload), absent, absent, absent]
    read = read_stream([*records, packet_of(20, 1, payload)], tables)
    assert [packet.units for packet in read] == [24, 24, 24, 24, 24, 8]
    assert survival(read, [False] * 6) == {"packets": 6, "lost": 4, "rebuilt": 1 + 2}


def with_padding(padding: bytes, frames: int = 1) -> Record:
    return Record(Packet(9 << 3, (b"frame",) * frames, padding).build())


@pytest.mark.parametrize(
    ("record", "heard", "reason"),
    [
        (Record(b"\x4b"), False, "code 3 without its frame count"),
        (Record(b"\x4b\x41\x09abc"), False, "more padding than bytes"),
        (with_padding(b"\xfd\x09D\x0cabc"), True, "ends beyond the padding"),
        (with_padding(b"\x02\xfcD\x0cabc"), True, "for frame 1 of 1"),
        (with_padding(b"\xfcD\x0c\x00"), True, "ends inside"),
        (with_padding(b"\xfcD\x0c" + b"\x55" * 1001), True, "want 1..1000 bytes, got 1001"),
    ],
)
def test_a_damaged_packet_does_not_end_a_stream(
    record: Record, heard: bool, reason: str, tables: EntropyTables, payload: bytes
) -> None:
    good = packet_of(20, 1, payload)
    before, damaged, after = read_stream([good, record, good], tables)
    assert before == after
    assert before.redundancy is not None
    assert (damaged.units, damaged.heard, damaged.redundancy) == (8, heard, None)
    assert damaged.fault is not None
    assert reason in damaged.fault
    lost = 0 if heard else 1  # no decoder takes it, so the next packet rebuilds its 20 ms
    found = survival([before, damaged, after], [False] * 3)
    assert found == {"packets": 3, "lost": lost, "rebuilt": lost}


def test_an_extension_without_payload_carries_none(tables: EntropyTables, payload: bytes) -> None:
    """A later extension counts, as in libopus."""
    empty = with_padding(b"\xfcD\x0c")
    later = with_padding(b"\xfd\x02D\x0c" + b"\xfcD\x0c" + payload)
    read = read_stream([empty, later], tables)
    assert read[0] == Received(8)
    assert read[1].redundancy is not None
    assert read[1].redundancy.chunks == 5


def test_other_versions_and_the_drafts_framing(tables: EntropyTables, payload: bytes) -> None:
    frame = b"\x48frame"
    old = insert(frame, payload, Framing(126, b"D\x0a"))
    both = with_padding(b"\xfd\x04D\x0aab" + b"\xfcD\x0c" + payload)
    foreign = insert(frame, payload, Framing(126, b"XY"))
    read = read_stream([Record(old), both, Record(foreign)], tables)
    assert [packet.other_version for packet in read] == [10, None, None]
    assert [packet.redundancy is not None for packet in read] == [False, True, False]
    draft = [Record(insert(frame, payload, DRAFTS))]
    assert read_stream(draft, tables)[0].redundancy is None
    found = read_stream(draft, tables, (LIBOPUS_1_6, DRAFTS))[0].redundancy
    assert found is not None
    assert found.chunks == 5


@pytest.fixture
def reading(tmp_path: Path, tables: EntropyTables) -> list[str]:
    """Return the options with which `simulate` reads x.bit."""
    (tmp_path / "tables").write_bytes(tables.to_bytes())
    return ["--read", str(tmp_path / "x.bit"), "--tables", str(tmp_path / "tables")]


def test_the_command_counts_60_ms_packets(
    tmp_path: Path, reading: list[str], payload: bytes
) -> None:
    """40 % of 300 packets in these bursts: 64 of the 117 lost lie in 175 ms before a packet."""
    write_bitfile(tmp_path / "x.bit", [packet_of(20, 3, payload)] * 300)
    done = CliRunner().invoke(command, [*reading, "--loss", "40"])
    assert done.exit_code == 0, done.output
    assert "117 packets lost, 64 of them in the redundancy" in done.output
    assert "60 ms a packet, 18.00 s in all" in done.output


def test_the_command_tells_what_it_could_not_use(
    tmp_path: Path, reading: list[str], payload: bytes
) -> None:
    good, old = packet_of(20, 1, payload), insert(b"\x48frame", payload, Framing(126, b"D\x0a"))
    draft = Record(insert(b"\x48frame", payload, DRAFTS))
    broken = [Record(b"\x4b"), Record(b"\x4b\x00")]
    write_bitfile(tmp_path / "x.bit", [good, *broken, Record(old), draft, Record(b"")])
    with (tmp_path / "x.bit").open("ab") as stream:
        stream.write(b"\0\0\0\5\0\0\0\0abc")
    done = CliRunner().invoke(command, [*reading, "--loss", "0", "--json", str(tmp_path / "json")])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "packets 6, 2 with DRED" in said
    reason = "Opus packet: code 3 without its frame count"
    assert f"damaged 2 packets, the first is 1: {reason}" in said
    assert "1 packet carries DRED version 10, libopus 1.5's, which dredkit cannot read" in said
    assert "ends inside packet 6; the 6 before it are read" in said
    found = json.loads((tmp_path / "json").read_text())
    assert found["damaged"] == {"packets": 2, "first": {"packet": 1, "reason": reason}}
    assert (found["other_versions"], found["absent"], found["cut"]) == ({"10": 1}, 1, True)
    assert found["simulated_loss"]["lost"] == 3


@pytest.mark.parametrize(
    ("options", "framing", "with_dred"),
    [
        ([], DRAFTS, 1),
        (["--extension-id", "32"], DRAFTS, 1),
        (["--extension-id", "126"], DRAFTS, 0),
        (["--extension-id", "40"], Framing(40), 1),
        (["--extension-prefix", "440a"], Framing(126, b"D\x0a"), 1),
    ],
)
def test_framings_of_the_command(
    options: list[str],
    framing: Framing,
    with_dred: int,
    tmp_path: Path,
    reading: list[str],
    payload: bytes,
) -> None:
    write_bitfile(tmp_path / "x.bit", [Record(insert(b"\x48frame", payload, framing))])
    done = CliRunner().invoke(command, [*reading, *options, "--json", "-"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["with_dred"] == with_dred


def test_survival_by_hand() -> None:
    deep = Received(8, redundancy=Redundancy(100, 50, 6, 5, 15, 10, 3))  # four packets and a bit
    none = Received(8)
    packets = [deep, none, none, deep, *[none] * 6, deep]
    lost = [False, True, True, False, *[True] * 6, False]
    assert survival(packets, lost) == {"packets": 11, "lost": 8, "rebuilt": 6}
    assert survival([none, none], [True, False])["rebuilt"] == 0


def test_losses_come_in_bursts_at_the_rate() -> None:
    lost = lose(60_000, 20, 1)
    assert sum(lost) / len(lost) == pytest.approx(0.2, abs=0.01)
    starts = sum(b and not a for a, b in itertools.pairwise(lost))
    assert sum(lost) / starts == pytest.approx(3.0, abs=0.2)
    assert not any(lose(100, 0, 1))
    with pytest.raises(InputError, match="loss"):
        lose(10, 75, 0)

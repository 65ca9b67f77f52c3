# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit call`: small random networks, the pulse voice in C, few packets; PLCMOS is faked."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import opuslib_next
import pytest
import soundfile
from click.testing import CliRunner, Result

from quantize.codec.receiver import ReceiverConfig, State
from quantize.codec.receiver_clock import ReceiverClock
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.errors import PayloadError
from quantize.packet.extension import insert
from quantize.packet.opus_packet import Packet
from tests.call.conftest import PACKETS, Fake
from tests.support.decoder_models import random_payload
from toolkit.call.bitfile import Record, read_bitfile, write_bitfile
from toolkit.call.codec import encode_speech, lbrr_bytes
from toolkit.call.library import ReceiverLibrary
from toolkit.call.play import decode_call, has_lbrr, play
from toolkit.commands import call
from toolkit.commands.shared import call_models, call_outcome
from toolkit.common.paths import DATA
from toolkit.common.places import CALL, places_of
from toolkit.report.timeline import arrivals, speakers, timeline_svg
from toolkit.speech.audio import Pcm, read_audio, read_speech, write_wav

LOST = "00110000000100000100"
CONFIG = ReceiverConfig(10, 20, 2)


@pytest.fixture(scope="module")
def records(speech: Pcm) -> list[Record]:
    plain = encode_speech(speech, [24000] * PACKETS, 20, lbrr=True)
    return [
        Record(insert(record.packet, random_payload(i, chunks=3)), record.final_range)
        for i, record in enumerate(plain)
    ]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, sender: EncoderModel, receiver: DecoderModel, built: Path
) -> Callable[..., Result]:
    """Run the command with small models and the receiver that is compiled already."""
    monkeypatch.setattr(call_models, "models_of", lambda sources: (sender, receiver))
    monkeypatch.setattr(call, "build_receiver", lambda model, folder: built)
    monkeypatch.setattr(call, "require", lambda packages: None)
    monkeypatch.setattr(call_outcome, "Plcmos", Fake)

    def runs(*words: object) -> Result:
        done = CliRunner().invoke(call.command, ["--voice", "pulse", *map(str, words)])
        assert done.exception is None or done.exit_code, done.exception
        return done

    return runs


@pytest.mark.parametrize("lbrr", [False, True])
def test_the_compiled_receiver_plays_what_the_reference_plays(
    receiver: DecoderModel, built: Path, records: list[Record], lbrr: bool
) -> None:
    lost = [flag == "1" for flag in LOST]
    native = play(ReceiverLibrary(built).start(CONFIG), records, lost, lbrr=lbrr)
    wanted = play(ReceiverClock(receiver.receiver(CONFIG)), records, lost, lbrr=lbrr)
    assert native.sources == wanted.sources
    assert len({*native.sources}) >= 3
    assert np.array_equal(native.pcm, wanted.pcm)


def test_the_compiled_receiver_refuses_a_payload_as_the_reference_does(
    receiver: DecoderModel, built: Path
) -> None:
    for player in (ReceiverLibrary(built).start(), ReceiverClock(receiver.receiver())):
        with pytest.raises(PayloadError):
            player.payload(0, b"")


def test_packets_are_called(
    run: Callable[..., Result], records: list[Record], tmp_path: Path
) -> None:
    source, pattern, out = tmp_path / "x.bit", tmp_path / "x.loss", tmp_path / "out"
    write_bitfile(source, records)
    pattern.write_text(LOST)
    run(source, "--pattern", pattern, "--lbrr", "--score", "--output", out)
    facts = json.loads((out / "call.json").read_text())
    assert facts["packets"] == PACKETS
    assert facts["losses"] == {
        "how": "as x.loss says", "lost": 4, "percent": 20.0, "gaps": 3, "longest": 2,
    }  # fmt: skip
    assert facts["arrived_with_payload"] == PACKETS - 4
    spoke = facts["voices"]["pulse"]
    assert sum(spoke.values()) == 20 * PACKETS
    assert 0 < spoke["recovered"] <= 20 * facts["recovered"]  # the rest is spoken over
    assert spoke["dred"] > 0
    assert facts["files"] == {"pulse": "played-pulse.wav", "no-dred": "no-dred.wav"}
    assert set(facts["plcmos"]) == {"pulse", "no-dred"}
    lost = [flag == "1" for flag in LOST]
    base = decode_call(records, lost, lbrr=True).pcm.reshape(-1)
    assert np.array_equal(read_speech(out / "no-dred.wav"), base)
    assert (out / "losses.txt").read_text().strip() == LOST
    assert read_bitfile(out / "packets.bit") == records
    drawing = (out / "timeline.svg").read_text()
    # Losses and what arrived take turns: four stretches that arrived, three gaps.
    assert len(re.findall(r"ms: lost,", drawing)) == 3
    assert len(re.findall(r"ms: payload,", drawing)) == 4
    page = (out / "index.html").read_text()
    assert page.count("<audio") == page.count("data:audio/wav") == 2
    assert drawing.strip() in page


def test_a_recording_is_sent(run: Callable[..., Result], speech: Pcm, tmp_path: Path) -> None:
    write_wav(tmp_path / "x.wav", speech)
    words = ("--gilbert", "0.3", "0.5", "--packet-ms", "40", "--output", tmp_path / "out")
    done = run(tmp_path / "x.wav", *words, "--json", "-")
    facts = json.loads(done.stdout)
    assert facts["packets"] == PACKETS // 2
    assert facts["packet_ms"] == 40
    assert "two states, 0.3 and 0.5" in facts["losses"]["how"]
    assert facts["plcmos"] is None
    assert list(facts["files"]) == ["pulse", "no-dred", "sent"]
    assert np.array_equal(read_speech(tmp_path / "out" / "sent.wav"), speech)
    assert len(read_speech(tmp_path / "out" / "played-pulse.wav")) == 320 * PACKETS


def test_ogg_opus_is_a_recording(speech: Pcm, tmp_path: Path) -> None:
    file = tmp_path / "x.opus"
    soundfile.write(file, speech, 16000, format="OGG", subtype="OPUS")
    heard = read_audio(file).astype(np.float64)
    n = min(len(heard), len(speech))
    assert abs(len(heard) - len(speech)) < 960
    assert np.corrcoef(heard[:n], speech[:n])[0, 1] > 0.9
    (tmp_path / "y.opus").write_bytes((DATA / "clip.wav").read_bytes())
    with pytest.raises(Exception, match="WAV, not OGG"):
        read_audio(tmp_path / "y.opus")


def test_lbrr_is_measured_by_what_it_decides(speech: Pcm) -> None:
    """Bytes after it change nothing that is recovered; its last but three do.

    A range decoder reads up to three bytes ahead.
    """
    found = [r.packet for r in encode_speech(speech, [24000] * PACKETS, 20, lbrr=True)]
    with_lbrr = [packet for packet in found if has_lbrr(Packet.parse(packet))]
    assert with_lbrr
    for packet in with_lbrr:
        size = lbrr_bytes(packet)
        assert 4 < size < len(packet)
        wanted = recovered(packet)
        for rest in (b"\0", b"\xff"):
            assert recovered(packet[:size] + rest * (len(packet) - size)) == wanted
        others = [packet[: size - 4] + bytes([b]) * (len(packet) - size + 4) for b in (0, 255)]
        assert any(recovered(other) != wanted for other in others)


def recovered(packet: bytes) -> bytes:
    return bytes(opuslib_next.Decoder(16000, 1).decode(packet, 320, decode_fec=True))


def test_a_long_timeline_keeps_every_loss() -> None:
    """Of an hour, every lost packet is seen, though a column of the drawing has 45 packets."""
    gone = [n % 1800 == 77 for n in range(180_000)]
    drawing = timeline_svg([arrivals(gone, [False] * len(gone), 20)], "an hour")
    assert len(re.findall("ms: lost,", drawing)) == sum(gone) == 100
    assert len(drawing) < 100_000


def test_the_legend_of_all_states_fits() -> None:
    lanes = [arrivals([True, False, False], [False, False, True], 20), speakers("x", [*State])]
    drawing = timeline_svg(lanes, "all states")
    assert 'viewBox="0 0 1020 ' in drawing
    places = {name: int(x) for x, name in re.findall(r'<text x="(\d+)" y="14">(\w+)<', drawing)}
    assert len(places) == 9
    assert sorted(places.values())[-1] + 6 * len("concealed") < 1020


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("FOLDER",), "want one file, or --table"),
        (("CLIP", "CLIP"), "want one file, or --table"),
        (("CLIP", "--jobs", "2"), "--jobs: a call of a recording does not take it"),
        (("CLIP", "--pattern", "CLIP", "--gilbert", "0.1", "0.2"), "leave out one of them"),
        (("CLIP", "--dask", "tcp://x:1"), "--dask: a call of a recording does not take it"),
        (("CLIP", "--over-ms", "15"), "want a multiple of 10"),
        (("CLIP", "--compare", "pulse"), "pulse speaks already"),
        (("absent.wav",), "absent.wav: no such file or folder"),
        (("CLIP", "--pattern", "CLIP"), "not a loss pattern"),
    ],
)
def test_what_cannot_be_is_told(
    run: Callable[..., Result], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    named: dict[str, Any] = {"FOLDER": tmp_path, "CLIP": DATA / "clip.wav"}
    done = run(*(named.get(word, word) for word in words), "--output", tmp_path / "out")
    assert done.exit_code != 0
    assert re.search(said, str(done.exception) + done.output), done.output
    told = json.loads((tmp_path / "out" / "call.json").read_text())
    assert told["status"] == "error"
    assert not (tmp_path / "out" / "index.html").exists()


def test_old_results_go() -> None:
    assert {CALL / "call.json", CALL / "index.html"} <= set(places_of("call", {}).every)

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit call`: small random networks, the pulse voice in C, few packets; PLCMOS is faked."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.receiver_clock import ReceiverClock
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.errors import PayloadError
from quantize.nn.topologies import pitch, rdovae_encoder
from quantize.packet.extension import insert
from tests.support.decoder_models import random_networks, random_payload, tables
from tests.support.small_models import small_model
from toolkit.call import table
from toolkit.call.bitfile import Record, read_bitfile, write_bitfile
from toolkit.call.codec import encode_speech
from toolkit.call.conditions import Setup, conditions
from toolkit.call.library import ReceiverLibrary, build_receiver
from toolkit.call.play import decode_call, play
from toolkit.call.table import interval, jobs_for, run_jobs
from toolkit.commands import call
from toolkit.commands.shared import call_outcome
from toolkit.common.paths import DATA
from toolkit.common.places import CALL, places_of
from toolkit.report.call import arrivals, timeline_svg
from toolkit.speech.audio import Pcm, read_audio, read_speech, write_wav

PACKETS = 20
LOST = "00110000000100000100"
CONFIG = ReceiverConfig(10, 20, 2)


@pytest.fixture(scope="module")
def receiver() -> DecoderModel:
    return DecoderModel(random_networks(), "pulse")


@pytest.fixture(scope="module")
def sender() -> EncoderModel:
    return EncoderModel(small_model(pitch(), 1), small_model(rdovae_encoder(), 1), tables())


@pytest.fixture(scope="module")
def built(receiver: DecoderModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_receiver(receiver, tmp_path_factory.mktemp("receiver"), ["-O1"])


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return read_speech(DATA / "clip.wav")[16000 : 16000 + PACKETS * 320]


@pytest.fixture(scope="module")
def records(speech: Pcm) -> list[Record]:
    plain = encode_speech(speech, [24000] * PACKETS, 20, lbrr=True)
    return [
        Record(insert(record.packet, random_payload(i, chunks=3)), record.final_range)
        for i, record in enumerate(plain)
    ]


class Fake:
    """Scores speech by its mean magnitude, and counts."""

    scored = 0

    def score(self, spoken: Pcm) -> float:
        Fake.scored += 1
        return 1 + float(np.abs(spoken.astype(np.int64)).mean()) / 8192


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, sender: EncoderModel, receiver: DecoderModel, built: Path
) -> Callable[..., Result]:
    """Run the command with small models and the receiver that is compiled already."""
    monkeypatch.setattr(call, "_models", lambda sources: (sender, receiver))
    monkeypatch.setattr(call, "build_receiver", lambda model, folder: built)
    monkeypatch.setattr(call, "require", lambda packages: None)
    monkeypatch.setattr(call_outcome, "Plcmos", Fake)
    monkeypatch.setattr(table, "_judge", lambda: Fake().score)
    Fake.scored = 0

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


@pytest.fixture
def folder(speech: Pcm, tmp_path: Path) -> Path:
    """Return a folder with three short recordings and a file that is none."""
    found = tmp_path / "speech"
    found.mkdir()
    for i in range(3):
        write_wav(found / f"{i}.wav", speech[: 320 * (PACKETS - i)] // (i + 1))
    (found / "notes.txt").write_text("no")
    return found


def test_a_table_compares_in_pairs_and_goes_on_where_it_stopped(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = (folder, "--table", "--jobs", "1", "--at", "30", "--at", "20", "--output", out)
    run(*words, "--against", "lbrr")
    facts = json.loads((out / "call.json").read_text())
    keys = ["none", "plc", "lbrr", "hold-pulse", "dred-pulse", "dred-lbrr-pulse"]
    assert facts["rates"] == [20, 30]
    assert facts["files"] == ["0.wav", "1.wav", "2.wav"]
    assert list(facts["conditions"]) == keys
    assert Fake.scored == 3 * (1 + 2 * 5)  # without loss, the rate does not matter
    for condition in facts["conditions"].values():
        at, other = condition["rates"]["20"], facts["conditions"]["lbrr"]["rates"]["20"]
        apart = np.array([at["files"][f] - other["files"][f] for f in facts["files"]])
        assert at["plcmos"] == pytest.approx(np.mean(list(at["files"].values())))
        assert at["against"]["difference"] == pytest.approx(apart.mean())
        assert at["against"]["half"] == pytest.approx(4.302653 * apart.std(ddof=1) / 3**0.5)
    assert facts["conditions"]["none"]["rates"]["20"]["lost_percent"] == 0
    page = (out / "index.html").read_text()
    assert page.count("<h2>20 % lost</h2>") == page.count("<h2>30 % lost</h2>") == 1

    (out / "results" / "1.wav" / "dred-pulse-20.json").unlink()
    (out / "results" / "2.wav" / "plc-30.json").write_text("{")
    Fake.scored = 0
    run(*words, "--against", "lbrr")
    assert Fake.scored == 2
    assert json.loads((out / "call.json").read_text()) == facts
    run(*words, "--fade-ms", "5")
    assert Fake.scored == 2 + 3 * 2 * 3  # all that our receiver plays


def test_processes_side_by_side_find_the_same(
    run: Callable[..., Result], folder: Path, tmp_path: Path, sender: EncoderModel, built: Path
) -> None:
    """They need no scorer here: the results are kept."""
    setup = Setup(sender, {"pulse": built}, 48_000, 24_000, 104, 50, CONFIG, 0, "libopus")
    jobs = jobs_for(sorted(folder.glob("*.wav"))[:2], [20], conditions(["pulse"]), tmp_path / "r")
    done: list[int] = []
    alone = run_jobs(jobs, setup, 1, lambda: done.append(1))
    scored = Fake.scored
    assert run_jobs(jobs, setup, 2, lambda: done.append(2)) == alone
    assert Fake.scored == scored
    assert done == [1] * 4 + [2] * 4


def test_a_long_timeline_keeps_every_loss() -> None:
    """Of an hour, every lost packet is seen, though a column of the drawing has 45 packets."""
    gone = [n % 1800 == 77 for n in range(180_000)]
    drawing = timeline_svg([arrivals(gone, [False] * len(gone), 20)], "an hour")
    assert len(re.findall("ms: lost,", drawing)) == sum(gone) == 100
    assert len(drawing) < 100_000


def test_an_interval_is_students() -> None:
    values = np.array([1.0, 2.0, 4.0])
    assert interval("x", values) == {"x": pytest.approx(7 / 3), "half": pytest.approx(3.794, 1e-3)}
    assert interval("x", values[:1]) == {"x": 1.0, "half": None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("SPEECH",), "want a file, or --table"),
        (("CLIP", "--table"), "want a folder with --table"),
        (("EMPTY", "--table"), r"no recordings: want files named \*\.wav"),
        (("SPEECH", "--table", "--against", "plk"), "want one of none, plc.*'plc'"),
        (("SPEECH", "--table", "--lbrr"), "--lbrr: --table does not take it"),
        (("CLIP", "--jobs", "2"), "--jobs: a call of a recording does not take it"),
        (("CLIP", "--pattern", "CLIP", "--gilbert", "0.1", "0.2"), "leave out one of them"),
        (("CLIP", "--over-ms", "15"), "want a multiple of 10"),
        (("CLIP", "--compare", "pulse"), "pulse speaks already"),
        (("absent.wav",), "absent.wav: no such file or folder"),
        (("CLIP", "--pattern", "CLIP"), "not a loss pattern"),
    ],
)
def test_what_cannot_be_is_told(
    run: Callable[..., Result], folder: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    named: dict[str, Any] = {
        "SPEECH": folder, "EMPTY": tmp_path / "empty", "CLIP": DATA / "clip.wav",
    }  # fmt: skip
    done = run(*(named.get(word, word) for word in words), "--output", tmp_path / "out")
    assert done.exit_code != 0
    assert re.search(said, str(done.exception) + done.output), done.output
    told = json.loads((tmp_path / "out" / "call.json").read_text())
    assert told["status"] == "error"
    assert not (tmp_path / "out" / "index.html").exists()


def test_old_results_go() -> None:
    assert {CALL / "call.json", CALL / "index.html"} <= set(places_of("call", {}).every)

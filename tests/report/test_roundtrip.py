# SPDX-License-Identifier: BSD-3-Clause
"""Speech passes a sender's firmware, loses packets, and leaves a receiver's firmware."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.dred.tables import EntropyTables
from tests.support.boards import verified
from toolkit.common.errors import InputError
from toolkit.device.build.elf import symbols
from toolkit.device.pipeline import connected, prepare
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder
from toolkit.report import write_verification
from toolkit.report.record import load_record
from toolkit.report.roundtrip import (
    payloads_of,
    read_payloads,
    receiver_inputs,
    sender_facts,
    sent_by,
)
from toolkit.speech.audio import read_speech, write_wav
from toolkit.stages.gaps import CODEC_DELAY
from toolkit.stages.stage import DecoderStage, EncoderStage, Int16s, Stage
from toolkit.targets.target import load_target
from toolkit.verify.verify import Verification

ROOT = Path(__file__).resolve().parents[2]
PACKETS = 75
LOST = [n in (20, 21) or 40 <= n < 60 for n in range(PACKETS)]
STATE_LIMIT = 19 * 1024  # a receiver that speaks with pulses and analyses before a gap bit by bit
FLASH_LIMIT = 640 * 1024  # a sender with our own weights, which are dense


@dataclass(frozen=True)
class Trip:
    """Return a recording of 1.5 s, the sender's run over it, and a receiver."""

    audio: Path
    sent: Verification
    receiver: DecoderModel
    folder: Path

    def stage(self, voice: str = "pulse", lost: Sequence[bool] = LOST) -> DecoderStage:
        assert isinstance(self.sent.stage, EncoderStage)
        model = self.receiver if voice != "pulse" else with_pulses(self.receiver)
        return DecoderStage(model, self.sent.stage.model, losses=lost)


def with_pulses(model: DecoderModel) -> DecoderModel:
    return DecoderModel(model.networks, "pulse")


def run(
    stage: Stage, target: str, audio: Path, inputs: Int16s, folder: Path, clock: int | None = None
) -> Verification:
    prepared = prepare(stage, load_target(target), folder)
    with connected(prepared, port=None, serial="socket") as session:
        return verified(session, prepared, inputs, audio=audio, clock_hz=clock)


@pytest.fixture(scope="module")
def sender() -> EncoderModel:
    return quantise_encoder(Sources(SHIPPED))[0]


@pytest.fixture(scope="module")
def trip(
    sender: EncoderModel, clip: Path, build_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trip:
    audio = tmp_path_factory.mktemp("trip") / "speech.wav"
    write_wav(audio, read_speech(clip)[16000 : 16000 + 320 * PACKETS])
    stage = EncoderStage(sender)
    sent = run(stage, "host", audio, stage.inputs(audio), build_root)
    assert sent.mismatches == 0
    receiver, _ = quantise_decoder(Sources(SHIPPED), sender, sent_by(sent))
    return Trip(audio, sent, receiver, build_root)


@pytest.fixture(scope="module")
def heard(trip: Trip) -> Verification:
    stage = trip.stage()
    return run(stage, "host", trip.audio, receiver_inputs(stage, trip.sent), trip.folder)


def test_the_round_trip_on_the_host_is_exact(heard: Verification, trip: Trip) -> None:
    assert heard.mismatches == 0, str(heard.comparisons)
    assert not heard.outputs["status"].any()
    playback = heard.playback
    assert playback is not None
    assert playback.gaps == [(20, 2), (40, 20)]
    assert len(playback.pcm) == 320 * PACKETS
    sent = np.concatenate([np.zeros(CODEC_DELAY, np.int16), read_speech(trip.audio)])
    # After a gap, one packet is spoken over, and the next one is faded into.
    untouched = [n for n in range(PACKETS) if not any(LOST[max(n - 2, 0) : n + 1])]
    for packet in untouched:
        span = slice(320 * packet, 320 * (packet + 1))
        assert playback.pcm[span].tolist() == sent[span].tolist()


def test_speech_stands_where_packets_were_lost(heard: Verification, trip: Trip) -> None:
    """The energies of the bands follow the original's in time; silence would not."""
    playback = heard.playback
    assert playback is not None
    pcm = np.concatenate([np.zeros(CODEC_DELAY, np.int16), read_speech(trip.audio)])
    lost = slice(320 * 42, 320 * 60)
    levels = [
        10 * np.log10(np.mean(part[lost].astype(float).reshape(-1, 320) ** 2, axis=1) + 100)
        for part in (pcm, playback.pcm)
    ]
    assert np.corrcoef(*levels)[0, 1] > 0.8
    assert abs(np.mean(levels[0] - levels[1])) < 6.0


def test_joins_do_not_click(heard: Verification, trip: Trip, tmp_path: Path) -> None:
    record = write_verification(heard, tmp_path)
    joins = record.facts["playback"]["joins"]
    assert [join["sample"] for join in joins] == [320 * n for n in (20, 22, 40, 60)]
    for join in joins:
        # A step of some units in the last place of int16 cannot be heard, however quiet it is.
        assert join["step"] <= join["around"] + 16, join
    page = (tmp_path / "index.html").read_text()
    assert page.count("<audio") == 2
    assert page.count("<figure>") == 4
    assert "Played" in page
    for kind in ("hear", "payload", "chunk", "first speak", "speak", "hear after a gap"):
        assert f"<td>{kind}</td>" in page
    assert set(record.facts["ops"]) == set(heard.playback.kinds if heard.playback else ())


def test_the_sender_is_part_of_the_verdict(heard: Verification, trip: Trip) -> None:
    told = sender_facts(trip.sent, Path("sender/index.html"))
    assert told["ok"]
    assert told["page"] == "sender/index.html"
    assert replace(heard, sender=told).ok
    assert not replace(heard, sender={**told, "ok": False}).ok


@pytest.mark.parametrize(
    ("target", "voice", "clock"),
    [
        ("netduinoplus2", "pulse", None),
        ("mps3-an547", "shipped", 400_000_000),
        ("mps2-an500", "shipped", 480_000_000),
        ("mps2-an505", "pulse", 160_000_000),
        ("virt-a7", "shipped", None),
        ("virt-a76", "shipped", None),
    ],
)
def test_the_round_trip_on_boards_is_exact(
    trip: Trip, target: str, voice: str, clock: int | None, target_name: str | None
) -> None:
    if target_name not in (None, target):
        pytest.skip(f"--target {target_name} asked for")
    lost = [n in (20, 21) or 40 <= n < 46 for n in range(PACKETS)]
    stage = trip.stage(voice, lost)
    inputs = receiver_inputs(stage, trip.sent)[:80]
    found = run(stage, target, trip.audio, inputs, trip.folder, clock)
    assert found.mismatches == 0, str(found.comparisons)
    assert found.ok, str(found.budget)
    assert found.build is not None
    assert 0 < found.stack_used <= found.build.stack_worst
    if voice == "pulse":
        state = next(s for s in symbols(found.build.elf) if s.name == "decoder")
        assert 0 < state.size <= STATE_LIMIT
        assert found.build.flash <= FLASH_LIMIT


@pytest.mark.parametrize(("target", "voice"), [("linux-a53", "pulse"), ("linux-a76", "shipped")])
def test_the_round_trip_under_linux_on_arm_is_exact(
    trip: Trip, target: str, voice: str, target_name: str | None
) -> None:
    if target_name not in (None, target):
        pytest.skip(f"--target {target_name} asked for")
    stage = trip.stage(voice, [n in (20, 21) or 40 <= n < 46 for n in range(PACKETS)])
    inputs = receiver_inputs(stage, trip.sent)[:60]
    found = run(stage, target, trip.audio, inputs, trip.folder)
    assert found.mismatches == 0, str(found.comparisons)
    assert found.playback is not None
    assert found.ok


def test_a_damaged_record_of_what_was_played(heard: Verification, tmp_path: Path) -> None:
    record = write_verification(heard, tmp_path)
    again = load_record(tmp_path)
    assert again.played is not None
    assert heard.playback is not None
    assert again.played.tolist() == heard.playback.pcm.tolist()
    for key, wrong in (("slots", [PACKETS] * len(heard.inputs)), ("gaps", [[0, 99]])):
        playback = {**record.facts["playback"], key: wrong}
        (tmp_path / "verify.json").write_text(json.dumps({**record.facts, "playback": playback}))
        with pytest.raises(InputError, match="played does not fit"):
            load_record(tmp_path)


def dredkit(build: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "toolkit.cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DREDKIT_BUILD": str(build)},
        check=False,
    )


def test_the_demo_is_the_round_trip(trip: Trip, tmp_path: Path) -> None:
    output = tmp_path / "demo"
    words = ("demo", "--target", "host", "--voice", "pulse", "--audio", trip.audio)
    done = dredkit(trip.folder, *words, "--output", output, "--json", tmp_path / "demo.json")
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "demo.json").read_text())
    assert facts["stage"] == "decoder"
    assert facts["sender"]["ok"]
    assert facts["mismatches"] == 0
    assert json.loads((output / "sender" / "verify.json").read_text())["stage"] == "encoder"
    assert (output / facts["sender"]["page"]).is_file()
    page = (output / "index.html").read_text()
    assert 'href="sender/index.html"' in page
    # What was sent, what was played, and the same packets lost without a payload.
    assert page.count("<audio") == 3
    record = load_record(output)
    assert record.without is not None
    assert record.played is not None
    gaps = facts["playback"]["gaps"]
    first, count = max(gaps, key=lambda gap: int(gap[1]))
    gap = slice(320 * (first + count // 2), 320 * (first + count))  # by then all has faded
    assert np.abs(record.without[gap]).max() < np.abs(record.played[gap]).max()
    before = slice(0, 320 * gaps[0][0])
    assert record.without[before].tolist() == record.played[before].tolist()
    redundancy = facts["redundancy"]
    assert (
        0
        < redundancy["kbps"]
        == pytest.approx(8 * redundancy["bytes"] / (0.020 * PACKETS) / 1000, abs=1e-3)
    )
    assert f"{redundancy['kbps']:.1f} kbit/s" in page
    assert "both, at most" in page
    assert [run["stage"] for run in facts["history"]][-1] == "decoder"


def test_stream_keeps_payloads_and_plays_them(
    trip: Trip, sender: EncoderModel, tmp_path: Path
) -> None:
    models = [tmp_path / name for name in ("encoder.dkq", "decoder.dkq")]
    sender.save(models[0])
    sender.save(trip.folder / "encoder.dkq")  # which makes payloads where --payloads brings none
    with_pulses(trip.receiver).save(models[1])
    common = ("stream", "--target", "host", "--audio", trip.audio)
    kept, output = tmp_path / "sent.npz", tmp_path / "heard.npz"
    done = dredkit(trip.folder, *common, "--model", models[0], "--output", kept)
    assert done.returncode == 0, done.stderr
    assert read_payloads(kept) == payloads_of(trip.sent.outputs)
    words = ("--role", "decoder", "--model", models[1], "--payloads", kept, "--lose", "0.4-0.6")
    done = dredkit(trip.folder, *common, *words, "--output", output)
    assert done.returncode == 0, done.stderr
    played, rate = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert (len(played), rate) == (320 * PACKETS, 16000)
    for wrong, says in (
        (("--role", "decoder", "--model", models[0]), "holds no model for it"),
        (("--role", "decoder", "--model", models[1], "--lose", "2-1"), "'--lose': 2-1: want two"),
        (("--role", "decoder", "--model", models[1], "--lose", "9-10"), "no packet begins there"),
        (("--role", "decoder", "--model", models[1], "--payloads", output), "holds no payloads"),
    ):
        done = dredkit(trip.folder, *common, *wrong)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr


def test_two_models_do_not_speak_to_each_other(trip: Trip, sender: EncoderModel) -> None:
    tables = sender.tables.latents.copy()
    tables[0, 0, 0] ^= 1
    other = replace(sender, tables=EntropyTables(tables, sender.tables.states))
    with pytest.raises(InputError, match="two models"):
        DecoderStage(trip.receiver, other)
    with pytest.raises(InputError, match="sender"):
        DecoderStage(trip.receiver).inputs(trip.audio)

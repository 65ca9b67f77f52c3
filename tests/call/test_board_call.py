# SPDX-License-Identifier: BSD-3-Clause
"""A call through a board: bit-exact packet by packet, and its faults named."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from quantize.codec.receiver import STEP, State
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.packet.extension import insert
from quantize.packet.opus_packet import Packet
from quantize.vocoder.voices import VoiceModel
from tests.support.decoder_models import random_networks, random_payload
from tests.support.fargan_models import random_fargan
from tests.support.lpcnet_models import random_voice
from toolkit.call.board.steps import FIRST, Steps, steps_of
from toolkit.call.board.verdict import CallVerdict, states_of, verify_call
from toolkit.call.play import Decoded
from toolkit.cli import group
from toolkit.commands.shared.board_call import Calling, sent_call
from toolkit.commands.shared.board_outcome import BoardCall
from toolkit.common.errors import CheckFailed, InputError
from toolkit.common.places import places_of
from toolkit.device.pipeline import Prepared, connected, prepare
from toolkit.speech.audio import Pcm, read_speech, write_wav
from toolkit.stages.calling import PAYLOAD_MAX, CallStage, CallStep, Heard, Kind
from toolkit.targets.target import load_target

PACKETS = 60
# Spans of lost packets: single ones, of which LBRR recovers one, and gaps longer and shorter than
# the jitter buffer; one good packet lies between the last two.
LOST = ((6, 7), (12, 15), (20, 30), (40, 43), (44, 46))
RECOVERED = (14, 45)
MARKED = (17, 33)  # arrive without a payload
EMPTY = b"\x48"  # a packet of 20 ms, SILK alone, without audio


def base() -> Decoded:
    """Return what a base decoder makes of a call of noise with random payloads."""
    rng = np.random.default_rng(4)
    gone = [any(first <= n < last for first, last in LOST) for n in range(PACKETS)]
    arrived = []
    for n in range(PACKETS):
        packet = EMPTY if n in MARKED else insert(EMPTY, random_payload(n, chunks=n % 9))
        arrived.append(None if gone[n] else Packet.parse(packet))
    pcm = rng.normal(0, 3000, (PACKETS, STEP)).astype(np.int16)
    return Decoded(pcm, gone, [n in RECOVERED for n in range(PACKETS)], arrived)


def made(voice: VoiceModel, target: str, folder: Path) -> tuple[Prepared, Steps]:
    prepared = prepare(
        CallStage(DecoderModel(random_networks(), voice)), load_target(target), folder
    )
    return prepared, steps_of(base(), prepared.engine, depth=3)


def run(prepared: Prepared, steps: Steps) -> CallVerdict:
    with connected(prepared, port=None, serial="socket") as session:
        return verify_call(session, prepared, steps, checked=PACKETS)


@pytest.fixture(scope="module")
def here(build_root: Path) -> tuple[Prepared, Steps]:
    return made("pulse", "host", build_root)


def priced(found: CallVerdict) -> CallVerdict:
    """Return a verdict with other costs, since those of this machine depend on what else it does.

    Packet 8 costs most, 2.0546 ms.
    """
    costs = [1_995_600 + 1000 * ((7 * n + 3) % PACKETS) for n in range(PACKETS)]
    return replace(found, budget=replace(found.budget, per_frame=costs))


@pytest.fixture(scope="module")
def exact(here: tuple[Prepared, Steps]) -> CallVerdict:
    return priced(run(*here))


@pytest.fixture(scope="module")
def wrong(here: tuple[Prepared, Steps]) -> CallVerdict:
    """Return the verdict where the board and this machine differ by one bit of packet 24."""
    prepared, steps = here
    step = steps.packets.index(24)
    row = bytearray(steps.rows[step])
    row[-2 * STEP + 2 * 33] ^= 1
    rows = [*steps.rows[:step], bytes(row), *steps.rows[step + 1 :]]
    return priced(run(prepared, replace(steps, rows=rows)))


def concluded(verdict: CallVerdict, folder: Path) -> tuple[dict[str, Any], str]:
    """Conclude a call in a folder; return its JSON and the text of its page."""
    told = {"lost": 17, "recovered": 2, "lost_percent": 28.33, "bitrate": 48000, "depth": 3}
    facts = {"recorded": "2026-12-01T02:03:04+00:00", "scheme": "s", "audio": "a.wav", "call": told}
    sent = np.arange(PACKETS * STEP, dtype=np.int16)
    call = BoardCall(verdict, facts, sent, base().pcm.reshape(-1))
    if verdict.ok:
        call.conclude(folder, None, None)
    else:
        with pytest.raises(CheckFailed):
            call.conclude(folder, None, None)
    assert read_speech(folder / "sent.wav").tolist() == sent.tolist()
    page = (folder / "index.html").read_text()
    assert (folder / "timeline.svg").read_text() in page
    text = re.sub("<[^>]*>", " ", page.partition("</style>")[2])
    return json.loads((folder / "verify.json").read_text()), html.unescape(" ".join(text.split()))


def samples(steps: Steps, rows: list[bytes]) -> list[int]:
    """Return what rows play: their last 320 values, of all steps that play something."""
    kinds = [CallStep.unpacked(row.astype("<i2").tobytes()).kind for row in steps.inputs]
    parts = [
        row[-2 * STEP :] for row, kind in zip(rows, kinds, strict=True) if kind is not Kind.NOTHING
    ]
    return np.frombuffer(b"".join(parts), "<i2").tolist()


def test_a_call_has_a_step_for_each_packet_and_one_for_each_further_payload(
    here: tuple[Prepared, Steps],
) -> None:
    _, steps = here
    rows = [CallStep.unpacked(row.astype("<i2").tobytes()) for row in steps.inputs]
    plays = [row for row in rows if row.kind is not Kind.NOTHING]
    assert [row.clock for row in plays] == [(FIRST + STEP * n) % 2**32 for n in range(PACKETS)]
    assert plays[-1].clock < FIRST  # the clock has wrapped
    lost = [n for n, row in enumerate(plays) if row.kind is Kind.CONCEALED]
    assert lost == [n for n, gone in enumerate(base().gone) if gone and n not in RECOVERED]
    # A payload comes when its packet does, three packets before it is played.
    assert plays[4].payload == random_payload(7, chunks=7)
    assert (plays[4].time - plays[4].clock) % 2**32 == 3 * STEP
    assert [row.expect for row in plays[3:7]] == [0, 2, 1, 0]  # packet 6 is missing
    states = states_of(steps)
    assert len(states) == PACKETS
    assert {
        "good",
        "LBRR, spoken over",
        "good, fade",
        "first lost, DRED",
        "lost, PLC",
        "lost, concealed",
    } <= set(states)


def test_a_call_is_bit_exact_here(exact: CallVerdict) -> None:
    assert exact.ok
    values = len(exact.steps.inputs) * (4 + 2 + STEP)
    assert {name: found.values for name, found in exact.comparisons.items()} == {
        "integer.py = host C": values,
        "host C = host": values,
    }
    facts = exact.as_json()
    assert facts["packets"] == PACKETS
    assert sum(costs["packets"] for costs in facts["states"].values()) == PACKETS
    assert all(costs["mean"] <= costs["most"] for costs in facts["states"].values())


def test_the_page_says_what_the_json_says(exact: CallVerdict, tmp_path: Path) -> None:
    facts, text = concluded(exact, tmp_path)
    assert facts["files"] == {
        "board": "played.wav", "no-dred": "no-dred.wav", "sent": "sent.wav",
    }  # fmt: skip
    assert not (tmp_path / "played-host.wav").exists()
    board = read_speech(tmp_path / "played.wav").tolist()
    assert len(board) == STEP * PACKETS
    assert board == samples(exact.steps, exact.rows)
    assert "✓ Bit-exact and within budget" in text
    assert "60 packets (1.2 s) of a.wav, 48 kb/s, 28.33 % lost in bursts" in text
    assert f"0 of {2 * len(exact.rows) * (6 + STEP):,} values differ" in text
    for told in (
        "mean 2.025 ms 10.1 % · 2,025,100 nanoseconds",
        "99.9 % 2.055 ms 10.3 % · 2,054,600 nanoseconds",
        "worst 2.055 ms 10.3 % · 2,054,600 nanoseconds",
        "deadline 20.000 ms 100.0 % · 20,000,000 nanoseconds",
        "2,054,600 10.3 % 8, 0.16 s",
    ):
        assert told in text
    for state, told in facts["states"].items():
        assert f"{state} {told['packets']} {told['mean']:,.0f} {told['most']:,} " in text
    page = (tmp_path / "index.html").read_text()
    assert page.count("<audio") == page.count("data:audio/wav") == 3
    drawing = (tmp_path / "timeline.svg").read_text()
    # Six spans of lost packets, of which two meet; bars of all packets; no mark.
    assert len(re.findall("ms: lost,", drawing)) == 5
    assert len(re.findall("<title>packet ", drawing)) == PACKETS
    assert "got" not in drawing


def test_the_cost_of_a_packet(exact: CallVerdict) -> None:
    budget = replace(exact.budget, per_frame=[*range(1, 1001)], limit=2000, clock_hz=100_000)
    assert replace(exact, budget=budget).cost == {
        "mean": {"cost": 500.5, "ms": 5.005, "percent": 25.025},
        "p99.9": {"cost": 999, "ms": 9.99, "percent": 49.95},
        "worst": {"cost": 1000, "ms": 10.0, "percent": 50.0, "packet": 999, "seconds": 19.98},
        "deadline": {"cost": 2000, "ms": 20.0, "percent": 100.0},
    }


def test_a_wrong_sample_is_named_on_the_page_and_can_be_heard(
    wrong: CallVerdict, tmp_path: Path
) -> None:
    """The file of the board has what the board answered, another one what this machine did."""
    facts, text = concluded(wrong, tmp_path)
    board, host = (
        read_speech(tmp_path / facts["files"][name]).tolist() for name in ("board", "host")
    )
    assert board == samples(wrong.steps, wrong.rows)
    assert host == samples(wrong.steps, wrong.steps.rows)
    differ = [n for n, (got, want) in enumerate(zip(board, host, strict=True)) if got != want]
    assert differ == [24 * STEP + 33]
    place = f"packet 24, 0.482 s, sample 33, state lost, concealed: got {board[differ[0]]}, want "
    assert "✗ Not bit-exact" in text
    assert f"first: {place}{host[differ[0]]}" in text
    drawing = (tmp_path / "timeline.svg").read_text()
    assert f"<title>host: {place}{host[differ[0]]}</title>" in drawing


def test_a_board_may_answer_anything(exact: CallVerdict, tmp_path: Path) -> None:
    """A state that no receiver has is compared and drawn like any other value."""
    step = exact.steps.packets.index(7)
    answer = replace(Heard.unpacked(exact.rows[step]), source=len(State)).packed()
    rows = [*exact.rows[:step], answer, *exact.rows[step + 1 :]]
    stage = CallStage(DecoderModel(random_networks(), "pulse"))
    table = stage.outputs(rows)["status, wanted, source, speaking"]
    assert table[step].tolist()[2] == len(State)
    concluded(replace(exact, rows=rows), tmp_path)
    drawing = (tmp_path / "timeline.svg").read_text()
    assert len(re.findall("0.14 s, 20 ms: unknown, ", drawing)) == 1
    assert re.findall(r'y="\d+">(board|host|packets|cost)<', drawing) == [
        "packets", "board", "host", "cost",
    ]  # fmt: skip


def test_report_leaves_the_page_of_a_call(exact: CallVerdict, tmp_path: Path) -> None:
    concluded(exact, tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = CliRunner().invoke(group, ["report", str(tmp_path)])
    assert "only `dredkit verify --stage call` makes its page" in f"{done.output}{done.exception}"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    # The next run of `verify` removes all of them.
    places = places_of("verify", {"target": "host", "output": tmp_path})
    assert {path.name for path in places.every} >= set(files)


def test_the_board_is_given_what_dredkit_call_gives_its_receiver(
    sender: EncoderModel, speech: Pcm, tmp_path: Path
) -> None:
    """Gaps close together begin with the packet before; the base codec alone conceals them."""
    write_wav(tmp_path / "a.wav", speech[:-5])
    call = sent_call(tmp_path / "a.wav", sender, Calling(0.02, 5, 1, 48000, 20))
    assert call.sent.tolist() == np.tile(speech[: 19 * STEP], 4)[: 60 * STEP].tolist()
    base = call.base.reshape(60, STEP)
    again = np.flatnonzero(call.given.repeats)
    assert len(again) >= 2
    for packet in again:
        assert not np.array_equal(call.given.pcm[packet], base[packet])
    assert np.array_equal(call.given.pcm[: again[0]], base[: again[0]])


def test_a_wrong_sample_is_named_by_packet_time_sample_and_state(wrong: CallVerdict) -> None:
    assert not wrong.ok
    first = wrong.as_json()["comparisons"]["host C = host"]["first"]
    assert (first["packet"], first["sample"], first["state"]) == (24, 33, "lost, concealed")
    assert first["seconds"] == pytest.approx(24 * 0.02 + 33 / 16000, abs=1e-5)
    told = next(check.text for check in wrong.checks if check.name == "host C = host")
    assert "packet 24, 0.482 s, sample 33, state lost, concealed: got " in told


VOICES: dict[str, VoiceModel] = {
    "netduinoplus2": "pulse",
    "mps2-an500": random_voice(3),
    "mps3-an547": random_fargan(1),
}


@pytest.mark.parametrize("target", list(VOICES))
def test_a_call_is_bit_exact_on_boards(target: str, build_root: Path, tmp_path: Path) -> None:
    prepared, steps = made(VOICES[target], target, build_root)
    verdict = run(prepared, steps)
    mismatches = {name: found.first for name, found in verdict.comparisons.items()}
    assert mismatches == {"integer.py = host C": None, f"host C = {target}": None}
    costs = verdict.costs
    # What the first packet of a gap has more than the next is done before the gap.
    speech = costs["lost, PLC"].mean
    chunks = costs["lost, DRED"].most
    assert costs["first lost, PLC"].mean < 1.05 * speech
    assert costs["first lost, DRED"].most < 1.1 * max(chunks, speech)
    _, text = concluded(verdict, tmp_path)
    assert read_speech(tmp_path / "played.wav").tolist() == samples(steps, verdict.rows)
    limit = verdict.budget.limit
    assert f"deadline 20.000 ms 100.0 % · {limit:,} instructions" in text
    assert f"20 ms at {limit / 2e4:g} MHz" in text


def test_what_a_board_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match="a payload of 321 bytes: the firmware has room for 320"):
        CallStep(Kind.LOST, 0, payload=bytes(PAYLOAD_MAX + 1)).packed()
    long = replace(base(), pcm=np.zeros((PACKETS, 960), np.int16))
    with pytest.raises(InputError, match="packets of 60 ms: a board plays packets of 20 ms"):
        steps_of(long, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--minutes", "1"), "--minutes: only --stage call takes it"),
        (("--stage", "decoder", "--depth", "3"), "--depth: only --stage call takes it"),
        (("--stage", "call", "--trace"), "--trace: a call has no layers"),
        (("--stage", "call", "--q0", "3"), "--q0: --stage call does not take it; "),
        (("--stage", "call", "--batch", "2"), "--batch: --stage call does not take it; "),
        (("--stage", "call", "--minutes", "0"), "Invalid value for '--minutes'"),
        (
            ("--stage", "call", "--bitrate", "48000", "--loss", "95"),
            "--bitrate 48000 --loss 95: a call takes",
        ),
    ],
)
def test_options_of_a_call(words: tuple[str, ...], line: str) -> None:
    done = CliRunner().invoke(group, ["verify", "--target", "host", *words])
    assert done.exit_code != 0
    assert line in f"{done.output}{done.exception}"

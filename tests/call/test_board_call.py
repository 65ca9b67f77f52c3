# SPDX-License-Identifier: BSD-3-Clause
"""A call through a board: bit-exact packet by packet, and its faults named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from quantize.codec.receiver import STEP
from quantize.codec.receiver_model import DecoderModel
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
from toolkit.common.errors import InputError
from toolkit.device.pipeline import Prepared, connected, prepare
from toolkit.stages.calling import PAYLOAD_MAX, CallStage, CallStep, Kind
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


def test_a_call_is_bit_exact_here(here: tuple[Prepared, Steps]) -> None:
    prepared, steps = here
    verdict = run(prepared, steps)
    assert verdict.ok
    values = len(steps.inputs) * (4 + 2 + STEP)
    assert {name: found.values for name, found in verdict.comparisons.items()} == {
        "integer.py = host C": values,
        "host C = host": values,
    }
    facts = verdict.as_json()
    assert facts["packets"] == PACKETS
    assert sum(costs["packets"] for costs in facts["states"].values()) == PACKETS
    assert all(costs["mean"] <= costs["most"] for costs in facts["states"].values())


def test_a_wrong_sample_is_named_by_packet_time_sample_and_state(
    here: tuple[Prepared, Steps],
) -> None:
    prepared, steps = here
    step = steps.packets.index(24)
    row = bytearray(steps.rows[step])
    row[-2 * STEP + 2 * 33] ^= 1
    wrong = replace(steps, rows=[*steps.rows[:step], bytes(row), *steps.rows[step + 1 :]])
    verdict = run(prepared, wrong)
    assert not verdict.ok
    first = verdict.as_json()["comparisons"]["host C = host"]["first"]
    assert (first["packet"], first["sample"], first["state"]) == (24, 33, "lost, concealed")
    assert first["seconds"] == pytest.approx(24 * 0.02 + 33 / 16000, abs=1e-5)
    told = next(check.text for check in verdict.checks if check.name == "host C = host")
    assert "packet 24, 0.482 s, sample 33, state lost, concealed: got " in told


VOICES: dict[str, VoiceModel] = {
    "netduinoplus2": "pulse",
    "mps2-an500": random_voice(3),
    "mps3-an547": random_fargan(1),
}


@pytest.mark.parametrize("target", list(VOICES))
def test_a_call_is_bit_exact_on_boards(target: str, build_root: Path) -> None:
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

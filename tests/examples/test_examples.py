# SPDX-License-Identifier: BSD-3-Clause
"""The examples give on every board what they give here, and what the reference says."""

import functools
import shutil
from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver import ReceiverConfig
from quantize.codec.receiver_clock import ReceiverClock
from quantize.codec.sender import codec_delay, default_rate, run_encoder, voiced
from quantize.errors import InputError
from quantize.integer import Ints
from quantize.packet.extension import extract, insert
from quantize.packet.opus_packet import Packet
from tests.support.examples import (
    PACKETS,
    SAMPLES,
    models,
    program,
    read_pcm,
    speech,
    write_pcm,
)
from toolkit.call.bitfile import Record, read_bitfile, write_bitfile
from toolkit.call.codec import decode_speech
from toolkit.call.play import decode_call
from toolkit.measure.examples import CORES, HOST, costs_of, run_example

EMPTY = b"\x48"  # SILK, wideband, 20 ms, without sound
DELAY = 25  # packets in the jitter buffers of `receiver` and `call`
FORESEEN = 4  # packets in which `call` looks for the next gap
LOST = frozenset({10, *range(30, 42), 60, *range(62, 75)})
DUPLEX_DELAY = 30
# libopus' encoder: 40 samples at 16 kHz of its own and 4 ms for SILK's rate change.
LOOKAHEAD = 104
LBRR_FLAG = 1 << 6


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of each example, with its input; all ran on this machine."""
    found = {name: tmp_path_factory.mktemp(name) for name in ("sender", "receiver", "duplex")}
    write_pcm(found["sender"] / "speech.pcm", speech())
    run_example(HOST, program(HOST, "sender"), found["sender"])
    sent = read_bitfile(found["sender"] / "packets.bit")
    records = [Record(b"" if n in LOST else r.packet) for n, r in enumerate(sent)]
    write_bitfile(found["receiver"] / "packets.bit", records)
    write_pcm(found["receiver"] / "base.pcm", speech())
    write_pcm(found["duplex"] / "speech.pcm", speech())
    for name in ("receiver", "duplex"):
        run_example(HOST, program(HOST, name), found[name])
    return found


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `call` ran on this machine."""
    folder = tmp_path_factory.mktemp("call")
    write_pcm(folder / "speech.pcm", speech())
    run_example(HOST, program(HOST, "call"), folder)
    return folder


@functools.cache
def payloads(delay: int) -> list[bytes]:
    """Return the reference's payloads for the speech."""
    rates = [default_rate()] * PACKETS
    return run_encoder(models()[0], speech(), rates, voiced(speech()), delay=delay).payloads


class JitterBuffer:
    """The far end of an example in the reference's words: what arrives, and what is played."""

    def __init__(self, config: ReceiverConfig | None = None) -> None:
        self.clock = ReceiverClock(models()[1].receiver(config))

    def give(self, n: int, payload: bytes) -> None:
        if payload:
            self.clock.payload(n * SAMPLES, payload)

    def good(self, pcm: Ints, recovered: bool = False) -> Ints:
        return self.clock.good(pcm.astype(np.int64), recovered=recovered)


def test_the_senders_packets_are_those_of_the_reference(folders: dict[str, Path]) -> None:
    want = [insert(EMPTY, payload) if payload else EMPTY for payload in payloads(64)]
    assert sum(packet != EMPTY for packet in want) > PACKETS // 2
    assert [record.packet for record in read_bitfile(folders["sender"] / "packets.bit")] == want


def test_the_receivers_speech_is_that_of_the_reference(folders: dict[str, Path]) -> None:
    far = JitterBuffer()
    base = speech().reshape(-1, SAMPLES)
    parts = []
    for step in range(PACKETS + DELAY - 1):
        if step < PACKETS and step not in LOST and (step == 0 or step - 1 in LOST):
            far.give(step, payloads(64)[step])
        n = step - DELAY + 1
        if n >= 0:
            far.clock.work(1)
            parts.append(far.clock.lost(SAMPLES) if n in LOST else far.good(base[n]))
    heard = read_pcm(folders["receiver"] / "heard.pcm")
    assert heard.tolist() == np.concatenate(parts).tolist()
    gap = heard[35 * SAMPLES : 41 * SAMPLES].astype(np.float64)
    assert np.sqrt((gap**2).mean()) > 100  # it speaks


def test_what_a_duplex_hears_is_that_of_the_reference(folders: dict[str, Path]) -> None:
    lost = [20 <= n % 50 < 45 for n in range(PACKETS)]
    far = JitterBuffer()
    base = speech().reshape(-1, SAMPLES)
    parts = []
    for step in range(PACKETS):
        if not lost[step] and (step == 0 or lost[step - 1]):
            far.give(step, payloads(64)[step])
        n = step + 1 - DUPLEX_DELAY
        if n >= 0:
            far.clock.work(1)
            parts.append(far.clock.lost(SAMPLES) if lost[n] else far.good(base[n]))
    heard = read_pcm(folders["duplex"] / "heard.pcm")
    assert heard.tolist() == np.concatenate(parts).tolist()


def test_a_calls_packets_hold_the_redundancy_of_the_reference(call: Path) -> None:
    records = read_bitfile(call / "packets.bit")
    want = payloads(codec_delay(LOOKAHEAD, 16000))
    arrived = [n for n, record in enumerate(records) if record.packet]
    assert len(records) == PACKETS
    assert 60 < len(arrived) < 75
    for n in arrived:
        found = extract(records[n].packet)
        assert (found.payload if found else b"") == want[n]
    assert sum(has_lbrr(records[n].packet) for n in arrived) > 40


def test_a_calls_packets_are_those_of_opus_to_another_decoder(call: Path) -> None:
    """The system's libopus, in floats, makes of them nearly what the fixed-point one does."""
    other = decode_speech(read_bitfile(call / "packets.bit"))
    base = read_pcm(call / "base.pcm").astype(np.float64)
    part = slice(4 * SAMPLES, 10 * SAMPLES)  # between two losses
    error = other[part] - base[part]
    assert (error**2).sum() < 0.05 * (base[part] ** 2).sum()


def test_a_calls_gaps_begin_with_the_packet_before(call: Path) -> None:
    """Gaps close together only; the system's libopus makes nearly the same samples of it."""
    records = read_bitfile(call / "packets.bit")
    lost = [not record.packet for record in records]
    base = read_pcm(call / "base.pcm").reshape(-1, SAMPLES).astype(np.float64)
    plain, again = (decode_call(records, lost, lbrr=True, again=flag) for flag in (False, True))
    repeated = [n for n, flag in enumerate(plain.repeats) if flag]
    assert len(repeated) == 2  # one in each second
    for n in repeated:
        power = (base[n] ** 2).sum()
        assert ((again.pcm[n] - base[n]) ** 2).sum() < 0.001 * power
        assert ((plain.pcm[n] - base[n]) ** 2).sum() > 0.1 * power


def test_what_a_call_plays_is_that_of_the_reference(call: Path) -> None:
    packets = [record.packet for record in read_bitfile(call / "packets.bit")]
    packets += [b""] * (FORESEEN + 1)
    base = read_pcm(call / "base.pcm").reshape(-1, SAMPLES)
    want = payloads(codec_delay(LOOKAHEAD, 16000))
    far = JitterBuffer(ReceiverConfig(chunks_a_call=0))
    parts, kinds = [], {"good": 0, "recovered": 0, "lost": 0}
    for step in range(PACKETS + DELAY - 1):
        if step < PACKETS and packets[step] and (step == 0 or not packets[step - 1]):
            far.give(step, want[step])
        n = step - DELAY + 1
        if n < 0:
            continue
        if packets[n]:
            kind, part = "good", far.good(base[n])
        elif has_lbrr(packets[n + 1]):
            kind, part = "recovered", far.good(base[n], recovered=True)
        else:
            kind, part = "lost", far.clock.concealed(base[n].astype(np.int64))
        kinds[kind] += 1
        parts.append(part)
        if packets[n + 1] and far.clock.speaking:
            far.give(n + 1, want[n + 1])
        for at in range(n + 1, n + 1 + FORESEEN):
            if not packets[at] and not has_lbrr(packets[at + 1]):
                far.clock.expect_loss_at(at * SAMPLES)
                break
        far.clock.work(1)
    assert read_pcm(call / "heard.pcm").tolist() == np.concatenate(parts).tolist()
    assert min(kinds.values()) >= 6


def has_lbrr(packet: bytes) -> bool:
    frame = Packet.parse(packet).frames[0] if packet else b""
    return bool(frame) and bool(frame[0] & LBRR_FLAG)


def same(board: str, name: str, here: Path, folder: Path) -> str:
    """Run an example on a board with the input of `here`; compare every file it writes."""
    inputs = {"receiver": ("packets.bit", "base.pcm")}.get(name, ("speech.pcm",))
    for file in inputs:
        shutil.copy(here / file, folder)
    printed = run_example(board, program(board, name), folder)
    made = {path.name for path in here.iterdir()} - set(inputs)
    assert made
    for file in sorted(made):
        assert (folder / file).read_bytes() == (here / file).read_bytes(), file
    return printed


@pytest.mark.parametrize("name", ["sender", "receiver", "duplex"])
@pytest.mark.parametrize("board", CORES)
def test_on_boards(board: str, name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    same(board, name, folders[name], tmp_path)


@pytest.mark.parametrize("board", CORES)
def test_a_call_on_boards(board: str, call: Path, tmp_path: Path) -> None:
    costs = costs_of(same(board, "call", call, tmp_path))
    assert costs["20 ms sent"].calls == PACKETS
    played = [cost for name, cost in costs.items() if name.startswith("20 ms received")]
    assert sum(cost.calls for cost in played) == PACKETS
    for name in ("opus_encode", "dk_sender_hear", "opus_decode", "dk_receiver_lost"):
        assert 0 < costs[name].mean <= costs[name].most < 3_360_000  # 20 ms of 168 MHz
    parts = ("opus_encode", "dk_sender_hear", "dk_sender_payload", "dk_packet_add")
    whole = sum(costs[name].calls * costs[name].mean for name in parts)
    assert whole == pytest.approx(PACKETS * costs["20 ms sent"].mean, rel=0.01)


def test_damaged_packets_do_no_harm(folders: dict[str, Path], tmp_path: Path) -> None:
    """A packet of noise in place of one that the receiver wants is a packet without redundancy."""
    records = read_bitfile(folders["receiver"] / "packets.bit")
    assert records[42].packet
    noise = np.random.default_rng(1).bytes(len(records[42].packet))
    records[42] = Record(noise)
    with pytest.raises(InputError):
        extract(noise)
    write_bitfile(tmp_path / "packets.bit", records)
    shutil.copy(folders["receiver"] / "base.pcm", tmp_path)
    run_example(HOST, program(HOST, "receiver"), tmp_path)
    heard = read_pcm(tmp_path / "heard.pcm")
    assert len(heard) == PACKETS * SAMPLES
    here = read_pcm(folders["receiver"] / "heard.pcm")
    assert heard[: 30 * SAMPLES].tolist() == here[: 30 * SAMPLES].tolist()
    assert heard.tolist() != here.tolist()

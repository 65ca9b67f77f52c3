# SPDX-License-Identifier: BSD-3-Clause
"""The receiver in C equals numpy for any requests, and nothing in it overflows."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from quantize.codec.receiver import STEP
from quantize.codec.receiver_model import Chunk, DecoderModel, Hear, Speak, Take
from quantize.integer import Ints
from quantize.nn.topologies import predictor
from quantize.vocoder.voices import VoiceModel
from tests.support.decoder_library import checked_engine
from tests.support.decoder_models import random_networks, random_payload
from tests.support.lpcnet_models import random_voice
from tests.support.small_models import small_model
from toolkit.device.build.hostlib import HostEngine
from toolkit.stages.receiver import ROOM, DecoderStage, Kind, rows_of
from toolkit.stages.stage import Int16s
from toolkit.verify.verify import compare_host

Pair = tuple[DecoderStage, HostEngine]


def pair(folder: Path, voice: VoiceModel, gain: float = 1.0, batch: int = 1) -> Pair:
    model = DecoderModel(random_networks(gain=gain), voice)
    return DecoderStage(model, batch=batch), checked_engine(model, folder, batch)


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return pair(tmp_path_factory.mktemp("pulse"), "pulse")


@pytest.fixture(scope="module")
def pulse4(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return a receiver that decodes up to four chunks at once."""
    return pair(tmp_path_factory.mktemp("pulse4"), "pulse", batch=4)


@pytest.fixture(scope="module")
def lpcnet(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return pair(tmp_path_factory.mktemp("lpcnet"), random_voice(5))


@pytest.fixture(scope="module")
def predicting(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return a receiver that predicts features in gaps without a payload."""
    model = DecoderModel(random_networks(), "pulse", small_model(predictor(32, 24), 4))
    return DecoderStage(model), checked_engine(model, tmp_path_factory.mktemp("predicting"))


@pytest.fixture(scope="module")
def violent(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return a receiver whose networks drive most features to one end of int16."""
    return pair(tmp_path_factory.mktemp("violent"), random_voice(6, tail=0), gain=40.0)


def same(found: Pair, inputs: Int16s) -> dict[str, Int16s]:
    """Check that numpy and C give the same outputs, and return them."""
    stage, engine = found
    want = stage.reference(inputs)
    compared = compare_host(engine, stage, inputs, want)
    assert compared.mismatches == 0, str(compared.first)
    return want.outputs


def noise(rng: np.random.Generator, peak: int = 8000) -> Ints:
    return rng.integers(-peak, peak + 1, STEP)


def gap(rng: np.random.Generator, packets: int, chunks: int, offset: int = 10) -> Int16s:
    """Return ops: two good packets, a gap with some of its chunks decoded, two good packets."""
    before, after = ([Hear(noise(rng)) for _ in range(2)] for _ in range(2))
    take = Take(STEP * packets, random_payload(int(rng.integers(1000)), offset=offset))
    inside = [take, *[Chunk()] * chunks, *[Speak()] * packets]
    return rows_of([*before, *inside, *after])


@pytest.mark.parametrize("voice", ["pulse", "lpcnet", "predicting"])
def test_a_gap_is_spoken_alike(voice: str, request: pytest.FixtureRequest) -> None:
    rng = np.random.default_rng(1)
    gaps = [gap(rng, 2, 3), gap(rng, 4, 0), gap(rng, 3, 1, offset=-30), gap(rng, 20, 2)]
    inputs = np.concatenate([*gaps, rows_of([*[Speak()] * 9, *[Hear(noise(rng))] * 3])])
    outputs = same(request.getfixturevalue(voice), inputs)
    assert not outputs["status"].any()
    assert np.abs(outputs["values"][-4:]).max() > 1000


def any_op(rng: np.random.Generator) -> Int16s:
    """Return one input: mostly a sound op, sometimes an impossible kind, gap or length."""
    row = rng.integers(-32768, 32768, (1, 4 + STEP)).astype("<i2")
    bytes_of = row.view(np.uint8)[0]
    bytes_of[0] = rng.choice([*[int(kind) for kind in Kind] * 5, 4, 255])
    bytes_of[1] = rng.choice([1, 1, 1, 1, 2, 3, 4, 0, 5, 255])
    length = int(rng.choice([0, 1, 40, ROOM, ROOM + 1, 65535]))
    if rng.random() < 0.5:
        data = bytearray(random_payload(int(rng.integers(1000)), chunks=int(rng.integers(0, 26))))
        for _ in range(int(rng.integers(0, 3))):
            data[int(rng.integers(len(data)))] ^= int(rng.integers(256))
        length = min(len(data), ROOM)
        bytes_of[8 : 8 + length] = np.frombuffer(bytes(data[:length]), np.uint8)
    bytes_of[2:4] = np.frombuffer(length.to_bytes(2, "little"), np.uint8)
    ahead = rng.choice([-400, 0, 0, 160, 320, 960, 4800, 17000, -(2**31), 2**31 - 1])
    bytes_of[4:8] = np.frombuffer(int(ahead).to_bytes(4, "little", signed=True), np.uint8)
    return row


CALLS = [("pulse", 1), ("pulse4", 2), ("lpcnet", 5), ("predicting", 7)]


@pytest.mark.parametrize(("voice", "seed"), CALLS)
def test_any_ops_in_any_order_are_answered_alike(
    voice: str, seed: int, request: pytest.FixtureRequest
) -> None:
    rng = np.random.default_rng(seed)
    outputs = same(
        request.getfixturevalue(voice),
        np.concatenate(
            [rows_of([Chunk(), Take(0, b"\x01\x02")]), *[any_op(rng) for _ in range(120)]]
        ),
    )
    assert {-1, -5, -6, -9, -10, 0} <= set(outputs["status"].reshape(-1).tolist())


def test_a_second_of_garbage_features_overflows_nothing(violent: Pair) -> None:
    rng = np.random.default_rng(9)
    loud = [Hear(np.where(noise(rng) < 0, -32768, 32767)) for _ in range(2)]
    take = Take(10 * STEP, random_payload(3, chunks=9))
    inputs = rows_of([*loud, take, *[Chunk()] * 9, *[Speak()] * 10, *loud])
    outputs = same(violent, inputs)
    features = outputs["values"][3:12, :80]
    assert np.mean(np.abs(features.astype(int)) > 30000) > 0.3  # they are garbage


def test_chunks_at_once_are_those_one_by_one(pulse: Pair, pulse4: Pair) -> None:
    """The speech is the same too, also for chunk counts that four does not divide."""
    rng = np.random.default_rng(8)
    good = [Hear(noise(rng)) for _ in range(2)]
    take = Take(10 * STEP, random_payload(5, chunks=11))
    heard, features, spoken = [], [], [Speak()] * 10
    for found, most in ((pulse, [1] * 11), (pulse4, [4, 4, 3]), (pulse4, [2, 4, 1, 4])):
        chunks = [Chunk(count) for count in most]
        outputs = same(found, rows_of([*good, take, *chunks, *spoken]))
        assert not outputs["status"].any()
        rows = outputs["values"][3 : 3 + len(most)]
        features.append(np.concatenate([row[: 80 * n] for row, n in zip(rows, most, strict=True)]))
        heard.append(outputs["values"][-10:])
    assert features[0].tolist() == features[1].tolist() == features[2].tolist()
    assert np.array_equal(heard[0], heard[1])


def test_the_last_chunks_may_be_fewer_than_asked(pulse4: Pair) -> None:
    take = Take(4 * STEP, random_payload(6, chunks=5))
    inputs = rows_of([take, Chunk(4), Chunk(4), Chunk(4)])
    outputs = same(pulse4, inputs)
    assert outputs["status"].reshape(-1).tolist() == [0, 0, 0, -5]
    assert outputs["chunks"][:, 1].tolist()[-2:] == [0, 0]
    assert outputs["values"][2, :80].any()
    assert not outputs["values"][2, 80:].any()


def test_a_session_begins_anew(pulse: Pair) -> None:
    stage, engine = pulse
    inputs = gap(np.random.default_rng(4), 2, 2)
    first, second = (
        [engine.step(row.tobytes()) for row in inputs] for _ in range(2) if not engine.reset()
    )
    assert first == second
    assert engine.stage == stage.name == "decoder"
    assert engine.model_hash == stage.hash[:32]


def test_a_gap_without_a_payload_is_not_silent_at_once(pulse: Pair, clip: Path) -> None:
    """The voice goes on as loud as the speech before the gap, and fades within half a second."""
    speech = wavfile.read(clip)[1].astype(np.int64)
    packets = speech[: len(speech) // STEP * STEP].reshape(-1, STEP)
    loud = np.sqrt((packets.astype(np.float64) ** 2).mean(axis=1))
    begins = [i for i in range(8, len(packets) - 2) if loud[i - 4 : i + 1].min() > 1200][::12]
    assert len(begins) > 3
    shares = []
    for first in begins:
        ops = [*(Hear(pcm) for pcm in packets[first - 6 : first + 1]), *[Speak()] * 25]
        rms = np.sqrt((same(pulse, rows_of(ops))["values"].astype(np.float64) ** 2).mean(axis=1))
        shares.append(rms[7] / rms[6])
        assert rms[7] > 300
        assert rms[-1] < 120
    assert 0.5 < np.median(shares) < 1.5

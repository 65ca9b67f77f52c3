# SPDX-License-Identifier: BSD-3-Clause
"""The receiver's rules: which frame it speaks when, what it repeats, what it refuses."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver import (
    STEP,
    OrderError,
    Receiver,
    ReceiverConfig,
    frames_before,
)
from quantize.codec.receiver_model import (
    ERR_ARGUMENT,
    ERR_ORDER,
    Chunk,
    DecoderModel,
    Hear,
    Refuse,
    Speak,
    Take,
    run_decoder,
)
from quantize.codec.redundancy import DecoderNetworks, Redundancy
from quantize.dred import laplace, payload
from quantize.dred.history import History
from quantize.errors import InputError, PayloadError
from quantize.integer import Ints
from quantize.plc import heard
from quantize.plc.concealment import ATTENUATION, ATTENUATION_STEP, QUIETEST, attenuated
from tests.support.decoder_models import NotingVoice, random_networks, random_payload
from tests.support.dred_native import ERRORS
from tests.support.lpcnet_models import random_voice
from toolkit.models.saved import load_quantised
from toolkit.stages.gaps import CODEC_DELAY, default_losses, losses_at, script


@pytest.fixture(scope="module")
def networks() -> DecoderNetworks:
    return random_networks()


def receiver_with(
    networks: DecoderNetworks, config: ReceiverConfig | None = None
) -> tuple[Receiver, NotingVoice]:
    voice = NotingVoice()
    return Receiver(Redundancy(networks), voice, config), voice


def good(value: int) -> Ints:
    return np.full(STEP, value, np.int64)


def decode_all(receiver: Receiver) -> Ints:
    return receiver.decode(receiver.chunks)


@pytest.mark.parametrize(("packets", "offset"), [(1, 10), (3, 10), (50, 10), (5, 2), (7, -3)])
def test_each_frame_of_a_gap_speaks_its_own_features(
    networks: DecoderNetworks, packets: int, offset: int
) -> None:
    receiver, voice = receiver_with(networks)
    receiver.hear(good(1))
    receiver.hear(np.arange(STEP))
    gap = STEP * packets
    receiver.payload(gap, random_payload(3, offset=offset))
    features = decode_all(receiver)
    for _ in range(packets):
        receiver.speak()
    first = (gap + 40 * offset) // 160 - 1  # docs/FORMAT.md, section 3
    (context, past), *others = voice.begun
    assert not others
    for i, frame in enumerate(context):  # oldest first, up to the first true frame's own
        k = first + frames_before(NotingVoice) - i
        if 0 <= k < len(features):
            assert frame.tolist() == features[k].tolist()
    heard = np.concatenate([good(1), np.arange(STEP)])[
        -NotingVoice.PAST - 160 * NotingVoice.KNOWN_FRAMES :
    ]
    assert past.tolist() == heard[: NotingVoice.PAST].tolist()
    assert np.concatenate(voice.known).tolist() == heard[NotingVoice.PAST :].tolist()
    spoken = voice.told[NotingVoice.KNOWN_FRAMES :]
    assert len(spoken) == 2 * packets
    for i, ahead in enumerate(spoken):
        k = first - i - 1
        if 0 <= k < len(features):
            assert ahead.tolist() == features[k].tolist()
        elif k < 0:
            assert ahead.tolist() == attenuated(features[0], -k).tolist()


def test_a_sender_and_the_rule_agree_on_time() -> None:
    """Lost samples are replaced by speech of their own time, to the offset's rounding of 2.5 ms."""
    history = History()
    for packet in range(8):
        assert history.hear(STEP, True) == 1
        history.push(np.zeros(25, np.int64), np.zeros(50, np.int64))
        _, offset = history.newest(STEP)
        for packets in (1, 2, 5):
            start = STEP * (packet - packets)  # of the gap, in samples as they are played
            first = (STEP * packets + 40 * offset) // 160 - 1
            for i in range(2 * packets):
                frame = 2 * packet + 1 - (first - i)  # the sender's: FORMAT.md, section 3
                # It is spoken as s[160 f - 80 ..] of the signal that is 11 samples late.
                true = 160 * frame - 80 - 11 + CODEC_DELAY
                assert abs(start + 160 * i - true) <= 40


def test_chunks_wanted_are_enough(networks: DecoderNetworks) -> None:
    for gap in (320, 640, 960, 6400, 16000):
        data = random_payload(5)
        played = []
        for every in (False, True):
            receiver, voice = receiver_with(networks, ReceiverConfig(chunks_a_call=0))
            receiver.payload(gap, data)
            wanted = receiver.chunks_wanted
            receiver.decode(receiver.chunks if every else wanted)
            assert receiver.chunks_wanted == 0
            if not every and wanted < 26:
                before = frames_before(NotingVoice)
                assert 4 * (wanted - 1) <= (gap + 400) // 160 - 1 + before < 4 * wanted
            for _ in range(gap // STEP):
                receiver.speak()
            played.append((voice.begun, voice.told))
        (begun, told), (begun_all, told_all) = played
        assert np.array_equal(begun[0][0], begun_all[0][0])
        assert np.array_equal(told, told_all)


def test_frames_too_old_are_held_and_frames_too_new_are_repeated(
    networks: DecoderNetworks,
) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(50 * STEP, random_payload(7, chunks=3))
    features = decode_all(receiver)
    for _ in range(55):
        receiver.speak()
    rest = heard.features(np.zeros(heard.SAMPLES, np.int64))[-1]
    for i, ahead in enumerate(voice.told[NotingVoice.KNOWN_FRAMES :]):
        k = 100 - i
        want = attenuated(rest, i + 2) if k >= len(features) else features[max(k, 0)]
        if k < 0:
            want = attenuated(want, -k)
        assert ahead.tolist() == want.tolist()


def test_attenuation_is_that_of_libopus() -> None:
    features = np.zeros(20, np.int64)
    drops = [-attenuated(features, distance)[0] / 1024 for distance in range(1, 14)]
    want = [0, 0, 0.2, 0.2, 0.4, 0.4, 0.8, 0.8, 1.6, 1.6, 3.6, 5.6, 7.6]
    assert np.allclose(drops, want, atol=0.001)
    assert len(ATTENUATION) == 10
    assert ATTENUATION_STEP == 2048
    assert attenuated(features, 300)[0] == QUIETEST
    loud = features + 32767
    assert attenuated(loud, 1000)[0] == QUIETEST
    assert attenuated(loud, 1000)[1:].tolist() == loud[1:].tolist()


def test_before_anything_was_heard_silence_is_spoken(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.speak()
    assert all(ahead[0] <= -12.4 * 1024 for ahead in voice.told)
    assert all(frame[0] <= -12.4 * 1024 for frame in voice.begun[0][0])


def test_a_gap_without_a_payload_fades_out_what_was_heard(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(STEP, random_payload(9))
    decode_all(receiver)
    receiver.speak()
    noise = np.random.default_rng(2).integers(-9000, 9000, 5 * STEP)
    for part in np.split(noise, 5):
        receiver.hear(part)
    voice.told.clear()
    for _ in range(20):
        receiver.speak()
    assert len(voice.begun) == 2
    last = heard.features(noise[-heard.SAMPLES :])[-1]
    assert (np.array(voice.told)[:, 1:] == last[1:]).all()
    c0 = [int(ahead[0]) for ahead in voice.told[NotingVoice.KNOWN_FRAMES :]]
    assert c0[0] == attenuated(last, 2)[0]
    assert all(later <= earlier for earlier, later in pairwise(c0))
    assert c0[-1] == QUIETEST


def test_a_payload_in_the_middle_of_a_gap_goes_on(networks: DecoderNetworks) -> None:
    """Speech that has begun does not start again when redundancy comes late."""
    receiver, voice = receiver_with(networks)
    receiver.speak()
    receiver.payload(2 * STEP, random_payload(4))
    features = decode_all(receiver)
    receiver.speak()
    assert len(voice.begun) == 1
    first = (2 * STEP + 400) // 160 - 1
    assert [t.tolist() for t in voice.told[-2:]] == [
        features[first - 1].tolist(),
        features[first - 2].tolist(),
    ]


def test_what_is_refused_changes_nothing(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks, ReceiverConfig(chunks_a_call=0))
    with pytest.raises(OrderError):
        receiver.decode()
    receiver.payload(STEP, random_payload(2))
    newest = receiver.decode()
    for bad in (b"", b"\x00", bytes(1001)):
        with pytest.raises(PayloadError):
            receiver.payload(STEP, bad)
        assert (receiver.chunks, receiver.chunks_wanted) == (26, 1)
    older = receiver.decode(25)
    assert len(older) == 100
    with pytest.raises(OrderError):
        receiver.decode()
    receiver.speak()
    assert voice.told[-1].tolist() == newest[1].tolist()


def test_statuses_are_the_firmwares() -> None:
    assert ERRORS["argument"] == ERR_ARGUMENT
    assert ERRORS["order"] == ERR_ORDER
    assert ERRORS["length"] == payload.LENGTH
    assert ERRORS["short"] == laplace.SHORT
    assert ERRORS["symbol"] == laplace.SYMBOL


def test_a_script_of_ops_answers_each(networks: DecoderNetworks) -> None:
    model = DecoderModel(networks, random_voice(3))
    data = random_payload(1, chunks=2)
    ops = [Hear(good(5)), Chunk(), Take(STEP, b""), Take(STEP, data), Chunk(), Chunk(3), Chunk(3)]
    answers = run_decoder(model, [*ops, Speak(), Hear(good(5)), Refuse(), Refuse(-6)])
    assert [a.status for a in answers] == [0, -5, -9, 0, 0, 0, -5, 0, 0, -1, -6]
    assert [a.chunks for a in answers] == [0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [a.wanted for a in answers[3:7]] == [2, 1, 0, 0]
    assert [sorted(a.layers)[:1] for a in answers[:5]] == [
        *([[]] * 3),
        ["dec_gru_init"],
        ["dec_conv1"],
    ]
    assert answers[0].values.tolist() == good(5).tolist()
    assert answers[4].values[80:].any() == np.False_
    assert answers[1].values.any() == np.False_
    assert answers[7].values.any()


def test_model_file(networks: DecoderNetworks, tmp_path: Path) -> None:
    path = tmp_path / "decoder.dkq"
    for voice in ("pulse", random_voice(2)):
        model = DecoderModel(networks, voice)  # type: ignore[arg-type]
        model.save(path)
        loaded = load_quantised(path)
        assert isinstance(loaded, DecoderModel)
        assert loaded.hash == model.hash
    for cut in (0, 7, 100, 5000, path.stat().st_size - 1):
        damaged = tmp_path / "damaged.dkq"
        damaged.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(InputError):
            load_quantised(damaged)


def test_the_default_losses_are_a_second_and_some_bursts() -> None:
    lost = default_losses(230)
    runs = "".join("x" if gone else "." for gone in lost).replace(".", " ").split()
    assert sorted(len(run) for run in runs) == [1, 2, 2, 3, 5, 50]
    assert not any(lost[:20])
    assert not lost[-1]
    for packets in range(1, 60):
        assert len(default_losses(packets)) == packets
    assert losses_at([(0.1, 0.14), (0.3, 9)], 18) == [n in (5, 6, 15, 16, 17) for n in range(18)]


def test_a_script_takes_the_payloads_that_are_of_use(networks: DecoderNetworks) -> None:
    data = random_payload(6)
    payloads = [b"", b"", b"", data, data, data, b"", b"\x01", b"", b"", data, data]
    lost = [n in (1, 2, 6, 8, 9) for n in range(12)]
    ops = script(np.zeros((12, STEP), np.int16), payloads, lost, networks.tables, NotingVoice)
    kinds = [type(op).__name__ for op in ops]
    assert kinds == [
        # Frames of 2 packets, 4 before them and 2 of the next packet.
        *("Hear", "Take", "Chunk", "Chunk", "Chunk", "Speak", "Speak", "Hear"),
        *("Take", "Chunk", "Hear", "Hear"),  # the fade speaks frames of the next payload
        *("Take", "Speak", "Hear"),  # an unsound payload is passed on without chunks
        *("Take", "Chunk", "Chunk", "Chunk", "Speak", "Speak", "Hear", "Take", "Chunk", "Hear"),
    ]
    assert ops[1] == Take(2 * STEP, data)

# SPDX-License-Identifier: BSD-3-Clause
"""The receiver's rules: which frame it speaks when, what it repeats, what it refuses."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver import (
    ATTENUATION,
    ATTENUATION_STEP,
    BEFORE,
    FADE,
    KNOWN_FRAMES,
    PAST,
    QUIETEST,
    STEP,
    OrderError,
    Receiver,
    attenuated,
    chunks_for,
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
from quantize.codec.redundancy import DecoderNetworks
from quantize.dred import laplace, payload
from quantize.dred.history import History
from quantize.errors import InputError, PayloadError
from quantize.integer import Ints
from tests.support.decoder_models import NotingVoice, random_networks, random_payload
from tests.support.dred_native import ERRORS
from tests.support.lpcnet_models import random_voice
from toolkit.models.saved import load_quantised
from toolkit.stages.gaps import CODEC_DELAY, default_losses, losses_at, script


@pytest.fixture(scope="module")
def networks() -> DecoderNetworks:
    return random_networks()


def receiver_with(networks: DecoderNetworks) -> tuple[Receiver, NotingVoice]:
    voice = NotingVoice()
    return Receiver(networks, voice), voice


def good(value: int) -> Ints:
    return np.full(STEP, value, np.int64)


def decode_all(receiver: Receiver) -> Ints:
    return np.concatenate([receiver.chunk() for _ in range(receiver.chunks)])


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
        k = first + BEFORE - i
        if 0 <= k < len(features):
            assert frame.tolist() == features[k].tolist()
    heard = np.concatenate([good(1), np.arange(STEP)])[-PAST - 160 * KNOWN_FRAMES :]
    assert past.tolist() == heard[:PAST].tolist()
    assert np.concatenate(voice.known).tolist() == heard[PAST:].tolist()
    spoken = voice.told[KNOWN_FRAMES:]
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
    for gap in (320, 640, 960, 6400, 16000, 32000):
        data = random_payload(5)
        played = []
        for every in (False, True):
            receiver, voice = receiver_with(networks)
            receiver.payload(gap, data)
            wanted = receiver.chunks_wanted
            assert wanted == chunks_for(gap, payload.parse(data, networks.tables))
            for _ in range(receiver.chunks if every else wanted):
                receiver.chunk()
            assert every or receiver.chunks_wanted == 0
            if not every and wanted < 26:
                assert 4 * (wanted - 1) <= (gap + 400) // 160 - 1 + BEFORE < 4 * wanted
            for _ in range(min(gap // STEP, 50)):
                receiver.speak()
            played.append((voice.begun, voice.told))
        (begun, told), (begun_all, told_all) = played
        assert np.array_equal(begun[0][0], begun_all[0][0])
        assert np.array_equal(told, told_all)


def test_frames_too_old_and_too_new_are_repeated_and_fade(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(50 * STEP, random_payload(7, chunks=3))
    features = decode_all(receiver)
    for _ in range(55):
        receiver.speak()
    first = 101
    for i, ahead in enumerate(voice.told[KNOWN_FRAMES:]):
        k = first - i - 1
        inside = min(max(k, 0), len(features) - 1)
        want = features[inside]
        if k != inside:
            want = attenuated(want, abs(k - inside))
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


def test_without_any_payload_silence_is_spoken(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.speak()
    silence = [QUIETEST, *[0] * 19]
    assert all(ahead.tolist() == silence for ahead in voice.told)
    assert all(frame.tolist() == silence for frame in voice.begun[0][0])


def test_a_gap_without_a_payload_fades_out_what_was_known(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(STEP, random_payload(9))
    features = decode_all(receiver)
    receiver.speak()
    receiver.hear(good(0))  # uses up frames 1 and 0
    voice.told.clear()
    for _ in range(20):
        receiver.speak()
    c0 = [int(ahead[0]) for ahead in voice.told[KNOWN_FRAMES:]]
    assert c0[0] == attenuated(features[0], 2)[0]
    assert all(later <= earlier for earlier, later in pairwise(c0))
    assert c0[-1] == QUIETEST


def test_good_audio_returns_through_a_cross_fade(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    receiver.payload(STEP, random_payload(9))
    receiver.chunk()
    receiver.speak()
    told = len(voice.told)
    out = receiver.hear(good(-3000))
    assert len(voice.told) == told + 1  # one frame more
    spoken = 1000 + len(voice.told)
    assert abs(out[0] - spoken) <= (spoken + 3000) / 80
    assert abs(out[FADE - 1] + 3000) <= (spoken + 3000) / 80
    assert np.all(np.diff(out[:FADE]) < 0)
    assert np.all(out[FADE:] == -3000)
    assert receiver.hear(good(-3000)).tolist() == good(-3000).tolist()


def test_full_scale_survives_the_cross_fade(networks: DecoderNetworks) -> None:
    for loud, opposite in ((32767, -32768), (-32768, 32767), (32767, 32767), (-32768, -32768)):
        receiver, voice = receiver_with(networks)
        voice.frame = lambda ahead, known, value=loud: np.full(160, value)  # type: ignore[misc]
        receiver.speak()
        out = receiver.hear(good(opposite))
        assert -32768 <= out.min() <= out.max() <= 32767


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


def test_what_is_refused_leaves_the_features_as_they_are(networks: DecoderNetworks) -> None:
    receiver, voice = receiver_with(networks)
    with pytest.raises(OrderError):
        receiver.chunk()
    receiver.payload(STEP, random_payload(2))
    features = decode_all(receiver)
    with pytest.raises(OrderError):
        receiver.chunk()
    for bad in (b"", b"\x00", bytes(1001)):
        with pytest.raises(PayloadError):
            receiver.payload(STEP, bad)
        assert receiver.chunks == receiver.chunks_wanted == 0
        with pytest.raises(OrderError):
            receiver.chunk()
    for gap in (-1, 65536):
        with pytest.raises(InputError, match="gap"):
            receiver.payload(gap, random_payload(2))
    receiver.speak()
    assert voice.told[-1].tolist() == features[1].tolist()


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


def test_a_script_takes_the_payload_that_ends_each_gap(networks: DecoderNetworks) -> None:
    data = random_payload(6)
    payloads = [b"", b"", b"", data, b"", b"", b"\x01", b"", b"", data]
    lost = [n in (1, 2, 4, 5, 8, 9) for n in range(10)]
    ops = script(np.zeros((10, STEP), np.int16), payloads, lost, networks.tables)
    kinds = [type(op).__name__ for op in ops]
    chunks = chunks_for(2 * STEP, payload.parse(data, networks.tables))
    assert kinds == [
        *("Hear", "Take", *["Chunk"] * chunks, "Speak", "Speak", "Hear"),
        *("Take", "Speak", "Speak", "Hear"),  # an unsound payload is passed on without chunks
        *("Hear", "Speak", "Speak"),  # nothing came after the last gap
    ]
    assert ops[1] == Take(2 * STEP, data)

# SPDX-License-Identifier: BSD-3-Clause
"""The public sender equals its definition for packets of any length, heard in any pieces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.codec.sender import (
    EncoderModel,
    codec_delay,
    default_rate,
    is_voice,
    run_encoder,
)
from quantize.dred.history import Rate
from quantize.dred.payload import parse
from quantize.dred.policy import libopus_policy
from quantize.errors import InputError
from tests.support.dred_native import ERRORS
from tests.support.sender_library import SenderLibrary
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import Sources, quantise_encoder
from toolkit.speech.audio import read_speech

ARGUMENT = ERRORS["argument"]


@pytest.fixture(scope="module")
def model() -> EncoderModel:
    return quantise_encoder(Sources(SHIPPED))[0]


@pytest.fixture(scope="module")
def libraries(
    model: EncoderModel, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, SenderLibrary]:
    folder = tmp_path_factory.mktemp("senders")
    return {rate: SenderLibrary(model, folder / str(rate), rate) for rate in (16000, 48000)}


@pytest.fixture(scope="module")
def library(libraries: dict[int, SenderLibrary]) -> SenderLibrary:
    return libraries[16000]


def offsets(payloads: Sequence[bytes], model: EncoderModel) -> set[int]:
    return {parse(p, model.tables).header.offset for p in payloads if p}


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(1, {2, 6}), (2, {10}), (4, {10}), (6, {10}), (12, {10}), (3, {10, 6})],
)
def test_every_packet_length(
    model: EncoderModel, library: SenderLibrary, clip: Path, frames: int, expected: set[int]
) -> None:
    """A packet of 10 ms may begin inside a step; every payload says where it begins."""
    pcm = read_speech(clip)[16000:35200]
    packets = [frames] * (120 // frames)
    asked = [default_rate()] * len(packets), [True] * len(packets)
    want = run_encoder(model, pcm, *asked, frames=packets).payloads
    assert offsets(want, model) == expected
    for piece in (12, 1):
        assert library.run(pcm, *asked, packets, 64, piece) == want


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("seed", range(3))
def test_any_packets_and_pieces(
    model: EncoderModel, libraries: dict[int, SenderLibrary], clip: Path, rate: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.choice([1, 1, 2, 2, 3, 4, 6, 12], 40).tolist()
    voices = np.repeat(rng.random(20) < 0.6, 2).tolist()
    rates = [
        Rate(
            int(rng.integers(4, 10)),
            int(rng.integers(1, 8)),
            15,
            int(rng.integers(1, 27)),
            int(rng.integers(1, 300)),
        )
        for _ in frames
    ]
    delay = int(rng.integers(0, 561))
    pcm = read_speech(clip, rate)[rate : rate + sum(frames) * rate // 100]
    want = run_encoder(model, pcm, rates, voices, rate, frames, delay).payloads
    assert any(want)
    assert not all(want)
    for piece in (12, int(rng.integers(1, 4))):
        assert libraries[rate].run(pcm, rates, voices, frames, delay, piece) == want


def test_link_time_optimisation_changes_nothing(
    model: EncoderModel, clip: Path, tmp_path: Path
) -> None:
    """The optimiser sees the public memory and its contents at once."""
    library = SenderLibrary(model, tmp_path, 16000, ["-O2", "-flto", "-fshort-enums"])
    frames = [1, 2, 4, 3] * 6
    pcm = read_speech(clip)[16000 : 16000 + 160 * sum(frames)]
    asked = [default_rate()] * len(frames), [True] * len(frames)
    want = run_encoder(model, pcm, *asked, frames=frames).payloads
    assert any(want)
    assert library.run(pcm, *asked, frames, 64, 2) == want


def test_packet_lengths_are_checked(model: EncoderModel) -> None:
    pcm = np.zeros(3200, np.int16)
    for frames in ([0, 2], [13], [2] * 11):
        asked = [default_rate()] * len(frames), [True] * len(frames)
        with pytest.raises(InputError, match="packets of 10 to 120 ms"):
            run_encoder(model, pcm, *asked, frames=frames)
    with pytest.raises(InputError, match="shorter than one 20 ms step"):
        run_encoder(model, pcm, [default_rate()], [True], frames=[1])


def test_a_packet_without_payload_does_not_shift_the_next(
    model: EncoderModel, library: SenderLibrary, clip: Path
) -> None:
    pcm = read_speech(clip)[16000:28800]
    want = run_encoder(model, pcm, [default_rate()] * 40, [True] * 40).payloads
    sender = library.start(64)
    for k in range(40):
        library.hear(sender, pcm[320 * k : 320 * (k + 1)], True)
        if k % 3 == 0:
            assert library.payload(sender, default_rate(), 8) == want[k]


def call(library: SenderLibrary, name: str, *arguments: Any) -> int:
    return int(getattr(library.lib, name)(*arguments))


def test_bad_arguments_change_nothing(
    model: EncoderModel, library: SenderLibrary, clip: Path
) -> None:
    ffi, null = library.ffi, library.ffi.NULL
    pcm = read_speech(clip)[16000:19200]
    want = run_encoder(model, pcm, [default_rate()] * 10, [True] * 10).payloads
    sender, blank = library.start(64), ffi.new("dk_sender *")
    sound, out = ffi.new("dk_sender_rate *", [6, 5, 15, 26, 0]), ffi.new("uint8_t[256]")
    samples = ffi.new("int16_t[]", 1920 + 160)
    payloads = []
    for k in range(10):
        for length in (0, 1, 159, 161, 2080):
            assert call(library, "dk_sender_hear", sender, samples, length, True) == ARGUMENT
        assert call(library, "dk_sender_hear", sender, null, 320, True) == ARGUMENT
        assert call(library, "dk_sender_hear", null, samples, 320, True) == ARGUMENT
        assert call(library, "dk_sender_hear", blank, samples, 320, True) == ARGUMENT
        library.hear(sender, pcm[320 * k : 320 * (k + 1)], True)
        for fields in ([16, 5, 15, 26, 0], [6, 8, 15, 26, 0], [6, 5, 6, 26, 0], [6, 5, 15, 0, 0],
                       [6, 5, 15, 27, 0], [6, 5, 15, 26, 49]):  # fmt: skip
            rate = ffi.new("dk_sender_rate *", fields)
            assert call(library, "dk_sender_payload", sender, rate, out, 256) == ARGUMENT
        for wrong in ((null, sound, out), (sender, null, out), (sender, sound, null)):
            assert call(library, "dk_sender_payload", *wrong, 256) == ARGUMENT
        assert call(library, "dk_sender_payload", blank, sound, out, 256) == ARGUMENT
        assert call(library, "dk_sender_payload", sender, sound, out, 0) == 0
        payloads.append(library.payload(sender, default_rate(), 0))
    assert payloads == want
    assert call(library, "dk_sender_init", null, null) == ARGUMENT
    assert call(library, "dk_sender_init", blank, ffi.new("dk_sender_config *", [561])) == ARGUMENT
    assert call(library, "dk_sender_init", blank, null) == 0
    assert call(library, "dk_sender_payload", blank, sound, out, 256) == 0  # nothing heard yet


def test_capacities_beyond_16_bits(model: EncoderModel, library: SenderLibrary, clip: Path) -> None:
    pcm = read_speech(clip)[16000:32000]
    fine = Rate(0, 0, 15)
    want = run_encoder(model, pcm, [fine] * 50, [True] * 50).payloads[-1]
    sender = library.start(64)
    for k in range(50):
        library.hear(sender, pcm[320 * k : 320 * (k + 1)], True)
    asked = library.ffi.new("dk_sender_rate *", [0, 0, 15, 26, 8])
    capacity = (1 << 16) + 8
    out = library.ffi.new("uint8_t[]", capacity)
    size = call(library, "dk_sender_payload", sender, asked, out, capacity)
    assert bytes(library.ffi.buffer(out, size)) == want
    assert size > 100


def test_defaults(library: SenderLibrary) -> None:
    assert library.lib.dk_sender_config_default().codec_delay == 64
    rate, want = library.lib.dk_sender_rate_default(), default_rate()
    got = (rate.q0, rate.dq, rate.qmax, rate.max_chunks, rate.units)
    assert got == (want.q0, want.dq, want.qmax, want.max_chunks, 0)


@pytest.mark.parametrize(
    ("lookahead", "rate", "delay"),
    [
        (312, 48000, 64), (104, 16000, 64), (52, 8000, 64), (78, 12000, 64), (156, 24000, 64),
        (120, 48000, 0), (40, 16000, 0), (0, 16000, 0), (2**31 - 1, 8000, 560),
    ],
)  # fmt: skip
def test_codec_delay(library: SenderLibrary, lookahead: int, rate: int, delay: int) -> None:
    assert codec_delay(lookahead, rate) == delay
    assert library.lib.dk_sender_codec_delay(lookahead, rate) == delay


def test_a_rate_of_zero_gives_no_delay(library: SenderLibrary) -> None:
    assert library.lib.dk_sender_codec_delay(312, 0) == 0


@settings(max_examples=200, deadline=None)
@given(
    bitrate=st.integers(0, 510_000),
    loss=st.integers(0, 100),
    duration=st.integers(0, 104),
    units=st.integers(1, 48),
    lbrr=st.booleans(),
)
def test_policy(
    library: SenderLibrary, bitrate: int, loss: int, duration: int, units: int, lbrr: bool
) -> None:
    want = libopus_policy(bitrate, loss, duration, units=units, lbrr=lbrr)
    request = library.ffi.new("dk_sender_policy_request *", [bitrate, loss, duration, units, lbrr])
    rate, room = library.ffi.new("dk_sender_rate *"), library.ffi.new("uint16_t *")
    assert library.lib.dk_sender_policy(request, rate, room) == want.bitrate
    got = (rate.q0, rate.dq, rate.qmax, rate.max_chunks, rate.units, room[0])
    if want.rate is None:
        assert got == (0,) * 6
    else:
        wanted = want.rate
        fields = (wanted.q0, wanted.dq, wanted.qmax, wanted.max_chunks, units)
        assert got == (*fields, want.packet_bytes(units))
        assert library.lib.dk_sender_policy(request, rate, library.ffi.NULL) == want.bitrate


def test_policy_refuses_what_is_out_of_range(library: SenderLibrary) -> None:
    ffi = library.ffi
    rate = ffi.new("dk_sender_rate *")
    for fields in ([510_001, 10, 100, 8, 0], [48000, 101, 100, 8, 0], [48000, 10, 105, 8, 0],
                   [48000, 10, 100, 0, 0], [48000, 10, 100, 49, 0]):  # fmt: skip
        request = ffi.new("dk_sender_policy_request *", fields)
        assert library.lib.dk_sender_policy(request, rate, ffi.NULL) == ARGUMENT
    assert library.lib.dk_sender_policy(ffi.NULL, rate, ffi.NULL) == ARGUMENT
    assert library.lib.dk_sender_policy(request, ffi.NULL, ffi.NULL) == ARGUMENT


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.integers(0, 1000), level=st.integers(100, 300))
def test_voice_activity(library: SenderLibrary, seed: int, size: int, level: int) -> None:
    rng = np.random.default_rng(seed)
    pcm = np.clip(rng.normal(0, level, size), -32768, 32767).astype(np.int16)
    memory = library.ffi.new("int16_t[]", pcm.tolist())
    assert library.lib.dk_voice_activity(memory, size) == is_voice(pcm)


def test_voice_activity_at_its_limits(library: SenderLibrary) -> None:
    full = library.ffi.new("int16_t[]", [-32768] * 5760)
    assert library.lib.dk_voice_activity(full, 5760)
    for last, voice in ((200, False), (201, True)):
        pcm = np.array([200] * 319 + [last], np.int16)
        assert is_voice(pcm) == voice
        memory = library.ffi.new("int16_t[]", pcm.tolist())
        assert library.lib.dk_voice_activity(memory, 320) == voice
    assert not library.lib.dk_voice_activity(library.ffi.NULL, 0)

# SPDX-License-Identifier: BSD-3-Clause
"""dredkit/receiver.h equals its definition for any sequence of calls, at both output rates."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver import ReceiverConfig, State
from quantize.codec.receiver_clock import ReceiverClock
from quantize.codec.receiver_model import DecoderModel
from quantize.errors import InputError, PayloadError
from quantize.vocoder.voices import VoiceModel
from tests.support.decoder_library import TRAPS
from tests.support.decoder_models import random_networks, random_payload
from tests.support.dred_native import WARNINGS
from tests.support.lpcnet_models import random_voice
from toolkit.call.library import NativeReceiver, ReceiverLibrary, build_receiver
from toolkit.stages.receiver import DecoderStage
from toolkit.targets.sources import LIBRARY

# Rate, voice and batch of a library.
KINDS: dict[str, tuple[int, VoiceModel, int]] = {
    "16k": (16000, "pulse", 1),
    "48k": (48000, "pulse", 4),
    "lpcnet": (48000, random_voice(3), 1),
}
CONFIGS = (
    None,
    ReceiverConfig(0, 1, 26),
    ReceiverConfig(60, 40, 1),
    ReceiverConfig(10, 25, 0),
)


@pytest.fixture(scope="module")
def models() -> dict[str, DecoderModel]:
    return {name: DecoderModel(random_networks(), voice) for name, (_, voice, _) in KINDS.items()}


@pytest.fixture(scope="module")
def libraries(
    models: dict[str, DecoderModel], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ReceiverLibrary]:
    flags = [*WARNINGS, *TRAPS]
    return {
        name: ReceiverLibrary(
            build_receiver(models[name], tmp_path_factory.mktemp(name), flags, rate, batch)
        )
        for name, (rate, _, batch) in KINDS.items()
    }


def taken(receiver: NativeReceiver | ReceiverClock, time: int, data: bytes) -> int:
    """Return what taking a payload gives: the number of chunks, or the negative error."""
    try:
        return receiver.payload(time, data)
    except PayloadError as error:
        return error.status


def play_both(
    native: NativeReceiver, clock: ReceiverClock, rng: np.random.Generator, steps: int
) -> set[State]:
    """Make random calls to both and compare; return the states that occurred."""
    slot = clock.receiver.samples
    scale = slot // 160
    payloads = [random_payload(seed, chunks=int(rng.integers(0, 27))) for seed in range(4)]
    payloads += [random_payload(9, chunks=8, offset=-40), b"", b"\x07", bytes(rng.bytes(60))]
    seen = set()
    for _ in range(steps):
        call = rng.choice(
            ["good", "lost", "concealed", "payload", "work", "expect", "expect_at", "time"],
            p=[0.29, 0.17, 0.1, 0.24, 0.1, 0.03, 0.05, 0.02],
        )
        count = int(rng.choice([1, 1, 2, 2, 3, 12], p=[0.3, 0.2, 0.2, 0.2, 0.08, 0.02]))
        if call == "good":
            pcm = rng.integers(-32768, 32768, count * slot)
            recovered = bool(rng.integers(2))
            got, want = (x.good(pcm, recovered=recovered) for x in (native, clock))
            assert got.tolist() == want.tolist()
        elif call == "lost":
            assert native.lost(count * slot).tolist() == clock.lost(count * slot).tolist()
        elif call == "concealed":
            pcm = rng.integers(-32768, 32768, count * slot)
            assert native.concealed(pcm).tolist() == clock.concealed(pcm).tolist()
        elif call == "work":
            budget = int(rng.integers(0, 9))
            assert native.work(budget) == clock.receiver.work(budget)
        elif call == "expect":
            native.expect_loss()
            clock.expect_loss()
        elif call == "expect_at":
            ahead = scale * int(rng.choice([-640, 0, 80, 160, 320, 640, 1120, 1600, 1 << 29]))
            time = (clock.time + ahead) % (1 << 32)
            native.expect_loss_at(time)
            clock.expect_loss_at(time)
        elif call == "time":
            moved = scale * int(rng.choice([0, 80, 100, -800, 3200, 17280, 1 << 28, -(1 << 29)]))
            time = (clock.time + moved) % (1 << 32)
            native.set_time(time)
            clock.set_time(time)
        else:
            ahead = scale * int(rng.choice([-640, 0, 320, 640, 960, 1500, 8000, 17000, 1 << 29]))
            time = (clock.time + ahead + int(rng.integers(0, 3))) % (1 << 32)
            data = payloads[int(rng.integers(len(payloads)))]
            assert taken(native, time, data) == taken(clock, time, data)
        assert native.time == clock.time
        assert native.speaking == clock.receiver.speaking
        assert native.state == clock.receiver.state
        seen.add(native.state)
    return seen


def test_a_rate_that_no_receiver_plays_is_refused(models: dict[str, DecoderModel]) -> None:
    with pytest.raises(InputError, match="--output-rate 44100: a receiver plays 16000 or 48000"):
        DecoderStage(models["16k"], output_rate=44100)


@pytest.mark.parametrize(
    ("kind", "config", "steps"),
    [
        ("16k", 0, 400),
        ("16k", 1, 200),
        ("16k", 2, 200),
        ("48k", 0, 200),
        ("48k", 3, 100),
        ("lpcnet", 0, 12),
    ],
)
def test_any_calls_give_the_same_audio(
    kind: str,
    config: int,
    steps: int,
    libraries: dict[str, ReceiverLibrary],
    models: dict[str, DecoderModel],
) -> None:
    rng = np.random.default_rng(config + steps)
    rate = KINDS[kind][0]
    native = libraries[kind].start(CONFIGS[config])
    clock = ReceiverClock(models[kind].receiver(CONFIGS[config], rate))
    seen = play_both(native, clock, rng, steps)
    if steps == 400:
        assert seen == set(State)


@pytest.mark.parametrize("kind", ["16k", "48k"])
def test_the_base_codecs_concealment_gives_the_same_audio(
    kind: str, libraries: dict[str, ReceiverLibrary], models: dict[str, DecoderModel]
) -> None:
    rng = np.random.default_rng(5)
    rate = KINDS[kind][0]
    native = libraries[kind].start()
    clock = ReceiverClock(models[kind].receiver(None, rate))
    seen = []
    for slots in (2, -2, 2, -12, -2, 1, -3, -12, 4):  # of good audio, and of gaps
        pcm = rng.integers(-32768, 32768, abs(slots) * rate // 100)
        got, want = (x.good(pcm) if slots > 0 else x.concealed(pcm) for x in (native, clock))
        assert got.tolist() == want.tolist()
        assert native.time == clock.time
        seen.append(native.state)
    bridge, voice = State.CONCEALED, State.PLC
    assert seen == [0, bridge, 0, bridge, voice, State.FADE, voice, voice, 0]


@pytest.mark.parametrize("compiler", ["gcc -std=c11", "g++ -std=c++11"])
def test_the_header_stands_alone(compiler: str, tmp_path: Path) -> None:
    """Strict C and C++ take it with the other public headers alone."""
    (tmp_path / "dredkit").mkdir()
    lines = "#define DK_OUTPUT_RATE 48000\n#define DK_RECEIVER_BYTES 16384\n"
    (tmp_path / "dredkit" / "config.h").write_text(lines)
    text = '#include "dredkit/receiver.h"\nstatic dk_receiver r;\n'
    text += "int main(void) { return (int)dk_receiver_init(&r, NULL); }\n"
    source = tmp_path / ("main.cc" if "+" in compiler else "main.c")
    source.write_text(text)
    flags = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror -fshort-enums"
    command = [*compiler.split(), *flags.split(), f"-I{LIBRARY / 'include'}", f"-I{tmp_path}"]
    subprocess.run([*command, "-fsyntax-only", str(source)], check=True)


def test_what_cannot_be_done_is_refused_and_changes_nothing(
    libraries: dict[str, ReceiverLibrary],
) -> None:
    library = libraries["16k"]
    ffi, lib = library.ffi, library.lib
    memory = ffi.new("dk_receiver *")  # zeros: not initialised
    pcm = ffi.new("int16_t[]", 13 * 160)
    data = ffi.new("uint8_t[]", random_payload(1))
    calls = (
        lambda receiver: lib.dk_receiver_good(receiver, pcm, 160, pcm),
        lambda receiver: lib.dk_receiver_recovered(receiver, pcm, 160, pcm),
        lambda receiver: lib.dk_receiver_lost(receiver, 160, pcm),
        lambda receiver: lib.dk_receiver_expect_loss(receiver),
        lambda receiver: lib.dk_receiver_expect_loss_at(receiver, 0),
        lambda receiver: lib.dk_receiver_concealed(receiver, pcm, 160, pcm),
        lambda receiver: lib.dk_receiver_work(receiver, 1),
        lambda receiver: lib.dk_receiver_set_time(receiver, 5),
        lambda receiver: lib.dk_receiver_payload(receiver, 0, data, len(data) - 1),
    )
    for receiver in (memory, ffi.NULL):
        assert [call(receiver) for call in calls] == [-1] * len(calls)
        assert lib.dk_receiver_time(receiver) == 0
        assert not lib.dk_receiver_is_speaking(receiver)
    for values in ((5, 15, 4), (70, 15, 4), (20, 0, 4), (20, 41, 4), (20, 15, 27)):
        assert lib.dk_receiver_init(memory, ffi.new("dk_receiver_config *", values)) == -1
    assert lib.dk_receiver_init(ffi.NULL, ffi.NULL) == -1
    assert lib.dk_receiver_init(memory, ffi.NULL) == 0
    default = lib.dk_receiver_config_default()
    assert ReceiverConfig() == ReceiverConfig(
        default.over_ms, default.fade_ms, default.chunks_a_call
    )
    for samples in (0, 80, 161, 13 * 160):
        assert lib.dk_receiver_lost(memory, samples, pcm) == -1
        assert lib.dk_receiver_good(memory, pcm, samples, pcm) == -1
        assert lib.dk_receiver_concealed(memory, pcm, samples, pcm) == -1
    assert lib.dk_receiver_good(memory, ffi.NULL, 160, pcm) == -1
    assert lib.dk_receiver_concealed(memory, ffi.NULL, 160, pcm) == -1
    assert lib.dk_receiver_concealed(memory, pcm, 160, ffi.NULL) == -1
    assert lib.dk_receiver_lost(memory, 160, ffi.NULL) == -1
    assert lib.dk_receiver_payload(memory, 0, ffi.NULL, 9) == -1
    assert lib.dk_receiver_time(memory) == 0
    assert lib.dk_receiver_good(memory, pcm, 160, pcm) == 0
    assert lib.dk_receiver_time(memory) == 160

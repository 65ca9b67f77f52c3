# SPDX-License-Identifier: BSD-3-Clause
"""A foreign C++ application takes a package and nothing else, and gives the host's bytes.

tests/programs/foreign_app has its own linker scripts and start-up, a network of its own with names
that would clash with careless ones of the library, and its own warnings as errors. Sender, receiver
and libopus are in one image. It is copied away from the repository before it is built.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from quantize.codec.receiver_clock import ReceiverClock
from quantize.codec.sender import codec_delay, default_rate, run_encoder
from quantize.packet.extension import extract, strip
from tests.support.examples import opus, programs
from tests.support.packages import models, package, symbols
from toolkit.common.paths import ROOT
from toolkit.measure.examples import CORES, HOST
from toolkit.models.quantise import CLIP
from toolkit.speech.audio import Pcm, read_speech

APP = ROOT / "tests" / "programs" / "foreign_app"
PREFIX = "arm-none-eabi-"
SECONDS = 2
SAMPLES = 320
LOOKAHEAD = 104  # of the base codec's encoder at 16 kHz
LOST = frozenset({*range(40, 60), 75, 80, 81})
PATIENCE_S = 1200  # until a program counts as dead, on a machine with much else to do
# How the application is compiled for each core.
OPTIONS = {
    "cortex-m4": "-mfloat-abi=hard -mfpu=fpv4-sp-d16 -Os -flto -fshort-enums",
    # The C library has short enums, which the linker would tell of.
    "cortex-m33": "-mfloat-abi=soft -Os -fno-short-enums -Wl,--no-enum-size-warning",
    "cortex-m55": "-mfloat-abi=hard -Os",
}
BOARDS = {core: board for board, core in CORES.items() if core in OPTIONS}


@dataclass(frozen=True)
class Ran:
    """What the application wrote: packets as sent and whether each is speech, and samples."""

    packets: tuple[bytes, ...]
    speech: tuple[bool, ...]
    base: bytes
    played: bytes


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return read_speech(CLIP)[: 16000 * SECONDS]


@pytest.fixture(scope="module")
def on_host(speech: Pcm, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return what the application gives on this machine."""
    app = build(tmp_path_factory.mktemp("host"), HOST, "-O1")
    assert foreign_names(app, "") == set()
    return run(app, [str(app)], speech)


def build(folder: Path, board: str, options: str, *more: str) -> Path:
    """Build the application in a folder that holds all it needs; return the program.

    Without the source of libopus, it has a stand-in.
    """
    core = CORES.get(board, "portable")
    shutil.copytree(APP, folder / "app")
    shutil.copytree(package(core), folder / "dredkit")
    configure = ["cmake", "-S", folder / "app", "-B", folder / "build", "-G", "Ninja"]
    configure += [f"-DCMAKE_{language}_FLAGS={options}" for language in ("C", "CXX")]
    source = opus()
    if isinstance(source, Path):
        shutil.copytree(source / "include", folder / "opus" / "include")
        shutil.copy(programs(board) / "opus" / "libopus.a", folder / "opus")
        configure.append(f"-DOPUS={folder / 'opus'}")
    for command in (
        [*configure, f"-DPACKAGE={folder / 'dredkit'}", *more],
        ["cmake", "--build", folder / "build"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    command = ["ninja", "-C", folder / "build", "-t", "deps"]
    used = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert str(folder / "dredkit" / "include") in used
    assert str(ROOT) not in used
    return folder / "build" / "app"


def run(app: Path, command: list[str], speech: Pcm) -> Ran:
    """Run the application beside its program; return what it wrote."""
    folder = app.parent
    (folder / "speech.raw").write_bytes(speech.astype("<i2").tobytes())
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0
    data, packets, speaks = (folder / "packets.bin").read_bytes(), [], []
    while data:
        size = int.from_bytes(data[:2], "little")
        speaks.append(bool(data[2]))
        packets.append(data[3 : 3 + size])
        data = data[3 + size :]
    samples = [(folder / name).read_bytes() for name in ("base.raw", "played.raw")]
    return Ran(tuple(packets), tuple(speaks), *samples)


def foreign_names(app: Path, prefix: str) -> set[str]:
    """Return the global names without dk_ of the library that an application was linked with."""
    defined, _ = symbols(app.parent / "dredkit" / "libdredkit.a", prefix)
    assert defined
    return {name for name in defined if not name.startswith("dk_")}


def test_the_base_codec_is_libopus(on_host: Ran) -> None:
    source = opus()
    if isinstance(source, str):
        pytest.skip(f"a stand-in is the base codec: {source}")
    plain = {strip(packet) for packet in on_host.packets}
    assert len(plain) == len(on_host.packets)


def test_the_hosts_packets_hold_the_references_payloads(on_host: Ran, speech: Pcm) -> None:
    count = 50 * SECONDS
    assert len(on_host.packets) == count
    assert set(on_host.speech) == {False, True}
    rates = [default_rate()] * count
    delay = codec_delay(LOOKAHEAD, 16000)
    made = run_encoder(models()[0], speech, rates, list(on_host.speech), delay=delay)
    found = [extract(packet) for packet in on_host.packets]
    assert [each.payload if each else b"" for each in found] == made.payloads
    assert {each is None for each in found} == {False, True}


def test_the_host_plays_what_the_reference_plays(on_host: Ran, speech: Pcm) -> None:
    base = iter(np.frombuffer(on_host.base, "<i2").astype(np.int64).reshape(-1, SAMPLES))
    clock = ReceiverClock(models()[1].receiver(None))
    parts = []
    for number, packet in enumerate(on_host.packets):
        if number in LOST:
            continue
        found = extract(packet)
        if found and (clock.speaking or len(parts) != number):
            clock.payload(number * SAMPLES, found.payload)
        while clock.work(1) > 0:
            pass
        while len(parts) < number:
            parts.append(clock.lost(SAMPLES))
        parts.append(clock.good(next(base)))
    played = np.frombuffer(on_host.played, "<i2")
    assert len(played) == len(speech)
    assert played.tolist() == np.concatenate(parts).tolist()
    gap = slice(42 * SAMPLES, 60 * SAMPLES)  # it speaks
    assert np.std(played[gap].astype(float)) > 0.2 * np.std(speech[gap].astype(float))


@pytest.mark.timeout(2 * PATIENCE_S)  # it compiles a whole program
@pytest.mark.parametrize("core", OPTIONS)
def test_a_board_gives_the_hosts_bytes_and_samples(
    core: str, on_host: Ran, speech: Pcm, tmp_path: Path
) -> None:
    for tool in (f"{PREFIX}g++", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    options = OPTIONS[core]
    app = build(
        tmp_path,
        BOARDS[core],
        f"-mthumb -mcpu={core} {options}",
        "-DCMAKE_SYSTEM_NAME=Generic",
        "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
        f"-DCMAKE_C_COMPILER={PREFIX}gcc",
        f"-DCMAKE_CXX_COMPILER={PREFIX}g++",
        f"-DCMAKE_AR={shutil.which(f'{PREFIX}gcc-ar')}",
        f"-DCMAKE_RANLIB={shutil.which(f'{PREFIX}gcc-ranlib')}",
        f"-DSCRIPT={tmp_path / 'app' / 'boards' / core}.ld",
    )
    emulator = ["qemu-system-arm", "-M", BOARDS[core], "-nographic", "-monitor", "none"]
    semihosting = ["-serial", "none", "-semihosting-config", "enable=on,target=native"]
    assert run(app, [*emulator, *semihosting, "-kernel", str(app)], speech) == on_host
    assert foreign_names(app, PREFIX) == set()
    # The application's own names are in the same program as the library's.
    held = symbols(app, PREFIX)[0]
    assert {"gru_1", "gru_1_state", "tables"} <= held or "-flto" in options
    assert "opus_encode" in held or isinstance(opus(), str)

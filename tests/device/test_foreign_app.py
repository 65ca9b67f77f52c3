# SPDX-License-Identifier: BSD-3-Clause
"""A foreign C++ application takes a package and nothing else, and gives the host's bytes.

tests/programs/foreign_app has its own linker scripts and start-up, names that would clash with
careless ones of the library, and its own warnings as errors. Sender and receiver are in one image.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from quantize.codec.sender import default_rate, run_encoder
from quantize.packet.extension import extract
from tests.support.packages import models, package, symbols
from toolkit.models.quantise import CLIP
from toolkit.speech.audio import Pcm, read_speech

APP = Path(__file__).resolve().parents[1] / "programs" / "foreign_app"
PREFIX = "arm-none-eabi-"
SECONDS = 2
MAIN_BYTES = 21  # of the application's packets, before redundancy
PATIENCE_S = 300  # until a program counts as dead
# QEMU's machine, and how the application is compiled.
BOARDS = {
    "cortex-m4": ("mps2-an386", "-mfloat-abi=hard -mfpu=fpv4-sp-d16 -Os -flto -fshort-enums"),
    "cortex-m33": (
        "mps2-an505",
        # The C library has short enums, which the linker would tell of.
        "-mfloat-abi=soft -Os -fno-short-enums -Wl,--no-enum-size-warning",
    ),
    "cortex-m55": ("mps3-an547", "-mfloat-abi=hard -Os"),
}


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return read_speech(CLIP)[: 16000 * SECONDS]


@pytest.fixture(scope="module")
def on_host(speech: Pcm, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return the packets and the samples of the application on this machine."""
    folder = tmp_path_factory.mktemp("host")
    app = build(folder, "portable", "-O1")
    assert foreign_names(app, "") == set()
    return played(folder, [str(app)], speech.tobytes())


def build(folder: Path, core: str, options: str, *more: str) -> Path:
    """Build the application with a package, and return the program."""
    flags = [f"-DCMAKE_{language}_FLAGS={options}" for language in ("C", "CXX")]
    configure = ["cmake", "-S", APP, "-B", folder / "build", "-G", "Ninja"]
    for command in (
        [*configure, f"-DPACKAGE={package(core)}", *flags, *more],
        ["cmake", "--build", folder / "build"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "app"


def played(folder: Path, command: list[str], speech: bytes) -> tuple[bytes, bytes]:
    """Run the application in a folder; return its packets and what it played."""
    (folder / "speech.raw").write_bytes(speech)
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0
    return (folder / "packets.bin").read_bytes(), (folder / "played.raw").read_bytes()


def foreign_names(app: Path, prefix: str) -> set[str]:
    """Return the global names without dk_ of the library that an application was linked with."""
    defined, _ = symbols(app.parent / "dredkit" / "libdredkit.a", prefix)
    assert defined
    return {name for name in defined if not name.startswith("dk_")}


def split(packets: bytes) -> list[bytes]:
    found = []
    while packets:
        size = int.from_bytes(packets[:2], "little")
        found.append(packets[2 : 2 + size])
        packets = packets[2 + size :]
    return found


def test_the_hosts_packets_hold_the_references_payloads(
    on_host: tuple[bytes, bytes], speech: Pcm
) -> None:
    packets = split(on_host[0])
    sender = models()[0]
    count = len(packets)
    assert count == 50 * SECONDS
    run = run_encoder(sender, speech, [default_rate()] * count, [True] * count)
    found = [extract(packet) for packet in packets]
    assert [each.payload if each else b"" for each in found] == run.payloads
    assert {len(packet) > MAIN_BYTES for packet in packets} == {False, True}


def test_what_arrives_is_played_and_what_is_lost_is_spoken(
    on_host: tuple[bytes, bytes], speech: Pcm
) -> None:
    out = np.frombuffer(on_host[1], "<i2")
    assert len(out) == len(speech)
    assert (out[: 40 * 320] == speech[: 40 * 320]).all()
    gap = slice(42 * 320, 60 * 320)
    assert not (out[gap] == speech[gap]).any() or (out[gap] != speech[gap]).mean() > 0.9
    assert np.std(out[gap].astype(float)) > 0.2 * np.std(speech[gap].astype(float))
    assert (out[64 * 320 : 75 * 320] == speech[64 * 320 : 75 * 320]).all()


@pytest.mark.parametrize("core", BOARDS)
def test_a_board_gives_the_hosts_bytes_and_samples(
    core: str,
    on_host: tuple[bytes, bytes],
    speech: Pcm,
    tmp_path: Path,
) -> None:
    machine, options = BOARDS[core]
    for tool in (f"{PREFIX}g++", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    app = build(
        tmp_path,
        core,
        f"-mthumb -mcpu={core} {options}",
        "-DCMAKE_SYSTEM_NAME=Generic",
        "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
        f"-DCMAKE_C_COMPILER={PREFIX}gcc",
        f"-DCMAKE_CXX_COMPILER={PREFIX}g++",
        f"-DCMAKE_AR={shutil.which(f'{PREFIX}gcc-ar')}",
        f"-DCMAKE_RANLIB={shutil.which(f'{PREFIX}gcc-ranlib')}",
        f"-DSCRIPT={APP / core}.ld",
    )
    emulator = ["qemu-system-arm", "-M", machine, "-nographic", "-monitor", "none"]
    semihosting = ["-serial", "none", "-semihosting-config", "enable=on,target=native"]
    assert played(tmp_path, [*emulator, *semihosting, "-kernel", str(app)], speech.tobytes()) == (
        on_host
    )
    assert foreign_names(app, PREFIX) == set()
    # The application's own names are in the same program as the library's.
    assert {"gru_1", "tables"} <= symbols(app, PREFIX)[0] or "-flto" in options

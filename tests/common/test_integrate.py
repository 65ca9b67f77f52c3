# SPDX-License-Identifier: BSD-3-Clause
"""docs/INTEGRATE.md: its C, the files and the include paths that it names make a library."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from scripts.stand_in import stand_in, stand_in_receiver
from toolkit.codegen.generate import GENERATED, generate
from toolkit.stages.stage import stage_of
from toolkit.targets.sources import INCLUDES, LIBRARY, room, voice_files
from toolkit.targets.target import load_target

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "INTEGRATE.md").read_text(encoding="utf-8")
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
BOARD = "netduinoplus2"
ROOMS = ("nn", "dsp", "features", "dred")
SENDING = ("sender_api.c", "sender.c", "voice_activity.c")
SENDER = (*room(*ROOMS), *(LIBRARY / "codec" / name for name in SENDING))
NAMES = ("receiver_api.c", "receiver.c", "pending.c", "track.c", "redundancy.c")
RECEIVER = (
    *room(*ROOMS, "plc"),
    *voice_files("lpcnet"),
    *(LIBRARY / "codec" / name for name in NAMES),
)
CASES: dict[str, tuple[Callable[[], EncoderModel | DecoderModel], tuple[Path, ...], str]] = {
    "sender": (stand_in, SENDER, "on_audio"),
    "receiver": (stand_in_receiver, RECEIVER, "on_lost"),
}


def snippet(name: str) -> str:
    """Return the block of C that has a function of this name."""
    (found,) = (block for block in re.findall(r"```c\n(.*?)```", TEXT, re.DOTALL) if name in block)
    return found


CONFIG = {
    "sender": "#define DK_SENDER_BYTES 65536\n",
    "receiver": "#define DK_OUTPUT_RATE 16000\n#define DK_RECEIVER_BYTES 65536\n",
}


def generated(side: str, target: str, folder: Path) -> Path:
    model = CASES[side][0]()
    generate(stage_of(model), load_target(target), folder)
    config = folder / GENERATED / "dredkit" / "config.h"
    config.parent.mkdir()
    config.write_text(CONFIG[side])
    return folder / GENERATED


def includes(folder: Path) -> list[str]:
    return [f"-I{path}" for path in (*INCLUDES, folder)]


@pytest.mark.parametrize("side", CASES)
def test_the_calls_and_the_named_files_link(side: str, tmp_path: Path) -> None:
    _, files, function = CASES[side]
    folder = generated(side, "host", tmp_path)
    program, library = tmp_path / "program.c", tmp_path / "program.so"
    program.write_text(snippet(function))
    sources = [program, *files, *sorted(folder.glob("*.c"))]
    command = ["gcc", *WARNINGS, *includes(folder), *map(str, sources)]
    subprocess.run(
        [*command, "-shared", "-fPIC", "-Wl,--no-undefined", "-o", str(library)], check=True
    )
    listed = subprocess.run(
        ["nm", "--defined-only", "--extern-only", str(library)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    names = {line.split()[2] for line in listed.splitlines()}
    own = set(re.findall(r"^\w+ \*?(\w+)\(", snippet(function), re.MULTILINE))
    assert function in own
    assert {name for name in names - own if not name.startswith(("dk_", "_"))} == set()


@pytest.mark.parametrize("cpu", ["", "cortex-m0plus", "cortex-m4"])
def test_the_calls_for_packets_need_only_their_room(cpu: str, tmp_path: Path) -> None:
    compiler = ["arm-none-eabi-gcc", "-mthumb", f"-mcpu={cpu}"] if cpu else ["gcc"]
    if shutil.which(compiler[0]) is None:
        pytest.skip("no compiler for 32-bit Arm")
    program, linked = tmp_path / "program.c", tmp_path / "program.o"
    program.write_text(snippet("complete_packet"))
    sources = map(str, [program, *room("packet")])
    command = [*compiler, *WARNINGS, f"-I{LIBRARY}", f"-I{LIBRARY / 'include'}", "-nostdlib"]
    subprocess.run([*command, "-r", "-o", str(linked), *sources], check=True)
    listed = subprocess.run(
        [compiler[0].removesuffix("gcc") + "nm", "--format=posix", "-u", str(linked)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    needed = {line.split()[0] for line in listed.splitlines() if line}
    needed = {name for name in needed if not name.startswith(("__aeabi_", "_GLOBAL_OFFSET"))}
    assert {"memmove", "memcmp"} <= needed <= {"memcpy", "memmove", "memset", "memcmp"}


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no compiler for 32-bit Arm")
@pytest.mark.parametrize("side", CASES)
def test_the_calls_compile_for_a_board(side: str, tmp_path: Path) -> None:
    _, _, function = CASES[side]
    folder = generated(side, BOARD, tmp_path)
    toolchain = load_target(BOARD).toolchain
    program = tmp_path / "program.c"
    program.write_text(snippet(function))
    subprocess.run(
        [f"{toolchain.prefix}gcc", *toolchain.cpu_flags, *WARNINGS, *includes(folder),
         "-fsyntax-only", str(program)],
        check=True,
    )  # fmt: skip


def test_these_are_all_blocks_of_c() -> None:
    compiled = {snippet(name) for name in ("on_audio", "on_lost", "complete_packet")}
    assert {*re.findall(r"```c\n(.*?)```", TEXT, re.DOTALL)} == compiled


def test_the_include_paths_are_those_of_the_build() -> None:
    for path in INCLUDES:
        assert f"`{path.relative_to(ROOT)}`" in TEXT

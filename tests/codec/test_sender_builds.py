# SPDX-License-Identifier: BSD-3-Clause
"""dredkit/sender.h and the sender compile for every core, compiler, language and common option."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.stand_in import stand_in, stand_in_config
from tests.support.sender_library import API_FILES
from toolkit.codegen.generate import GENERATED, generate
from toolkit.stages.stage import EncoderStage
from toolkit.targets.sources import INCLUDES, LIBRARY, PORTABLE_FLAG, room
from toolkit.targets.target import load_target

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror")
# What compilers call by themselves: functions of the C library, and of the compiler's own.
CALLED = ("memcpy", "memset", "memmove", "memcmp")
RUNTIME = ("__aeabi_", "__gnu_thumb1_", "__clz")
OPTIONS = (("-O2",), ("-Os", "-fshort-enums", "-flto"))

USER = """\
#include "dredkit/sender.h"

dk_sender sender;
int main(void)
{
    static const int16_t pcm[480] = {0};
    static uint8_t payload[64];
    dk_sender_config config = dk_sender_config_default();
    config.codec_delay = dk_sender_codec_delay(312, 48000);
    dk_sender_rate rate = dk_sender_rate_default();
    dk_sender_policy_request request = {48000, 20, 100, 12, false};
    uint16_t most = 64;
    if (dk_sender_init(&sender, &config) != DK_OK) {
        return 1;
    }
    if (dk_sender_policy(&request, &rate, &most) > 0) {
        rate.units = 0;
    }
    if (dk_sender_hear(&sender, pcm, 480, dk_voice_activity(pcm, 480)) != DK_OK) {
        return 2;
    }
    return dk_sender_payload(&sender, &rate, payload, sizeof payload) == 0 ? 0 : 3;
}
"""


@dataclass(frozen=True)
class Core:
    """A core, the prefix of its GNU tools, and what both compilers must know."""

    name: str
    prefix: str
    flags: tuple[str, ...]


CORES = (
    Core("m0plus", "arm-none-eabi-", ("-mthumb", "-mcpu=cortex-m0plus")),
    Core("m4", "arm-none-eabi-", ("-mthumb", "-mcpu=cortex-m4")),
    Core("m33", "arm-none-eabi-", ("-mthumb", "-mcpu=cortex-m33")),
    Core("m7", "arm-none-eabi-", ("-mthumb", "-mcpu=cortex-m7")),
    Core("m55", "arm-none-eabi-", ("-mthumb", "-mcpu=cortex-m55", "-mfloat-abi=hard")),
    Core(
        "a7",
        "arm-none-eabi-",
        ("-mthumb", "-mcpu=cortex-a7", "-mfpu=neon-vfpv4", "-mfloat-abi=hard"),
    ),
    Core("a53", "aarch64-linux-gnu-", ("-mcpu=cortex-a53",)),
    Core("x86", "", ()),
)
IDS = [core.name for core in CORES]


@pytest.fixture(scope="module")
def includes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the include path of a generated sender, whose C is the same for every core."""
    folder = tmp_path_factory.mktemp("sender")
    generate(EncoderStage(stand_in()), load_target("host"), folder)
    paths = (*INCLUDES, folder / GENERATED, stand_in_config(folder))
    return [f"-I{path}" for path in paths]


def together(commands: Iterable[Sequence[str]]) -> None:
    """Run commands, as many at once as there are processors; none may fail."""
    jobs: list[subprocess.Popen[bytes]] = []
    for command in commands:
        jobs.append(subprocess.Popen(command))
        if len(jobs) % (os.cpu_count() or 1) == 0:
            jobs[-1].wait()
    assert [job.args for job in jobs if job.wait()] == []


def compilers(core: Core, plus: bool) -> list[list[str]]:
    """Return the commands of gcc and clang for a core, of those that are installed."""
    gcc, clang = f"{core.prefix}{'g++' if plus else 'gcc'}", "clang++" if plus else "clang"
    found = [[gcc, *core.flags]] if shutil.which(gcc) else []
    if shutil.which(clang):
        command = [clang, *core.flags]
        if core.prefix:
            command.append(f"--target={core.prefix.rstrip('-')}")
        if core.prefix and shutil.which(f"{core.prefix}gcc"):
            command += ["-isystem", c_library(core.prefix)]
        found.append(command)
    if not found:
        pytest.skip(f"neither {gcc} nor {clang} is installed")
    return found


def c_library(prefix: str) -> str:
    """Return the folder of the C library's headers that the GNU compiler uses."""
    asked = [f"{prefix}gcc", "-print-file-name=libc.a"]
    made = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return str(Path(made).resolve().parent.parent / "include")


@pytest.mark.parametrize("core", CORES, ids=IDS)
def test_the_sender_compiles(core: Core, includes: list[str], tmp_path: Path) -> None:
    files = [*API_FILES, LIBRARY / "dred" / "history.c", LIBRARY / "dred" / "policy.c"]
    commands = []
    for number, (compiler, options, file) in enumerate(
        itertools.product(compilers(core, plus=False), OPTIONS, files)
    ):
        # Tables for the host are packed for portable C.
        flags = [*options, "-std=c11", *STRICT, PORTABLE_FLAG, *includes]
        made = tmp_path / f"{number}.o"
        commands.append([*compiler, *flags, "-c", str(file), "-o", str(made)])
    together(commands)


@pytest.mark.parametrize("core", CORES, ids=IDS)
@pytest.mark.parametrize("language", ["c11", "c17", "c++11", "c++17"])
def test_a_program_compiles(core: Core, language: str, includes: list[str], tmp_path: Path) -> None:
    """A user's own program sees one include path, the public one, and the generated config.h."""
    plus = language.startswith("c++")
    source = tmp_path / ("user.cc" if plus else "user.c")
    source.write_text(USER)
    public = [f"-I{INCLUDES[-1]}", includes[-1]]
    flags = [f"-std={language}", *STRICT, *public, "-c", str(source), "-o"]
    together(
        [*compiler, *options, *flags, str(tmp_path / f"user{number}.o")]
        for number, (compiler, options) in enumerate(
            itertools.product(compilers(core, plus), OPTIONS)
        )
    )


def test_the_sender_needs_four_functions_and_leaves_its_own_names(
    includes: list[str], tmp_path: Path
) -> None:
    core = CORES[0]
    gcc = f"{core.prefix}gcc"
    if shutil.which(gcc) is None:
        pytest.skip(f"{gcc} is not installed")
    generated = Path(includes[2].removeprefix("-I"))
    sources = [*room("nn", "dsp", "features", "dred"), *API_FILES, *generated.glob("*.c")]
    objects = [str(tmp_path / f"{number}.o") for number in range(len(sources))]
    flags = [*core.flags, "-O1", "-std=c11", PORTABLE_FLAG, *includes, "-c"]
    together(
        [gcc, *flags, str(source), "-o", made]
        for source, made in zip(sources, objects, strict=True)
    )
    whole = tmp_path / "sender.o"
    subprocess.run([f"{core.prefix}ld", "-r", *objects, "-o", str(whole)], check=True)
    nm = f"{core.prefix}nm"
    undefined = names([nm, "-u", str(whole)])
    assert {n for n in undefined if n not in CALLED and not n.startswith(RUNTIME)} == set()
    defined = names([nm, "-g", "--defined-only", str(whole)])
    assert {"dk_sender_init", "dk_sender_hear", "dk_sender_payload"} <= defined
    assert {n for n in defined if not n.startswith("dk_")} == set()


def names(command: Sequence[str]) -> set[str]:
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in listed.splitlines() if line.split()}


def test_memory_that_is_too_small_does_not_compile(includes: list[str], tmp_path: Path) -> None:
    small = tmp_path / "dredkit"
    small.mkdir()
    (small / "config.h").write_text("#define DK_SENDER_BYTES 8000\n")
    command = ["gcc", "-std=c11", PORTABLE_FLAG, f"-I{tmp_path}", *includes, "-fsyntax-only"]
    done = subprocess.run(
        [*command, str(LIBRARY / "codec" / "sender_api.c")], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "DK_SENDER_BYTES is too small" in done.stderr

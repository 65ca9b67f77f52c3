# SPDX-License-Identifier: BSD-3-Clause
"""C for a user's firmware: names that do not clash, headers that C++ can include.

Every image is built with -Wpedantic -Werror (CMakeLists.txt), so a build also shows that no source
is an empty translation unit for the ISA.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.stand_in import stand_in_config
from tests.support.stand_ins import NAMES, stand_in_stage
from toolkit.codegen.generate import GENERATED, generate
from toolkit.device.build.build import build_firmware, build_host_library, build_host_server
from toolkit.targets.sources import LIBRARY, SERVER, SERVER_INCLUDES
from toolkit.targets.target import Target, load_target, target_names

# Functions that compilers call by name, and the entry that a hosted program must have.
FREESTANDING = {"memcpy", "memmove", "memset", "memcmp", "main"}
# Parts of kernels, for authors of kernels.
INTERNAL = (
    "nn/simd32/",
    "nn/mve/",
    "nn/neon/",
    "nn/dotprod/",
    "nn/scratch.h",
    "dsp/fft_lanes.h",
)
VOICES = {
    "encoder": (),
    **{f"decoder-{voice}": (voice,) for voice in ("lpcnet", "fargan", "pulse")},
}


@dataclass(frozen=True)
class Built:
    """A stage built for a target; `folder` holds its generated C and its objects."""

    target: Target
    stage: str
    folder: Path

    def tool(self, name: str) -> str:
        return f"{self.target.toolchain.prefix}{name}"

    def objects(self) -> list[Path]:
        """Return the objects of the firmware, or of the host's library and server.

        The objects of CMake's own trials are left out.
        """
        made = (self.folder / "cmake" / "CMakeFiles").glob("*.dir/**/*")
        return sorted(path for path in made if path.suffix in (".o", ".obj"))


# Every network kernel and all kernels of LPCNet on every board. The other voices have no file for
# one ISA alone, so one board is enough for each.
# A process under Linux on Arm is made of what the board with the same core is made of.
TARGETS = [load_target(name) for name in target_names()]
# What the set-up can run. Other boards are built by tests/device/test_catalogue.py.
BOARDS = [
    target.name
    for target in TARGETS
    if target.is_host or (target.emulator is not None and not target.emulator.since)
]
BUILDS = [(name, stage) for name in BOARDS for stage in ("encoder", "decoder-lpcnet")]
BUILDS += [("netduinoplus2", "decoder-pulse"), ("mps3-an547", "decoder-fargan")]


@pytest.fixture(scope="module", params=BUILDS, ids="-".join)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build a stage without trained weights for a board."""
    name, stage = request.param
    target = load_target(name)
    compiler = f"{target.toolchain.prefix}gcc"
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    # The stages of a target share a folder, so that kernels are compiled once.
    folder = tmp_path_factory.getbasetemp() / f"c-sources-{target.name}"
    folder.mkdir(exist_ok=True)
    generate(stand_in_stage(stage), target, folder)
    if target.is_board:
        build_firmware(target, folder / GENERATED, folder)
    else:
        build_host_library(folder / GENERATED, folder)
        build_host_server(folder / GENERATED, folder)
    return Built(target, stage, folder)


def test_every_global_name_is_ours(built: Built) -> None:
    listed = subprocess.run(
        [built.tool("nm"), "-g", "--defined-only", "--format=posix", *map(str, built.objects())],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.split()[0] for line in listed.splitlines() if len(line.split()) > 1}
    assert "dk_app_engine" in names
    assert {name for name in names if not name.startswith("dk_")} <= FREESTANDING


def public_headers(built: Built) -> list[str]:
    """Return all headers that C++ may include, as #include names them."""
    roots = (LIBRARY, SERVER)
    own = sorted(path.relative_to(root) for root in roots for path in root.rglob("*.h"))
    names = [name.as_posix() for name in own]
    voices = VOICES[built.stage]
    receiver = tuple(f"codec/{name}" for name in ("receiver", "pending", "track", "redundancy"))
    receiver += ("plc/concealment",)
    lacking = {
        *(receiver if not voices else ("codec/sender",)),
        *(f"vocoder/{voice}" for voice in ("lpcnet", "fargan") if voice not in voices),
    }
    found = [
        name.removeprefix("include/")
        for name in names
        if not name.startswith((*INTERNAL, *lacking))
    ]
    return found + sorted(path.name for path in (built.folder / GENERATED).glob("*.h"))


_RECEIVER = "static dk_receiver_core d; dk_receiver_core_config c = {20, 15}; "
_RECEIVER += "dk_receiver_core_init(&d, &c);"
CALLS = {
    "encoder": ("codec/sender.h", "static dk_sender_core e; dk_sender_core_init(&e, 64);"),
    "decoder-lpcnet": ("codec/receiver.h", _RECEIVER),
    "decoder-fargan": ("codec/receiver.h", _RECEIVER),
    "decoder-pulse": ("codec/receiver.h", _RECEIVER),
}


def cpp_command(built: Built) -> list[str]:
    """Return the command of a C++ compiler for the target, with the includes of its build."""
    target = built.target
    include = [*SERVER_INCLUDES, built.folder / GENERATED, built.folder / "board"]
    include.append(stand_in_config(built.folder))
    flags = [*target.toolchain.cpu_flags, "-std=c++11", "-Wall", "-Wextra", "-Werror"]
    flags += [f"-I{path}" for path in include]
    compiler = shutil.which(built.tool("g++"))
    if compiler is None:
        compiler = shutil.which("clang++")
        if compiler is None:
            pytest.skip(f"neither {built.tool('g++')} nor clang++ is installed")
        libc = subprocess.run(
            [built.tool("gcc"), "-print-file-name=libc.a"], capture_output=True, text=True
        ).stdout.strip()
        triple = target.toolchain.prefix.rstrip("-")
        headers = Path(libc).resolve().parent.parent / "include"
        flags += [f"--target={triple}", "-isystem", str(headers), "-nostdinc++"]
    return [compiler, *flags]


@pytest.mark.parametrize("wrapped", [False, True])
def test_cpp_takes_every_header_and_calls_c(built: Built, wrapped: bool, tmp_path: Path) -> None:
    """C++ takes every header alone, and a stage's header inside a user's own extern "C"."""
    command = cpp_command(built)
    header, body = CALLS[built.stage]
    headers = [header] if wrapped else public_headers(built)
    jobs = []
    for number, name in enumerate(headers):
        include = f'#include "{name}"\n'
        source = tmp_path / f"h{number}.cc"
        source.write_text(f'extern "C" {{\n{include}}}\n' if wrapped else include)
        jobs.append(subprocess.Popen([*command, "-fsyntax-only", str(source)]))
        if len(jobs) % (os.cpu_count() or 1) == 0:
            jobs[-1].wait()
    assert [name for name, job in zip(headers, jobs, strict=True) if job.wait()] == []
    main = tmp_path / "main.cc"
    main.write_text(f'#include "{header}"\nint main() {{ {body} return 0; }}\n')
    subprocess.run([*command, "-c", str(main), "-o", str(tmp_path / "main.o")], check=True)
    undefined = subprocess.run(
        [built.tool("nm"), "-u", str(tmp_path / "main.o")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert f"{body.split()[1]}_init" in undefined


def test_a_users_own_names_do_not_clash(tmp_path: Path) -> None:
    """A C++ program with a function gru_1 links with the C objects of the sender."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    host = load_target("host")
    generate(stand_in_stage("encoder"), host, tmp_path)
    build_host_library(tmp_path / GENERATED, tmp_path)
    built = Built(host, "encoder", tmp_path)
    header, body = CALLS["encoder"]
    main = tmp_path / "main.cc"
    main.write_text(
        f'#include "{header}"\nextern "C" int gru_1(void) {{ return 0; }}\n'
        f"int conv2d_1 = 3;\nint main() {{ {body} return gru_1(); }}\n"
    )
    program = tmp_path / "program"
    library = [str(path) for path in built.objects() if "dredkit_host.dir" in str(path)]
    subprocess.run([*cpp_command(built), str(main), *library, "-o", str(program)], check=True)
    assert subprocess.run([str(program)]).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_can_be_made(name: str) -> None:
    assert stand_in_stage(name).networks

# SPDX-License-Identifier: BSD-3-Clause
"""Compile a generated model: firmware for a board, the server and the library on a host."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from quantize.files.write import copy_whole
from toolkit.targets.sources import SERVER
from toolkit.device.build import elf
from toolkit.device.build.image import check_image
from toolkit.device.build.callgraph import worst_stack
from toolkit.codegen.board import write_board
from toolkit.codegen.wire import write_wire_header
from toolkit.common.errors import InputError, ToolError
from toolkit.common.folders import alone
from toolkit.common.paths import ROOT
from toolkit.targets.target import HOST, Target, load_target

JOBS = 2
# A compiler, linker or CMake puts this before the line that says what is wrong.
ERROR_LINE = re.compile(
    r"(: (fatal )?error:|^CMake Error|undefined reference|overflowed by|: error )"
)


@dataclass(frozen=True)
class BuildResult:
    """A firmware image and its figures, in bytes.

    `stack_worst` is the deepest stack that the call graph allows, interrupt included; `stack` is
    the room that the target reserves."""

    elf: Path
    build_id: str
    flash: int
    flash_limit: int
    ram: int
    ram_limit: int
    stack_worst: int
    stack: int
    sections: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """Return the result as a JSON object."""
        return {**asdict(self), "elf": str(self.elf)}


def build_firmware(
    target: Target,
    generated_dir: Path,
    build_dir: Path,
    app_dir: Path | None = None,
    profile: bool = False,
) -> BuildResult:
    """Cross-compile the firmware of `target` into `build_dir`/firmware.elf.

    `generated_dir` holds the generated model's C. `app_dir` is the program, by default
    firmware/server/app. With `profile`, layer traces hold times instead of values
    (toolkit/measure/bench/bench.py). Raises InputError without generated code, and ToolError when a
    tool is missing, when the code does not compile, when the image uses something forbidden, or when
    the chip could not start it. firmware.elf is then absent.
    """
    if not target.is_board:
        raise InputError(f"{target.name} is no board: its server is built by build_server")
    with alone(build_dir):
        return _build_firmware(target, generated_dir, build_dir, app_dir, profile)


def _build_firmware(
    target: Target, generated_dir: Path, build_dir: Path, app_dir: Path | None, profile: bool
) -> BuildResult:
    image = build_dir / "firmware.elf"
    image.unlink(missing_ok=True)
    built = _cmake(
        target, generated_dir, build_dir, "cmake", "firmware", app_dir=app_dir, profile=profile
    )
    built = built / "firmware.elf"
    _check_contents(target, built)
    usage = elf.memory_use(built, target)
    check_image(built, target)
    stack_worst = worst_stack(built, built.parent)
    if stack_worst > target.stack_bytes:
        raise ToolError(
            f"{target.name}: the call graph needs {stack_worst} bytes of stack, "
            f"stack_bytes gives {target.stack_bytes}"
        )
    copy_whole(built, image)
    return BuildResult(
        elf=image,
        build_id=elf.build_id(image),
        flash=usage.flash,
        flash_limit=target.size_of("flash"),
        ram=usage.ram,
        ram_limit=target.size_of("ram"),
        stack_worst=stack_worst,
        stack=target.stack_bytes,
        sections=usage.sections,
    )


def build_package(target: Target, package: Path, app_dir: Path, build_dir: Path) -> Path:
    """Cross-compile a program in `app_dir` with a folder of `dredkit package`; return its ELF.

    The linker's map and the call graph files lie beside it. Raises ToolError as `build_firmware`
    does.
    """
    with alone(build_dir):
        built = _cmake(
            target, package / "src" / "generated", build_dir, "cmake", "firmware",
            app_dir=app_dir, package=package,
        ) / "firmware.elf"  # fmt: skip
        _check_contents(target, built)
        return built


def _check_contents(target: Target, image: Path) -> None:
    found = elf.forbidden(image)
    if found:
        raise ToolError(f"{target.name}: the firmware must not use {', '.join(found[:5])}")


def build_host_library(generated_dir: Path, build_dir: Path, sanitize: bool = False) -> Path:
    """Compile kernels and generated model for this machine into libdredkit_host.so, for cffi.

    With `sanitize` the library needs ASan's runtime loaded first: see `sanitizer_environment`.
    """
    host = load_target(HOST)
    return _program(
        host, generated_dir, build_dir, "dredkit_host", "libdredkit_host.so", sanitize
    )


def build_host_server(generated_dir: Path, build_dir: Path, sanitize: bool = False) -> Path:
    """Compile the serial server for this machine as a program: dredkit_server."""
    return build_server(load_target(HOST), generated_dir, build_dir, sanitize)


def build_server(
    target: Target, generated_dir: Path, build_dir: Path, sanitize: bool = False
) -> Path:
    """Compile the serial server as a program for Linux: dredkit_server, static if for another."""
    return _program(target, generated_dir, build_dir, "dredkit_server", "dredkit_server", sanitize)


def sanitizer_environment() -> dict[str, str]:
    """Return the variables for the environment of a Python that loads a sanitized library."""
    compiler = _need("gcc", "gcc")
    found = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    return {
        "LD_PRELOAD": found.stdout.strip(),
        # Do not report the interpreter's own memory, which is not freed at exit.
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }


def _program(
    target: Target,
    generated_dir: Path,
    build_dir: Path,
    goal: str,
    product: str,
    sanitize: bool,
) -> Path:
    folder = "cmake-asan" if sanitize else "cmake"
    result = build_dir / ("asan" if sanitize else ".") / product
    with alone(build_dir):
        result.unlink(missing_ok=True)
        built = _cmake(target, generated_dir, build_dir, folder, goal, sanitize=sanitize) / product
        copy_whole(built, result)
    return result


def _cmake(
    target: Target,
    generated_dir: Path,
    build_dir: Path,
    folder: str,
    goal: str,
    app_dir: Path | None = None,
    sanitize: bool = False,
    profile: bool = False,
    package: Path | None = None,
) -> Path:
    """Configure and build `goal`; returns the directory that holds it."""
    if not any(generated_dir.glob("*.c")):
        raise InputError(f"{generated_dir}: no generated C; run `dredkit generate` first")
    cmake = _need("cmake", "cmake")
    _need("ninja", "ninja-build")
    _need(f"{target.toolchain.prefix}gcc", target.toolchain.package)
    board = write_board_files(target, build_dir)
    directory = build_dir.resolve() / folder
    _forget_moved(directory)
    configure = [
        cmake, "-S", str(ROOT), "-B", str(directory), "-G", "Ninja",
        f"-DDREDKIT_TARGET={target.name}",
        f"-DDREDKIT_GENERATED={generated_dir.resolve()}",
        f"-DDREDKIT_BOARD={board}",
        f"-DDREDKIT_APP={(app_dir or SERVER / 'app').resolve()}",
        f"-DDREDKIT_PACKAGE={package.resolve() if package else ''}",
        f"-DDREDKIT_SANITIZE={'ON' if sanitize else 'OFF'}",
        f"-DDREDKIT_PROFILE={'ON' if profile else 'OFF'}",
    ]  # fmt: skip
    if target.toolchain.prefix:
        toolchain = ROOT / "cmake" / f"{target.toolchain.prefix.rstrip('-')}.cmake"
        configure.append(f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")
    log = build_dir.resolve() / f"{folder}.log"
    with log.open("w", encoding="utf-8") as file:
        for command in (
            configure,
            [cmake, "--build", str(directory), "--target", goal, "--parallel", str(JOBS)],
        ):
            if _run(command, file):
                file.flush()
                raise ToolError(f"{target.name}: {_first_error(log)} (all of it: {log})")
    return directory


def _run(command: list[str], log: TextIO) -> int:
    """Run a tool with its output in `log`, and return its exit status.

    If this process is interrupted meanwhile, the compilers that the tool has started are ended too:
    they would go on writing into the build folder.
    """
    process = subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def write_board_files(target: Target, build_dir: Path) -> Path:
    """Write the headers of a board that the sources include: its constants and the wire format."""
    board = build_dir.resolve() / "board"
    write_board(target, board)
    write_wire_header(board / "dredkit_wire.h")
    return board


def _forget_moved(directory: Path) -> None:
    """Remove a CMake tree that was configured for another checkout: CMake would refuse it."""
    cache = directory / "CMakeCache.txt"
    home = f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}\n"
    if cache.is_file() and home not in cache.read_text(encoding="utf-8", errors="replace"):
        shutil.rmtree(directory)


def _first_error(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    for index, line in enumerate(lines):
        if ERROR_LINE.search(line):
            # CMake says where on one line and what on the next.
            tail = lines[index + 1 : index + 2] if line.startswith("CMake Error") else []
            said = " ".join(part.strip() for part in [line, *tail])
            return re.sub(r"^\S*/ld: ", "ld: ", said)
    return lines[-1].strip() if lines else "the build failed without a word"


def _need(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ToolError(f"{program} is missing: apt-get install {package}")
    return found


if __name__ == "__main__":
    for name in sys.argv[1:]:
        board = load_target(name)
        print(write_board_files(board, ROOT / "build" / board.folder))

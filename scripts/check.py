# SPDX-License-Identifier: BSD-3-Clause
"""The linters: `./run check [NAME...]` runs all of them, or the named ones.

The exit code is 0 if all are content, 1 if one is not, 2 if a linter is missing.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts import prose
from scripts.stand_in import stand_in, stand_in_config, stand_in_fargan, stand_in_receiver
from toolkit.codegen.generate import GENERATED, generate
from toolkit.codegen.package.product import Product
from toolkit.codegen.package.write import write_package
from toolkit.device.build.build import write_board_files
from toolkit.measure.package.speech import speech_header
from toolkit.speech.opus import FOLDER as OPUS
from toolkit.stages.calling import CallStage
from toolkit.stages.stage import DecoderStage, EncoderStage
from toolkit.targets.cores import load_core
from toolkit.targets.sources import SERVER_INCLUDES
from toolkit.targets.target import GIC_SYSTEMS, Target, load_target, target_names

ROOT = Path(__file__).resolve().parent.parent
# One emulated board for each family of drivers and kernels; the host compiles all the rest.
BOARDS = ("mps3-an547", "netduinoplus2", "mps2-an500", "virt-a53", "virt-a76", "virt-a7")
GCC_ONLY = "-mgeneral-regs-only"  # of 32-bit cores; clang 19 refuses it there
TABLES = ("_weights.c", "_tables.c", "_model.c")
# These files are compiled against the receiver's generated headers.
DECODER = (
    "firmware/dredkit/codec/receiver",
    "firmware/dredkit/codec/redundancy",
    "firmware/dredkit/codec/pending",
    "firmware/dredkit/codec/track",
    "firmware/server/receiver/",
)
RECEIVER = "receiver"  # folder of the receiver's generated code
CALL = "firmware/server/call/"
CALL_FOLDER = "call"  # folder of the generated code of a call
EXAMPLES = "firmware/examples/"
MEASURE = "firmware/measure/"
FARGAN = "fargan"  # folder of the same with FARGAN as the voice
SHELL = ("run", ".ci/run", "scripts/lock")
# The first or second line of these files names their licence.
SOURCES = ("*.py", "*.c", "*.h", "*.cpp", "*.ld.in", "*.cmake", "CMakeLists.txt", "*.toml", *SHELL)


class Missing(Exception):
    """A linter is not installed."""


def files(*patterns: str) -> list[str]:
    """Return the repository's files, new ones included, that match; relative to the root."""
    listed = tool("git", "ls-files", "-z", "-co", "--exclude-standard", "--", *patterns)[1]
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def tool(*command: str) -> tuple[bool, str]:
    """Run a command in the root; return (succeeded, what it printed)."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except FileNotFoundError:
        raise Missing(
            f"{command[0]} is missing: `dredkit doctor` shows how to install it"
        ) from None
    return done.returncode == 0, done.stdout.decode(errors="replace")


def python_tool(*arguments: str) -> tuple[bool, str]:
    """Run a Python module of this environment."""
    return tool(sys.executable, "-m", *arguments)


def ruff() -> tuple[bool, str]:
    """Check Python for mistakes and style."""
    return python_tool("ruff", "check", ".")


def ruff_format() -> tuple[bool, str]:
    """Check Python's layout."""
    return python_tool("ruff", "format", "--check", ".")


def mypy() -> tuple[bool, str]:
    """Check Python's types."""
    return python_tool("mypy")


def clang_format() -> tuple[bool, str]:
    """Check C's layout."""
    content, text = tool("clang-format", "--dry-run", "-Werror", *files("*.c", "*.h", "*.cpp"))
    # There are many complaints about one file; only its name helps.
    wrong = sorted({line.split(":", 1)[0] for line in text.splitlines() if ": error:" in line})
    return content, f"fixed by: clang-format -i {' '.join(wrong)}" if wrong else text


def clang_tidy() -> tuple[bool, str]:
    """Check C for mistakes.

    Each file is read as the host or a board compiles it; of generated C, only files with logic.
    """
    users = [name for name in files("firmware/*.c") if name.startswith((EXAMPLES, MEASURE))]
    sources = [name for name in files("firmware/*.c") if name not in users]
    jobs: list[tuple[list[str], list[str]]] = package_jobs(users)
    taken: set[str] = set()
    for board in map(load_target, BOARDS):
        own = [name for name in sources if name not in taken and is_of_board(name, board)]
        jobs.append((own, board_flags(board)))
        taken |= set(own)
    for board in map(load_target, target_names()):
        drivers = {str(file.relative_to(ROOT)) for file in board.drivers if board.is_board}
        own = sorted(drivers & set(sources) - taken)
        jobs.append((own, driver_flags(board) if own else []))
        taken |= set(own)
    # Drivers that no board of ours names: for boards of a user's own.
    spare = [n for n in sources if n not in taken and n.startswith("firmware/port/cortexm/uart_")]
    jobs.append((spare, driver_flags(load_target("netduinoplus2"))))
    taken |= set(spare)
    rest = [name for name in sources if name not in taken]
    jobs.append(([n for n in rest if not n.startswith((*DECODER, CALL))], host_flags()))
    folders = (folder_of("host") / GENERATED, folder_of("host") / RECEIVER / GENERATED)
    generated = [str(path) for folder in folders for path in folder.glob("*.c")]
    jobs[-1][0].extend(name for name in generated if not name.endswith(TABLES))
    # Sender and receiver generate headers of the same name, so each must find its own first.
    flags = jobs[-1][1]
    receiver = f"-I{folder_of('host') / RECEIVER / GENERATED}"
    jobs.append(([name for name in rest if name.startswith(DECODER)], [receiver, *flags]))
    call = f"-I{folder_of('host') / CALL_FOLDER / GENERATED}"
    jobs.append(([name for name in rest if name.startswith(CALL)], [call, *flags]))
    results = [
        tool("clang-tidy", "--quiet", *own, "--", "-std=c11", *flags) for own, flags in jobs if own
    ]
    # Nobody needs the counts of suppressed warnings.
    lines = [line for _, text in results for line in text.splitlines() if " generated." not in line]
    return all(ok for ok, _ in results), "\n".join(lines)


def package_jobs(names: list[str]) -> list[tuple[list[str], list[str]]]:
    """Return the programs that use a package, with their compiler options.

    They are the examples, of a board for its files and else of this machine, and the program that
    measures a package's calls. libopus' header is here only if its source was fetched; without it,
    what includes it is left out.
    """
    package = folder_of("package")
    product = Product(
        load_core("portable"), EncoderStage(stand_in()), DecoderStage(stand_in_receiver())
    )
    write_package(product, package, None)
    (package / "speech.h").write_text(speech_header(product), encoding="utf-8")
    folders = [package / "include", *(ROOT / EXAMPLES / name for name in ("support", "call"))]
    opus = next(iter(OPUS.glob("opus-*/include")), None)
    flags = [
        *(f"-I{path}" for path in [*folders, *([opus] if opus else [])]),
        "-DCALL_COMPLEXITY=0",
    ]
    board = [f"{EXAMPLES}support/{name}" for name in ("start.c", "board.c")]
    clock = ["-DCLOCK_BASE=0x40000000u", "-DCLOCK_UNITS=1u", "-DCLOCK_TICKS=1u"]
    measure = [name for name in names if name.startswith(MEASURE)]
    without = {*board, *measure, *(() if opus else (f"{EXAMPLES}call/codec.c",))}
    here = [name for name in names if name not in without]
    return [
        (here, flags),
        (board, [*board_flags(load_target("netduinoplus2")), *flags, *clock]),
        (measure, [f"-I{path}" for path in (package / "include", *SERVER_INCLUDES, package)]),
    ]


def is_of_board(name: str, board: Target) -> bool:
    """Tell whether this C file is compiled for the board only."""
    path = Path(name)
    if path.parts[1] == "dredkit" and path.parent.name == board.isa:
        return True
    if path.parent == Path("firmware/port/baremetal"):
        return True
    families = (board.system, *(("cortexa",) if board.system in GIC_SYSTEMS else ()))
    if path.parent not in [Path("firmware/port") / family for family in families]:
        return False
    kind, _, choice = path.stem.partition("_")
    uart = board.uart.driver if board.uart else ""
    chosen = {"setup": board.setup, "uart": uart, "timer": board.timer.driver}
    return not choice or chosen.get(kind) == choice


def host_flags() -> list[str]:
    """Return the compiler options of the host."""
    return ["-D_POSIX_C_SOURCE=200809L", *include_flags(load_target("host"))]


def board_flags(board: Target) -> list[str]:
    """Return a board's options for clang, with the C library headers of the board's compiler."""
    return [*port_flags(board), *include_flags(board)]


def driver_flags(board: Target) -> list[str]:
    """Return the options for a board's drivers, which need no generated header but board.h."""
    return [*port_flags(board), f"-I{write_board_files(board, folder_of(board.name))}"]


def port_flags(board: Target) -> list[str]:
    """Return a board's options but for the folders of what is generated for it."""
    prefix = board.toolchain.prefix
    libc = tool(f"{prefix}gcc", "-print-file-name=libc.a")[1].strip()
    return [
        f"--target={prefix.rstrip('-')}",
        *(flag for flag in board.toolchain.cpu_flags if flag != GCC_ONLY),
        f"-isystem{Path(libc).resolve().parent.parent / 'include'}",
        f"-Ifirmware/port/{board.system}",
        "-Ifirmware/port/baremetal",
    ]


def include_flags(target: Target) -> list[str]:
    """Generate the target's code and return where all headers are."""
    folder = folder_of(target.name)
    generate(EncoderStage(stand_in()), target, folder, blob=True)
    generate(DecoderStage(stand_in_receiver()), target, folder / RECEIVER, blob=True)
    generate(DecoderStage(stand_in_fargan()), target, folder / FARGAN, blob=True)
    generate(CallStage(stand_in_receiver()), target, folder / CALL_FOLDER)
    board = write_board_files(target, folder)
    parts = (folder, folder / RECEIVER, folder / FARGAN)
    generated = [f"-I{part / GENERATED}" for part in parts]
    own = [f"-I{path.relative_to(ROOT)}" for path in SERVER_INCLUDES]
    own.append(f"-I{stand_in_config(folder)}")
    return [*own, *generated, f"-I{board}"]


def folder_of(target: str) -> Path:
    """Return where the linters keep what is generated for a target."""
    return ROOT / "build" / "check" / target


def codespell() -> tuple[bool, str]:
    """Check the spelling of everything."""
    return python_tool("codespell_lib", *files())


def shell() -> tuple[bool, str]:
    """Check shell scripts for mistakes, and that a POSIX shell can read them."""
    checked, text = tool("shellcheck", *SHELL)
    parsed = [tool("sh", "-n", name) for name in SHELL]
    return checked and all(ok for ok, _ in parsed), text + "".join(words for _, words in parsed)


def licence() -> tuple[bool, str]:
    """Check that every source has the SPDX line."""
    line = "SPDX-License-Identifier: BSD-3-Clause"
    without = [
        name
        for name in files(*SOURCES)
        if line not in "".join((ROOT / name).read_text().splitlines(True)[:2])
    ]
    return not without, "".join(f"{name}: the first lines lack {line!r}\n" for name in without)


def words() -> tuple[bool, str]:
    """Find words that scripts/words.txt has better ones for."""
    return told(prose.words(ROOT, files(*prose.PROSE)))


def documents() -> tuple[bool, str]:
    """Check that every document that is named exists."""
    return told(prose.documents(ROOT, files(*prose.PROSE)))


def commits() -> tuple[bool, str]:
    """Check the form of the commits' subjects."""
    return told(prose.commits(ROOT))


def told(faults: Sequence[str]) -> tuple[bool, str]:
    """Return a check's result from its faults."""
    return not faults, "".join(f"{fault}\n" for fault in faults)


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "ruff": ruff,
    "ruff-format": ruff_format,
    "mypy": mypy,
    "clang-format": clang_format,
    "clang-tidy": clang_tidy,
    "codespell": codespell,
    "shell": shell,
    "licence": licence,
    "words": words,
    "documents": documents,
    "commits": commits,
}


def timed(name: str) -> tuple[bool, str, float]:
    """Run one check; return (content, what it said, seconds)."""
    began = time.monotonic()
    content, text = CHECKS[name]()
    return content, text, time.monotonic() - began


def main(names: Sequence[str]) -> int:
    """Run the named checks, two at a time; return the exit code."""
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"check: no check named {unknown[0]}: there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    chosen = list(names or CHECKS)
    failed = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for name, job in [(name, pool.submit(timed, name)) for name in chosen]:
            try:
                content, text, seconds = job.result()
            except Missing as missing:
                print(f"check: {missing}", file=sys.stderr)
                return 2
            print(f"{'ok  ' if content else 'FAIL'} {name} ({seconds:.1f} s)", flush=True)
            if not content:
                failed.append(name)
                print(text, flush=True)
    if failed:
        print(f"check: not content: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: BSD-3-Clause
"""The floor plan: folders and modules import in one direction; quantize/ mirrors the firmware."""

import ast
import subprocess
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from toolkit.common.paths import ROOT

# Each folder may import itself, quantize, and the folders after it.
ORDER = (
    *("commands", "report", "call", "verify", "measure", "device", "codegen", "stages", "models"),
    *("speech", "targets", "common"),
)
# quantize/X defines firmware/dredkit/X.
MIRRORED = ("nn", "dsp", "features", "dred", "codec", "packet", "vocoder", "plc")
QUANTIZE_ORDER = (
    *("train", "litert", "networks", "codec", "packet", "vocoder", "plc", "dred"),
    *("features", "dsp", "nn"),
)
MOST_ENTRIES = 12
# Folders with more: one module a command, one file an instruction set and kernel, and so on.
MANY = {
    "firmware/dredkit/codec": "both cores, their public doors and their parts",
    "firmware/dredkit/nn": "one file a kind of layer, one folder an instruction set",
    "firmware/dredkit/dsp": "one file a function, one folder an instruction set",
    "firmware/dredkit/dred": "one header and one source for each part of the bitstream",
    "firmware/dredkit/vocoder": "the voices side by side",
    "firmware/dredkit/nn/neon": "kernels and the headers they share",
    "firmware/dredkit/nn/simd32": "kernels and the headers they share",
    "firmware/port/cortexm": "one driver a chip",
    "toolkit/commands": "one module a word",
    "toolkit/commands/shared": "one module a thing that several words do",
    "toolkit/codegen": "one module or folder a kind of generated file",
    "toolkit/targets": "one module a part of a board's file",
    "toolkit/report": "one module a part of the page",
    "toolkit": "one folder a step of the way",
    "quantize": "the mirror of firmware/dredkit and what is around it",
    "quantize/checkpoints": "one model a few files: weights, card, training state",
    "quantize/networks": "one file a network, and its checkpoint and voice",
    "targets": "one file a board",
    "targets/figures": "one file a target and run",
    "tests": "folders that mirror the packages",
    "tests/common": "what all commands share, and the rules of the repository itself",
    "tests/support": "all helpers of tests",
    "tests/train": "one file a training",
    "tests/device": "one file a part of the device side",
    "toolkit/call": "what a call is made of, and one folder a use of it",
}


def imports(package: str) -> list[tuple[Path, str]]:
    """Return every (file, module) that files of a package import from the project."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            found += [(path.relative_to(ROOT), name) for name in names]
    return found


def room_of(name: str, order: tuple[str, ...]) -> str | None:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in order else None


def upward(package: str, order: tuple[str, ...]) -> list[str]:
    """Return the imports that go from a folder to one before it in `order`."""
    wrong = set()
    for path, name in imports(package):
        own = path.parts[1]
        room = room_of(name, order) if name.startswith(f"{package}.") else None
        if own in order and room and order.index(room) < order.index(own):
            wrong.add(f"{path} imports {package}.{room}")
    return sorted(wrong)


def test_folders_of_toolkit_import_in_one_direction() -> None:
    assert upward("toolkit", ORDER) == []


def test_folders_of_quantize_import_in_one_direction() -> None:
    assert upward("quantize", QUANTIZE_ORDER) == []


def test_quantize_does_not_know_toolkit() -> None:
    assert [path for path, name in imports("quantize") if name.startswith("toolkit")] == []


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def import_graph(*packages: str) -> dict[str, set[str]]:
    """Return the modules that each module imports, those under TYPE_CHECKING too."""
    files = [path for name in packages for path in sorted((ROOT / name).rglob("*.py"))]
    modules = {module_of(path.relative_to(ROOT)): path for path in files}
    graph: dict[str, set[str]] = {}
    for own, path in modules.items():
        found = graph[own] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:  # a submodule, or a name in the module itself
                    whole = f"{node.module}.{alias.name}"
                    found.add(whole if whole in modules else node.module)
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
        found &= modules.keys()
    return graph


def test_modules_import_in_no_circle() -> None:
    graph = import_graph("toolkit", "quantize")
    assert "quantize.vocoder.lpcnet.parts" in graph["quantize.vocoder.lpcnet.check"]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_quantize_mirrors_the_firmware() -> None:
    rooms = {path.name for path in (ROOT / "firmware" / "dredkit").iterdir() if path.is_dir()}
    # The weights blob is a format of the firmware alone: toolkit/codegen/blob writes it.
    assert rooms - {"include", "weights"} <= set(MIRRORED)
    for room in MIRRORED:
        assert (ROOT / "quantize" / room / "__init__.py").is_file(), room


def test_folders_are_short_or_say_why_not() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "toolkit", "quantize", "firmware", "tests", "targets"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    entries: dict[str, set[str]] = {}
    for name in filter(None, listed):
        parts = name.split("/")
        for depth in range(1, len(parts)):
            if parts[depth] != "__init__.py":
                entries.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    long = {name: len(inside) for name, inside in entries.items() if len(inside) > MOST_ENTRIES}
    assert {name: count for name, count in long.items() if name not in MANY} == {}
    assert set(MANY) <= set(entries)


def test_the_library_includes_nothing_from_the_server_or_the_port() -> None:
    foreign = {path.name for path in (ROOT / "firmware" / "server" / "include").rglob("*.h")}
    for path in (ROOT / "firmware" / "dredkit").rglob("*.[ch]"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith('#include "dredkit/'):
                assert line.split("/")[-1].rstrip('"') not in foreign, f"{path}: {line}"

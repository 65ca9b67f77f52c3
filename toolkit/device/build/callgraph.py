# SPDX-License-Identifier: BSD-3-Clause
"""The worst-case stack of an image, from GCC's call graph files (-fcallgraph-info=su).

The .ci files have the frame of every compiled function. They do not have functions of the C library,
whose frames are measured from their disassembly. A call through a pointer counts as a call of every
function that the table `dk_app_engine` points to, and of the function that takes the bytes of a
frame. Recursion has no bound and is refused. So is a call from the engine through a pointer, which
counts as recursion by that rule.
"""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.device.build.elf import disassemble, machine, read_bytes, symbols
from toolkit.common.errors import ToolError

ROOT_FUNCTION = "dk_reset"
ENGINE_TABLE = "dk_app_engine"
INDIRECT = "__indirect_call"
FRAME_SINK = "dk_port_write"
# The function that an interrupt enters, and the bytes stacked before. A Cortex-M does that by
# itself, with the float or vector registers in use, plus alignment: 8 + 18 words (Arm DDI 0403
# B1.5.7, DDI 0553 B3.18). On a Cortex-A the vector does it: firmware/port/aarch64/startup.c and
# firmware/port/armv7a/startup.c, which calls what no Cortex-M has.
INTERRUPT = {"EM_ARM": ("dk_uart_isr", 104 + 4), "EM_AARCH64": ("dk_irq", 160)}
INTERRUPT_A32 = ("dk_irq", 36 + 4)

NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
FRAME = re.compile(r"\\n(\d+) bytes \((static|dynamic|dynamic,bounded|bounded)\)")


@dataclass
class Function:
    """A function's own frame in bytes (None: not compiled here) and the functions that it calls."""

    frame: int | None = None
    calls: set[str] = field(default_factory=set)


def worst_stack(image: Path, objects: Path) -> int:
    """Return the most bytes of stack that the image can need.

    That is the deepest chain of calls from reset plus an interrupt. `objects` is the directory with
    the .ci files.

    Raises ToolError for recursion, for frames of unknown size, and without call graph files.
    """
    graph = _read_graph(objects)
    _add_library(graph, image)
    targets = _engine_functions(image)
    if FRAME_SINK in graph:
        targets.add(FRAME_SINK)
    depths: dict[str, int] = {}
    main = _depth(ROOT_FUNCTION, graph, targets, depths, [])
    is_a32 = machine(image) == "EM_ARM" and INTERRUPT_A32[0] in graph
    handler, stacked = INTERRUPT_A32 if is_a32 else INTERRUPT[machine(image)]
    return main + stacked + _depth(handler, graph, targets, depths, [])


def stacks_of(image: Path, objects: Path, names: Iterable[str]) -> dict[str, int]:
    """Return the most bytes of stack that each of the functions can need, its own frame included.

    Raises ToolError as `worst_stack` does.
    """
    graph = _read_graph(objects)
    _add_library(graph, image)
    depths: dict[str, int] = {}
    return {name: _depth(name, graph, set(), depths, []) for name in names}


def _call_files(objects: Path) -> list[Path]:
    """Return the .ci files of the present objects: files of a former build may lie beside them."""
    found = sorted(objects.rglob("*.ci"))
    commands = objects / "compile_commands.json"
    if not commands.is_file():
        return found
    words = (shlex.split(entry["command"]) for entry in json.loads(commands.read_text("utf-8")))
    outputs = (objects / command[command.index("-o") + 1] for command in words)
    built = {output.with_suffix(".ci").resolve() for output in outputs}
    return [path for path in found if path.resolve() in built]


def _read_graph(objects: Path) -> dict[str, Function]:
    graph: dict[str, Function] = {}
    files = _call_files(objects)
    if not files:
        raise ToolError(f"{objects}: no call graph files (-fcallgraph-info)")
    for path in files:
        # A static function has the title "file.c:name", also where it is called.
        for line in path.read_text(encoding="utf-8").splitlines():
            if match := NODE.match(line):
                name, label = match.groups()
                if frame := FRAME.search(label):
                    if frame.group(2) == "dynamic":
                        raise ToolError(f"{name}: its stack frame has no fixed size")
                    graph.setdefault(name, Function()).frame = int(frame.group(1))
            elif match := EDGE.match(line):
                graph.setdefault(match.group(1), Function()).calls.add(match.group(2))
    return graph


def _add_library(graph: dict[str, Function], image: Path) -> None:
    """Give a frame to each function that is called but was not compiled here."""
    code = disassemble(image)
    wanted = {name for function in graph.values() for name in function.calls} - {INDIRECT}
    while wanted:
        name = wanted.pop()
        function = graph.setdefault(name, Function())
        if function.frame is not None or name not in code:
            continue
        function.frame = 0
        for mnemonic, operands in code[name]:
            function.frame += _pushed(mnemonic, operands)
            called = re.search(r"<([^>+]+)>", operands)
            if mnemonic.startswith("b") and called and called.group(1) != name:
                function.calls.add(called.group(1))
                wanted.add(called.group(1))


def _pushed(mnemonic: str, operands: str) -> int:
    """Return the bytes by which one instruction lowers the stack pointer."""
    if mnemonic.startswith(("push", "stmdb")) and (
        mnemonic.startswith("push") or operands.startswith("sp!")
    ):
        return 4 * _registers(operands)
    if mnemonic.startswith("vpush"):
        return 16 * _registers(operands)
    if mnemonic.startswith("sub"):
        # In hexadecimal on AArch64.
        match = re.match(r"sp, (?:sp, )?#(\w+)", operands)
        return int(match.group(1), 0) if match else 0
    match = re.search(r"\[sp, #-(\d+)\]!", operands)
    return int(match.group(1)) if match else 0


def _registers(operands: str) -> int:
    count = 0
    for item in operands[operands.find("{") + 1 : operands.find("}")].split(","):
        low, _, high = item.strip().partition("-")
        numbers = [int("".join(filter(str.isdigit, end)) or 0) for end in (low, high) if end]
        count += numbers[-1] - numbers[0] + 1 if len(numbers) == 2 else 1
    return count


def _engine_functions(image: Path) -> set[str]:
    """Return the names of the functions that the engine's table points to."""
    table = symbols(image)
    engine = next((symbol for symbol in table if symbol.name == ENGINE_TABLE), None)
    if engine is None:
        return set()
    data = read_bytes(image, engine.address, engine.size)
    words = {int.from_bytes(data[at : at + 4], "little") & ~1 for at in range(0, len(data) - 3, 4)}
    return {s.name for s in table if s.is_function and s.address in words and s.address}


def _depth(
    name: str,
    graph: dict[str, Function],
    engine: set[str],
    depths: dict[str, int],
    path: list[str],
) -> int:
    if name in depths:
        return depths[name]
    if name in path:
        chain = " -> ".join([*path[path.index(name) :], name])
        raise ToolError(f"recursion, so the stack has no bound: {chain}")
    function = graph.get(name)
    if function is None or function.frame is None:
        # Inlined everywhere or dropped by the linker: it is not in the image and takes no stack.
        return 0
    callees: set[str] = set()
    for call in function.calls:
        callees |= {_resolve(each, graph) for each in engine} if call == INDIRECT else {call}
    deepest = max(
        (_depth(callee, graph, engine, depths, [*path, name]) for callee in callees), default=0
    )
    depths[name] = function.frame + deepest
    return depths[name]


def _resolve(name: str, graph: dict[str, Function]) -> str:
    """Return the graph's title of a function; titles of static functions include their file."""
    if name in graph and graph[name].frame is not None:
        return name
    titles = [title for title in graph if title.rpartition(":")[2] == name]
    if len(titles) != 1:
        raise ToolError(f"the call graph knows {len(titles)} functions named {name}")
    return titles[0]

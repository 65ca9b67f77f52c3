# SPDX-License-Identifier: BSD-3-Clause
"""Measure the tables of docs/RESULTS.md: `python -m scripts.measured`, a quarter of an hour.

Each row is a run of `dredkit verify --cycles` on an emulated board. Rows with the weights of an
Opus release read them from $DREDKIT_UPSTREAM, else from ../shared/opus-1.6.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toolkit.common.paths import BUILD
from toolkit.device.build.elf import symbols

ROOT = Path(__file__).resolve().parent.parent
UPSTREAM = Path(os.environ.get("DREDKIT_UPSTREAM") or ROOT.parent / "shared" / "opus-1.6")
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
OPUS = {
    "--weights": "weights/rdovae_enc.bin",
    "--pitch": "weights/pitchdnn.bin",
    "--tables": "golden/dred_stats_tables.u8",
    "--decoder": "weights/rdovae_dec.bin",
}
CORES = {
    "netduinoplus2": "M4",
    "mps2-an500": "M7",
    "mps2-an505": "M33",
    "mps3-an547": "M55",
    "virt-a7": "A7",
    "virt-a53": "A53",
    "virt-a76": "A76",
}
FARGAN = ("mps2-an500", "mps3-an547", "virt-a7", "virt-a53", "virt-a76")  # fast enough for it
NO_LPCNET = ("netduinoplus2", "mps2-an505")  # too small, too slow
SENDERS = [(target, weights) for target in CORES for weights in ("Opus 1.6.1", "our own")]
RECEIVERS = [
    ("netduinoplus2", "pulse", "Opus 1.6.1"),
    ("netduinoplus2", "pulse", "our own"),
    ("mps3-an547", "pulse", "Opus 1.6.1"),
    ("mps2-an505", "pulse", "Opus 1.6.1"),
    ("mps2-an505", "pulse", "our own"),
    *((target, "FARGAN", "our own") for target in CORES),
    *((target, "LPCNet", "our own") for target in CORES if target not in NO_LPCNET),
    *((target, "FARGAN", "Opus 1.6.1") for target in FARGAN),
]
VOICES: dict[tuple[str, str], str] = {
    **{("pulse", weights): "pulse" for weights in ("our own", "Opus 1.6.1")},
    ("LPCNet", "our own"): "lpcnet",
    ("FARGAN", "our own"): "fargan",
    ("FARGAN", "Opus 1.6.1"): str(UPSTREAM / "weights" / "fargan.bin"),
}
TEXT = """\
`python -m scripts.measured` writes these tables. Each row is a run of `./run verify --target TARGET
--stage STAGE --cycles --json -` (with `--weights FILE` and `--voice VOICE`) on the shipped
clip, in QEMU 7.2. In every row the board, C on this machine and the integer reference
agreed on every value. QEMU counts the instructions. `--cycles` estimates the cycles from the code
that ran, by a model of the core that the verdict names; wait states, cache misses and
mispredictions are not included.

A step of the sender is 20 ms:
"""
BETWEEN = """
The receiver loses the clip's packets for a second and in five bursts. "Chunk" decodes 40 ms of
redundancy. "Speak" gives 20 ms of speech; the first one in a gap also runs the voice over the last
10 ms of good samples:
"""
AFTER = """
Shares are of the cycles in 20 ms at the clock named: one of speaking, one of the most expensive
step. Chips with an M7, an M33 or an M55 run at 480, 160 and 400 MHz (`[product]` of their files in
targets); the FPGA images that QEMU emulates run at 20 to 32 MHz, which is too slow for LPCNet. RAM
is that of the whole image, with serial buffers, layer trace and the stack's reserve; the sender
itself takes {state:,} bytes, scratch included. `./run bench --target TARGET` shows where the time
of a step goes; targets/figures/README.md lists the goals. Our own weights are dense, those of Opus
have 8x4 sparse blocks.
"""


def verify(target: str, stage: str, weights: str, *options: str) -> dict[str, Any]:
    """Return what `dredkit verify` found; end the program if it failed."""
    command = [sys.executable, "-m", "toolkit.cli", "verify", "--target", target, "--cycles"]
    command += [*options, *(["--stage", stage] if stage == "decoder" else [])]
    if weights != "our own":
        for option, name in OPUS.items():
            if option != "--decoder" or stage == "decoder":
                command += [option, str(UPSTREAM / name)]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        done = subprocess.run([*command, "--json", str(found)], cwd=ROOT, check=False)
        if done.returncode not in (0, 1) or not found.is_file():
            sys.exit(f"{target}, {stage}, {weights}: verify ended with {done.returncode}")
        facts: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    if facts["mismatches"]:
        sys.exit(f"{target}, {stage}, {weights}: the board computes something else")
    return facts


def clock(facts: dict[str, Any]) -> str:
    """Return the clock that a row is judged by."""
    return f"{facts['budget']['clock_hz'] / 1e6:.0f} MHz"


def memory(facts: dict[str, Any]) -> Iterator[str]:
    """Yield flash, RAM and the stack that was seen in use."""
    for key in ("flash", "ram", "stack_used"):
        yield f"{facts['memory'][key]:,}"


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |\n"


def senders() -> tuple[str, int]:
    """Return the sender's table and the bytes of its state."""
    table = row("target", "weights", "instructions a step, max", "cycles", "of the clock", "flash",
                "RAM", "stack seen") + "|---" * 8 + "|\n"  # fmt: skip
    state = 0
    for target, weights in SENDERS:
        facts = verify(target, "encoder", weights)
        budget = facts["budget"]
        built = symbols(BUILD / target / "firmware.elf")
        state = next(symbol.size for symbol in built if symbol.name == "sender")
        table += row(
            f"{target} ({CORES[target]})", weights, f"{max(budget['instructions']):,}",
            f"{budget['max']:,}", f"{budget['used_percent']:.1f} % of {clock(facts)}",
            *memory(facts),
        )  # fmt: skip
    return table, state


def receivers() -> str:
    """Return the receiver's table."""
    table = row("target", "voice, weights", "chunk", "speak", "first speak", "speak, cycles",
                "of the clock: speak", "most expensive", "flash", "RAM", "stack seen")  # fmt: skip
    table += "|---" * 11 + "|\n"
    for target, voice, weights in RECEIVERS:
        facts = verify(target, "decoder", weights, "--voice", VOICES[voice, weights])
        budget, ops = facts["budget"], facts["ops"]
        per_step = list(zip(budget["per_frame"], budget["instructions"], strict=True))
        counts = [
            max(i for cycles, i in per_step if cycles == ops[op]["max"])
            for op in ("chunk", "speak", "first speak")
        ]
        table += row(
            f"{target} ({CORES[target]})", f"{voice}, {weights}", *(f"{n:,}" for n in counts),
            f"{ops['speak']['max']:,}", f"{ops['speak']['used_percent']:.1f} %",
            f"{budget['used_percent']:.1f} % of {clock(facts)}", *memory(facts),
        )  # fmt: skip
    return table


def main() -> int:
    """Measure, and write the tables into docs/RESULTS.md."""
    results = ROOT / "docs" / "RESULTS.md"
    table, state = senders()
    text = f"{TEXT}\n{table}{BETWEEN}\n{receivers()}{AFTER.format(state=state)}"
    before, _, rest = results.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    results.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

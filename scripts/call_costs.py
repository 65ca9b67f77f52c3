# SPDX-License-Identifier: BSD-3-Clause
"""Measure what a whole call costs, for docs/RESULTS.md: `python -m scripts.call_costs`.

It also writes libopus' own share into targets/figures/codec.json, from which the page of a
verification takes it. `python -m scripts.call_costs --from-results` measures nothing and takes that
share from the tables that are in docs/RESULTS.md.

The example `call` runs with libopus and the shipped clip on an emulated Cortex-M4 and Cortex-M7,
and with our own weights alone on an M33 and an M55. Rows with the weights of an Opus release read
them from $DREDKIT_UPSTREAM, else from ../shared/opus-1.6. $DREDKIT_OPUS_DIR may name another
release of libopus than Debian's.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quantize.files.write import write_whole
from quantize.packet.opus_packet import Packet
from scripts.measured import OPUS, UPSTREAM, row
from toolkit.call.bitfile import Record, read_bitfile
from toolkit.common.paths import BUILD
from toolkit.measure.codec import FILE, FORMAT
from toolkit.measure.cycles.counter import BlockCounter, call_marks
from toolkit.measure.cycles.estimate import Estimate, estimate
from toolkit.measure.examples import CORES, Cost, Options, build_examples, costs_of, run_example
from toolkit.models.quantise import CLIP
from toolkit.speech.audio import read_speech
from toolkit.speech.opus import fetch
from toolkit.targets.target import Target, load_target

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "docs" / "RESULTS.md"
FOLDER: Final = BUILD / "call-costs"
BEGIN, END = "<!-- call:begin -->", "<!-- call:end -->"
OWN, SMALL, RELEASE = "our own", "our own, sparse, with FARGAN", "Opus 1.6.1"
SHIPPED: Final = ROOT / "quantize" / "checkpoints"
# What `dredkit package` takes besides the core.
CHOICES: Final = {
    OWN: {"--voice": "pulse"},
    SMALL: {
        "--weights": str(SHIPPED / "rdovae-sparse.safetensors"),
        "--voice": str(SHIPPED / "fargan-edge-sparse.safetensors"),
        "--predictor": str(SHIPPED / "predictor-sparse.safetensors"),
    },
    RELEASE: {"--voice": "pulse", **{key: str(UPSTREAM / name) for key, name in OPUS.items()}},
}
LBRR_FLAG: Final = 1 << 6  # in the first byte of a SILK frame of 20 ms, mono
STEP_S: Final = 0.02
# By board: the chip, its clock, and the target whose core's model estimates the cycles.
CHIPS: Final = {
    "mps2-an386": ("M4", 168e6, "netduinoplus2"),
    "mps2-an500": ("M7", 480e6, "mps2-an500"),
    "mps2-an505": ("M33", 160e6, "mps2-an505"),
    "mps3-an547": ("M55", 400e6, "mps3-an547"),
}
# Boards with the row alone that codec.json needs: our own weights, compiled with -O2.
BRIEF: Final = ("mps2-an505", "mps3-an547")
# How libopus and dredkit are compiled: in words, whether with -Os, with libopus' assembly.
BUILDS: Final = (("-O2", False, False), ("-Os", True, False), ("-O2, assembly", False, True))
COMPILED: Final = {OWN: 3, SMALL: 2, RELEASE: 1}  # how many of these are measured
COMPLEXITIES: Final = (0, 5)
# What the receiving side's table has of `call`'s costs.
MEANS: Final = ("opus_decode", "dk_receiver_good", "opus_decode, nothing")
MOST: Final = ("dk_receiver_work", "dk_receiver_lost", "20 ms received", "20 ms received, lost")
TEXT: Final = """\
`python -m scripts.call_costs` writes these tables. They are from runs of the example `call`
(firmware/examples) on the shipped clip in QEMU: libopus {version} of Debian in fixed point, mono at
16 kHz, 24 kb/s, LBRR on; dredkit with the voice `pulse`, or where the row says so with
rdovae-sparse, fargan-edge-sparse and predictor-sparse. "Assembly" is libopus' own inline assembly
for these cores (`-DDREDKIT_OPUS_ASM=ON`). QEMU counts the instructions; cycles are estimated as for
the tables above. All figures are for 20 ms of one direction; a device in a call pays for both.

Sending: means, and the most expensive 20 ms of both together.

"""
RECEIVING: Final = """
Receiving: `opus_decode` and the receiver for a packet that is here, then in a gap: what libopus
does for a lost packet, which keeps its state right; the most expensive `dk_receiver_work`, which
decodes a chunk of 40 ms of redundancy or, before a gap, prepares the voice; 20 ms of a gap.
"Received" and "lost" are the most expensive 20 ms of each kind, with all that belongs to it.

"""
MEMORY: Final = """
Memory in bytes. Flash is code and tables, without the rest of an application; the stack is the
deepest that was seen, in libopus' encoder.

"""


@dataclass(frozen=True)
class Run:
    """A run of `call`: costs by part, the cycles of each 20 ms, and the bytes that it takes."""

    costs: dict[str, Cost]
    sent: list[int]
    received: list[int]
    lost: list[int]
    numbers: dict[str, int]
    flash: dict[str, int]


def package(core: str, weights: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write a package for a core below `folder`; return where it is and its manifest."""
    folder = folder / "package"
    command = [sys.executable, "-m", "toolkit.cli", "package", "--target-core", core]
    command += ["--no-figures", "--output", str(folder)]
    command += [word for option in CHOICES[weights].items() for word in option]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"{core}, {weights}: there is no package")
    manifest: dict[str, Any] = json.loads((folder / "dredkit.json").read_text(encoding="utf-8"))
    return folder, manifest


def measured(board: str, built: Path, folder: Path) -> Run:
    """Run `call` in a folder with speech, once for its costs and once for each side's cycles."""
    program = built / "call"
    printed = run_example(board, program, folder)
    target = load_target(CHIPS[board][2])
    costs = costs_of(printed)
    sent = counted(board, program, folder, target, "talk", costs["20 ms sent"].calls)
    kinds = played(read_bitfile(folder / "packets.bit"))
    steps = sum(costs[kind].calls for kind in costs if kind.startswith("20 ms received"))
    heard = counted(board, program, folder, target, "listen_play", steps)
    found: dict[str, list[int]] = {kind: [] for kind in kinds}
    for kind, cycles in zip(kinds, heard.cycles, strict=False):
        found[kind].append(cycles)
    numbers = {k: int(v) for k, v in re.findall(r"^(\S.*) (\d+) bytes$", printed, re.MULTILINE)}
    linked = (built / "call.map").read_text(encoding="utf-8")
    flash = {name: flash_of(linked, name) for name in ("libopus.a", "libdredkit.a")}
    return Run(costs, sent.cycles, found["received"], found["lost"], numbers, flash)


def counted(
    board: str, program: Path, folder: Path, target: Target, function: str, steps: int
) -> Estimate:
    """Return the estimated cycles of each call of a function of the example."""
    counter = BlockCounter(program, call_marks(program, function, "cost_step"))
    run_example(board, program, folder, counter)
    return estimate(counter, target, steps)


def played(records: list[Record]) -> list[str]:
    """Return what each packet was played from: "received", "recovered" or "lost"."""
    kinds = []
    for now, after in zip(records, [*records[1:], Record(b"")], strict=True):
        frame = Packet.parse(after.packet).frames[0] if after.packet else b""
        lbrr = bool(frame) and bool(frame[0] & LBRR_FLAG)
        kinds.append("received" if now.packet else "recovered" if lbrr else "lost")
    return kinds


def flash_of(linker_map: str, archive: str) -> int:
    """Return the bytes of code and constants that the linker kept of an archive."""
    kept = linker_map.partition("Linker script and memory map")[2]
    pattern = rf"^ \.(?:text|rodata|data)\S*\s+0x[0-9a-f]+\s+0x([0-9a-f]+) \S*{archive}\("
    return sum(int(size, 16) for size in re.findall(pattern, kept, re.MULTILINE))


def share(board: str, cycles: int) -> str:
    """Return cycles and their share of 20 ms at the chip's clock."""
    clock = CHIPS[board][1]
    return f"{cycles:,} ({100 * cycles / (clock * STEP_S):.0f} %)"


def rows(board: str, weights: str, source: Path) -> tuple[str, str, str]:
    """Return a board's rows of the three tables."""
    core = CORES[board]
    folder = FOLDER / core
    taken, manifest = package(core, weights, folder)
    (folder / "speech.pcm").write_bytes(read_speech(CLIP).astype("<i2").tobytes())
    sending = receiving = memory = ""
    most = 1 if board in BRIEF else COMPILED[weights]
    for number, (words, small, assembly) in enumerate(BUILDS[:most]):
        head = (f"{CHIPS[board][0]} at {CHIPS[board][1] / 1e6:.0f} MHz", weights, words)
        for complexity in COMPLEXITIES:
            options = Options(source, complexity, small, assembly)
            print(*head, complexity, file=sys.stderr)
            built = build_examples(board, taken, folder / f"build{number}", options)
            run = measured(board, built, folder)
            c = run.costs
            sender = sum(c[n].mean for n in ("dk_sender_hear", "dk_sender_payload"))
            sending += row(
                *head, str(complexity), f"{c['opus_encode'].mean:,}", f"{sender:,}",
                f"{c['20 ms sent'].most:,}", share(board, max(run.sent)),
            )  # fmt: skip
            if complexity:
                continue
            receiving += row(
                *head, *(f"{c[name].mean:,}" for name in MEANS),
                *(f"{c[name].most:,}" for name in MOST),
                share(board, max(run.received)), share(board, max(run.lost)),
            )  # fmt: skip
            sizes = manifest["sizes"]
            memory += row(
                *head, f"{run.flash['libopus.a']:,}", f"{run.flash['libdredkit.a']:,}",
                f"{run.numbers['libopus, state']:,}", f"{sizes['DK_SENDER_BYTES']:,}",
                f"{sizes['DK_RECEIVER_BYTES']:,}", f"{run.numbers['stack, most']:,}",
            )  # fmt: skip
    return sending, receiving, memory


def heading(*cells: str) -> str:
    """Return the first two lines of a table."""
    return row(*cells) + "|---" * len(cells) + "|\n"


def tables() -> str:
    """Measure and return the text with all tables."""
    named = os.environ.get("DREDKIT_OPUS_DIR")
    source = Path(named).resolve() if named else fetch()
    head = ("core", "weights", "compiled")
    sending = heading(*head, "complexity", "opus_encode", "sender", "together, most", "cycles")
    receiving = heading(
        *head, "opus_decode", "receiver", "lost: opus_decode", "work", "speak", "received",
        "lost", "received, cycles", "lost, cycles",
    )  # fmt: skip
    memory = heading(
        *head, "flash: libopus", "dredkit", "RAM: libopus", "dk_sender", "dk_receiver", "stack"
    )
    for board in CHIPS:
        for weights in (OWN,) if board in BRIEF else CHOICES:
            for_sending, for_receiving, for_memory = rows(board, weights, source)
            sending += for_sending
            receiving += for_receiving
            memory += for_memory
    text = TEXT.format(version=source.name.rpartition("-")[2])
    return f"{text}{sending}{RECEIVING}{receiving}{MEMORY}{memory}"


def codec_facts(text: str) -> dict[str, Any]:
    """Return libopus' share of the tables: of rows with our own weights, compiled with -O2."""
    version = re.search(r"libopus ([\d.]+\d) of Debian", text)
    if version is None:
        sys.exit(f"{RESULTS}: the text of the tables names no version of libopus")
    cores: dict[str, dict[str, Any]] = {}
    for chip, _, target in CHIPS.values():
        core = cores[load_target(target).core] = {"encode": {}}
        for cells in _table(text, "opus_encode", chip):
            core["encode"][cells["complexity"]] = _number(cells["opus_encode"])
        (receiving,) = _table(text, "lost: opus_decode", chip)
        core["decode"] = _number(receiving["opus_decode"])
        (memory,) = _table(text, "flash: libopus", chip)
        core["flash"] = _number(memory["flash: libopus"])
        core["ram"] = _number(memory["RAM: libopus"])
        core["stack"] = _number(memory["stack"])
    return {"format": FORMAT, "libopus": version[1], "unit": "instructions", "cores": cores}


def _table(text: str, column: str, chip: str) -> list[dict[str, str]]:
    """Return a chip's rows (our own weights, -O2) of the table that has a column."""
    found = []
    for part in text.split("\n\n"):
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines()]
        if not lines or column not in lines[0]:
            continue
        named = [dict(zip(lines[0], line, strict=True)) for line in lines[2:] if line]
        found += [
            row
            for row in named
            if row["core"].startswith(f"{chip} ")
            and (row["weights"], row["compiled"]) == (OWN, BUILDS[0][0])
        ]
    return found


def _number(cell: str) -> int:
    return int(cell.replace(",", ""))


def main() -> int:
    """Measure, and write the tables into docs/RESULTS.md and libopus' share into its own file."""
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(BEGIN)
    text, _, after = rest.partition(END)
    if sys.argv[1:] != ["--from-results"]:
        text = f"\n{tables()}"
        write_whole(RESULTS, f"{before}{BEGIN}{text}{END}{after}".encode())
    write_whole(FILE, f"{json.dumps(codec_facts(text), indent=1)}\n".encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())

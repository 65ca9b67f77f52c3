# SPDX-License-Identifier: BSD-3-Clause
"""packet.h on emulated Cortex-M: its answers to real, drawn and damaged packets are the host's."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support.fixtures.clocks import PATIENCE_S
from tests.support.opus_packets import KINDS, real_packets
from tests.support.packet_mutations import cases
from tests.support.packet_native import (
    PROGRAM,
    ROOT,
    SOURCES,
    WARNINGS,
    Answer,
    Case,
    build,
    expected,
    read_answers,
    run,
)
from toolkit.targets.sources import INCLUDES

START = ROOT / "tests" / "programs" / "dsp_board" / "start.c"
COUNT = 1500
LOW, SECURE = (
    (0x0, 0x9000, 0x20000000, 0x20070000),
    (0x10000000, 0x10009000, 0x38000000, 0x38070000),
)
# Of each core: QEMU's machine, the compiler's options, and where vectors, code, data and the stack
# are. QEMU's Cortex-M3 runs the code of a Cortex-M0+, which has too little memory there.
BOARDS = {
    "cortex-m0plus": ("mps2-an385", ("-Os", "-mcpu=cortex-m0plus"), LOW),
    "cortex-m4": ("mps2-an386", ("-O2", "-mcpu=cortex-m4", "-mfloat-abi=soft"), LOW),
    "cortex-m33": ("mps2-an505", ("-Os", "-mcpu=cortex-m33", "-mfloat-abi=soft"), SECURE),
}


@pytest.fixture(scope="module")
def vectors() -> list[Case]:
    """Return packets of every kind that libopus made, and drawn and damaged ones."""
    real = [packet for kind in KINDS for packet in real_packets(kind)[::9]]
    sent = [Case(packet, b"redundancy" * 9, len(packet) + 150) for packet in real]
    return [*sent, *cases(23, COUNT, real)]


@pytest.fixture(scope="module")
def on_host(vectors: list[Case], tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """Return the host's answers, which are also those of the reference."""
    answers = run(build(tmp_path_factory.mktemp("packet")), vectors)
    assert answers == [expected(case) for case in vectors]
    kinds = Counter((type(a.found) is bytes and a.found != b"", type(a.added)) for a in answers)
    assert len(kinds) == 4
    assert min(kinds.values()) >= 5  # which they are depends on the version of libopus
    return answers


@pytest.mark.parametrize("core", BOARDS)
def test_a_board_gives_the_hosts_answers(
    core: str, vectors: list[Case], on_host: list[Answer], tmp_path: Path
) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    machine, options, (first, code, data, stack) = BOARDS[core]
    image = tmp_path / "packets.elf"
    link = [f"-Wl,--section-start=.vectors={first:#x}", f"-Wl,-Ttext={code:#x}"]
    link += [f"-Wl,-Tdata={data:#x}", f"-DSTACK={stack:#x}U", "--specs=rdimon.specs"]
    flags = ["-mthumb", *options, *WARNINGS, "-DFILES", *(f"-I{path}" for path in INCLUDES)]
    sources = map(str, [START, PROGRAM, *SOURCES])
    subprocess.run(["arm-none-eabi-gcc", *flags, *link, *sources, "-o", str(image)], check=True)
    (tmp_path / "cases.bin").write_bytes(b"".join(case.to_bytes() for case in vectors))
    command = [
        "qemu-system-arm",
        "-M",
        machine,
        "-nographic",
        "-semihosting",
        "-kernel",
        str(image),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0
    assert read_answers((tmp_path / "answers.bin").read_bytes()) == on_host

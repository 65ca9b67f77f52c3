# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/packet as a program with sanitizers, and the answers that Python expects."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantize.errors import PacketError, PayloadError
from quantize.packet.extension import (
    DRAFTS,
    LIBOPUS_1_6,
    PREFIX_MAX,
    Found,
    Framing,
    insert,
    search,
    strip,
)
from quantize.packet.opus_packet import Packet
from toolkit.common.wire import Status
from toolkit.targets.sources import INCLUDES, room

ROOT = Path(__file__).resolve().parents[2]
SOURCES = room("packet")
PROGRAM = ROOT / "tests" / "programs" / "packet_cases.c"
WARNINGS = (
    *("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"),
    *("-Wundef", "-Wvla", "-Wstrict-prototypes", "-Wmissing-prototypes"),
)
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FRAMINGS = (LIBOPUS_1_6, DRAFTS)


@dataclass(frozen=True)
class Case:
    """One packet and what to do with it. The first framing is the one to add with."""

    packet: bytes
    payload: bytes
    capacity: int  # of the packet's buffer in bytes, at least its length
    framings: Sequence[Framing] = FRAMINGS

    def to_bytes(self) -> bytes:
        sizes = (len(self.packet), self.capacity, len(self.payload), len(self.framings))
        framings = b"".join(map(_framing_bytes, self.framings))
        return struct.pack("<4I", *sizes) + framings + self.packet + self.payload


@dataclass(frozen=True)
class Answer:
    """What all functions say to a case: bytes, or a negative dk_status where there are none."""

    frames: int
    units: int
    frame_offset: int
    framing: int
    other_version: int
    found: bytes | int
    added_bytes: int
    added: bytes | int
    stripped: bytes | int


def expected(case: Case) -> Answer:
    """Return the answer by quantize/packet."""
    added = _or_status(lambda: insert(case.packet, case.payload, case.framings[0]))
    size = added if isinstance(added, int) else len(added)
    if size > case.capacity:
        added = int(Status.OVERRUN)
    stripped = _or_status(lambda: strip(case.packet))
    if isinstance(stripped, int):
        return Answer(stripped, stripped, 0, 0, -1, stripped, size, added, stripped)
    parts = Packet.parse(case.packet)
    offset, framing, version, found = _found(parts, case.framings)
    frames = len(parts.frames)
    return Answer(frames, parts.units, offset, framing, version, found, size, added, stripped)


def _found(parts: Packet, framings: Sequence[Framing]) -> tuple[int, int, int, bytes | int]:
    """Return (frame offset, framing, other version or -1, payload or status)."""
    try:
        seen = search(parts, framings)
    except PacketError as error:
        return 0, 0, -1, error.status
    if isinstance(seen, Found):
        return seen.frame_offset, framings.index(seen.framing), -1, seen.payload
    return 0, 0, -1 if seen is None else seen.version, b""


def _or_status(call: Callable[[], bytes]) -> bytes | int:
    try:
        return call()
    except (PacketError, PayloadError) as error:
        return error.status


def run(program: Path, cases: Iterable[Case]) -> list[Answer]:
    """Return the program's answers; raises AssertionError if a sanitizer or a check stops it."""
    data = b"".join(case.to_bytes() for case in cases)
    done = subprocess.run([str(program)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return read_answers(done.stdout)


def read_answers(data: bytes) -> list[Answer]:
    """Return the answers that a program wrote."""
    answers, at = [], 0
    while at < len(data):
        values: list[bytes | int] = []
        for kind in "iiiiibibb":  # an integer, or a count and so many bytes
            (value,) = struct.unpack_from("<i", data, at)
            at += 4
            if kind == "b" and value >= 0:
                values.append(data[at : at + value])
                at += value
            else:
                values.append(value)
        answers.append(Answer(*values))  # type: ignore[arg-type]
    return answers


def build(folder: Path) -> Path:
    """Compile the program into `folder`."""
    program = folder / "packet_cases"
    flags = [*WARNINGS, "-O1", "-g", *SANITIZE, *(f"-I{path}" for path in INCLUDES)]
    sources = [str(PROGRAM), *map(str, SOURCES)]
    subprocess.run(["gcc", *flags, "-o", str(program), *sources], check=True)
    return program


def differences(program: Path, cases: Sequence[Case]) -> list[tuple[Case, Answer, Answer]]:
    """Return (case, C's answer, Python's) where the two differ."""
    answers = run(program, cases)
    assert len(answers) == len(cases)
    wanted = map(expected, cases)
    return [
        (case, own, want)
        for case, own, want in zip(cases, answers, wanted, strict=True)
        if own != want
    ]


def _framing_bytes(framing: Framing) -> bytes:
    """Return the memory of a dk_packet_framing."""
    prefix = framing.prefix.ljust(PREFIX_MAX, b"\0")
    return bytes([framing.id, len(framing.prefix)]) + prefix

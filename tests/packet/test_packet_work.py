# SPDX-License-Identifier: BSD-3-Clause
"""Any packet is read in a time that is linear in its length: blocks of code are counted, not time.

gcc's coverage calls a function at each basic block, and that function counts.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cffi
import pytest

from quantize.packet.extension import RUN_MAX
from quantize.packet.opus_packet import Packet
from tests.support.packet_native import SOURCES
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import INCLUDES

COUNTER = """\
unsigned long work;
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) { work++; }
"""
FRAMES = 48
CELT_2_5_MS = 16 << 3
A_BYTE, A_CALL = 40, 200  # blocks; a repeated extension of one byte takes 26
# Bytes that mean something at some place: heads of extensions with and without data, lengths.
TELLING = (0, 1, 2, 3, 4, 5, 5, 6, 7, 12, 64, 65, 65, 252, 253, 253, 255)
# Paddings of about n bytes, made to be read more than once.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "short extensions": lambda n: b"\x06" * n,
    "extensions without data, repeated": lambda n: b"\x06" * (n - 1) + b"\x05",
    "the same for a later frame": lambda n: b"\x02" + b"\x06" * (n - 2) + b"\x05",
    "plain padding, repeated": lambda n: b"\x07a" + b"\x01" * (n - 60) + b"\x05" + b"b" * 47,
    "separators that stay": lambda n: b"\x07a" + b"\x03\x00" * (n // 2 - 40) + b"\x05" + b"b" * 47,
    "repeats of nothing": lambda n: b"\x05" * n,
    "repeats without data": lambda n: b"\x06\x05" * (n // 2),
    "repeats of one byte": lambda n: (b"\x07a\x05" + b"b" * 47) * (n // 50),
    "one long length": lambda n: b"\x41" + b"\xff" * (n // 256) + b"\0" + b"x" * (n // 256 * 255),
    "a long one, repeated empty": lambda n: b"\x41\xfe" + b"x" * 254 + b"\x05" + b"\0" * (n - 257),
    "as many as can be repeated": (
        lambda n: b"\x41\0" * RUN_MAX + b"\x05" + b"\0" * (n - 2 * RUN_MAX - 1)
    ),
    "gaps between them": (
        lambda n: (b"\x06" * 40 + b"\x41\0") * (n // 84) + b"\x05" + b"\0" * (n // 2)
    ),
    "more than can be repeated": lambda n: b"\x07a" * (n // 4) + b"\x05" + b"b" * (n // 2),
}


class Counted:
    """The packet functions; each call returns how many blocks it ran."""

    def __init__(self, folder: Path) -> None:
        counter = folder / "counter.c"
        counter.write_text(COUNTER)
        objects = [folder / f"{source.stem}.o" for source in (*SOURCES, counter)]
        for source, made in zip((*SOURCES, counter), objects, strict=True):
            count = [] if source == counter else ["-fsanitize-coverage=trace-pc"]
            command = [
                "gcc",
                "-std=c11",
                "-O1",
                "-fPIC",
                *count,
                *(f"-I{path}" for path in INCLUDES),
            ]
            subprocess.run([*command, "-c", source, "-o", made], check=True)
        library = folder / "counted.so"
        subprocess.run(["gcc", "-shared", *objects, "-o", library], check=True)
        self.ffi = cffi.FFI()
        self.ffi.cdef("extern unsigned long work;\n" + declarations("dredkit/packet.h"))
        self.lib: Any = self.ffi.dlopen(str(library))
        self.found = self.ffi.new("dk_packet_found *")

    def _work(self, call: Callable[..., int], *arguments: Any) -> int:
        before = self.lib.work
        call(*arguments)
        return int(self.lib.work - before)

    def most(self, packet: bytes) -> int:
        """Return the blocks of the costlier of finding and adding."""
        lib, framings = self.lib, self.lib.dk_packet_framings
        find = self._work(lib.dk_packet_find, packet, len(packet), framings, 2, self.found)
        room = self.ffi.new("uint8_t[]", packet + bytes(100))
        framing = self.ffi.addressof(lib, "dk_packet_libopus_1_6")
        add = self._work(lib.dk_packet_add, room, len(packet), len(room), b"p", 1, framing)
        return max(find, add)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Counted:
    return Counted(tmp_path_factory.mktemp("counted"))


def packet(padding: bytes) -> bytes:
    return Packet(CELT_2_5_MS, (b"",) * FRAMES, padding).build()


def test_work_is_counted(counted: Counted) -> None:
    assert counted.most(packet(b"\x06" * 1000)) > 10 * 1000
    assert counted.most(packet(b"")) < A_CALL


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_packets_cost_so_much_a_byte(kind: str, counted: Counted) -> None:
    for size in (600, 1400, 2800, 9000):
        made = packet(HOSTILE[kind](size))
        assert len(made) > size // 2
        assert counted.most(made) <= A_BYTE * len(made) + A_CALL


def test_drawn_packets_cost_no_more(counted: Counted) -> None:
    rng = random.Random(7)
    for _ in range(3000):
        few = rng.choices(TELLING, k=rng.randrange(1, 5))
        body = bytes(rng.choices(few, k=rng.randrange(1, 300)))
        made = packet(body + rng.choice((b"", b"\x04", b"\x05")) + bytes(rng.randrange(300)))
        assert counted.most(made) <= A_BYTE * len(made) + A_CALL, made.hex()

# SPDX-License-Identifier: BSD-3-Clause
"""Fuzz the packet functions: `python -m tests.fuzz.packets --seconds 600`.

Half of the time, libFuzzer runs tests/fuzz/packet_fuzz.c with the address and undefined-behaviour
sanitizers, from a corpus of real, drawn and damaged packets that grows in build/fuzz/. In the other
half, drawn packets go through C and Python, which must agree (tests/support/packet_native.py). The
exit code is 0 if nothing was found, and 1 if an input failed; it is kept in build/fuzz/.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from quantize.packet.extension import insert
from tests.fuzz.run import compile_target, find_clang, run_target
from tests.support.opus_packets import KINDS, real_packets
from tests.support.packet_mutations import cases
from tests.support.packet_native import SOURCES, build, differences
from toolkit.common.paths import BUILD

SEEDS = 300
LONGEST = 1400  # bytes of an input: about what a network carries
CASES = 3000  # that are compared at once


def seeds() -> Iterator[bytes]:
    """Yield packets of every kind, with and without a payload, and drawn ones."""
    for name in KINDS:
        for packet in real_packets(name)[3:9:3]:
            yield packet
            yield insert(packet, b"payload")
    yield from (case.packet for case in cases(1, SEEDS))


def make_corpus(folder: Path) -> int:
    """Write one file per seed: a byte for the length of the payload, then the packet."""
    folder.mkdir(parents=True, exist_ok=True)
    packets = [packet for packet in seeds() if len(packet) < LONGEST]
    for i, packet in enumerate(packets):
        (folder / f"seed{i:04d}").write_bytes(bytes([17 * i % 256]) + packet)
    return len(packets)


def fuzz(folder: Path, clang: str, limit: str) -> subprocess.CompletedProcess[str]:
    """Build, make the corpus and run; stderr has libFuzzer's report, `folder` its finds.

    `limit` is libFuzzer's option that ends the run: -runs=N or -max_total_time=SECONDS.
    """
    corpus, target = folder / "packets", folder / "packet_fuzz"
    make_corpus(corpus)
    compile_target(clang, target, [Path(__file__).with_name("packet_fuzz.c"), *SOURCES])
    return run_target(target, corpus, limit, LONGEST)


def compare(folder: Path, seconds: int) -> int:
    """Compare C with Python for so long; returns how many cases agreed, or -1 after a difference.

    The first case that differs is kept in `folder` as `differs`: the input of the C program.
    """
    program = build(folder)
    real = [packet for name in KINDS for packet in real_packets(name)[::5]]
    end, seed = time.monotonic() + seconds, time.time_ns()
    count = 0
    while count == 0 or time.monotonic() < end:
        drawn = list(cases(seed, CASES, real))
        found = differences(program, drawn)
        if found:
            case, own, wanted = found[0]
            (folder / "differs").write_bytes(case.to_bytes())
            print(f"seed {seed}: {case}\nC says      {own}\nPython says {wanted}")
            return -1
        count, seed = count + len(drawn), seed + 1
    return count


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Fuzz the packet functions.")
    parser.add_argument("--seconds", type=int, default=600)
    seconds = int(parser.parse_args().seconds)
    clang = find_clang()
    if clang is None:
        print("no clang with libFuzzer: apt-get install clang libclang-rt-dev", file=sys.stderr)
        return 2
    folder = BUILD / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    done = fuzz(folder, clang, f"-max_total_time={max(1, seconds // 2)}")
    print("\n".join(done.stderr.splitlines()[-12:]))
    if done.returncode:
        return 1
    count = compare(folder, seconds - seconds // 2)
    if count < 0:
        return 1
    print(f"{count} packets: C and Python agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-3-Clause
"""Fuzz the payload parser: `python -m tests.fuzz.run --seconds 600`.

Builds tests/fuzz/payload_fuzz.c with clang's libFuzzer and the address and undefined-behaviour
sanitizers, makes a seed corpus and runs the fuzzer. The seeds come from our own writer, and from
libopus' payloads if the folder of golden data is present (DREDKIT_UPSTREAM, or ../shared/opus-1.6).
The corpus grows in build/fuzz/ from run to run. The exit code is 0 if nothing was found, and 1 if
an input failed; that input is kept in build/fuzz/.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from quantize.dred.payload import MAX_BYTES, Header, write_symbols
from quantize.dred.tables import DEADZONE, DECAY, P_ZERO, SCALE, EntropyTables
from quantize.errors import InputError
from tests.support.dred_native import SOURCES
from toolkit.codegen.constants.stats import entropy_source
from toolkit.common.paths import BUILD, ROOT
from toolkit.targets.sources import INCLUDES

SEEDS = 200
SANITIZE = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]


def find_clang() -> str | None:
    """Return a clang that has libFuzzer's runtime, or None."""
    for name in ("clang", "clang-14"):
        path = shutil.which(name)
        if path is None:
            continue
        asked = subprocess.run([path, "-print-runtime-dir"], capture_output=True, text=True)
        if any(Path(asked.stdout.strip()).glob("libclang_rt.fuzzer*")):
            return path
    return None


def golden_folder() -> Path | None:
    """Return the folder of golden data, which is not part of the repository, or None."""
    named = os.environ.get("DREDKIT_UPSTREAM")
    folder = (Path(named) if named else ROOT.parent / "shared" / "opus-1.6") / "golden"
    return folder if (folder / "dred_stats_tables.u8").is_file() else None


def fuzz_tables(golden: Path | None) -> EntropyTables:
    """Return the tables that the corpus's payloads are written with, such as the target uses."""
    if golden is not None:
        tables = EntropyTables.from_bytes((golden / "dred_stats_tables.u8").read_bytes())
        latents, states = tables.latents.copy(), tables.states.copy()
    else:
        rng = np.random.default_rng(0)
        latents, states = (rng.integers(1, 256, (4, 16, n)).astype(np.uint8) for n in (25, 50))
        for table in (latents, states):  # rising levels cost less; the last four are random
            for level in range(12):
                table[DECAY, level], table[P_ZERO, level] = 120 - 8 * level, 60 + 15 * level
    for table in (latents, states):
        table[SCALE], table[DEADZONE] = 128, 0
    return EntropyTables(latents, states)


def own_payloads(tables: EntropyTables) -> Iterator[bytes]:
    """Yield payloads of our own writer: every level, law and depth, likely and unlikely symbols."""
    rng = np.random.default_rng(1)
    for _ in range(SEEDS):
        q0, dq = int(rng.integers(16)), int(rng.integers(8))
        qmax = int(rng.integers(q0 + 1, 16)) if q0 < 14 and dq > 0 else 15
        header = Header(q0, dq, qmax, int(rng.choice([10, 2, -6, -200, -8175, 16])))
        spread = rng.choice([0.3, 1.0, 20.0])

        def symbols(table: np.ndarray, level: int, spread: float = spread) -> np.ndarray:
            sent = (table[DECAY, level] != 0) & (table[P_ZERO, level] != 255)
            return np.where(sent, rng.laplace(0, spread, sent.shape).astype(np.int64), 0)

        count = int(rng.integers(27))
        state = symbols(tables.states, q0)
        chunks = [symbols(tables.latents, header.level(c)) for c in range(count)]
        try:
            yield write_symbols(tables, header, state, chunks)
        except InputError:
            continue  # more than a payload holds


def golden_payloads(golden: Path) -> Iterator[bytes]:
    """Yield libopus' payloads."""
    for name in "abc":
        data = (golden / f"pkt_{name}_payload.bin").read_bytes()
        at = 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "little")
            if size:
                yield data[at + 4 : at + 4 + size]
            at += 4 + size


def make_corpus(folder: Path, tables: EntropyTables, golden: Path | None) -> int:
    """Write one file per seed: a byte for the receiver's depth, then the payload."""
    folder.mkdir(parents=True, exist_ok=True)
    payloads = list(own_payloads(tables))
    if golden is not None:
        payloads += list(golden_payloads(golden))[::7]
    for i, payload in enumerate(payloads):
        (folder / f"seed{i:04d}").write_bytes(b"\x1a" + payload)
    return len(payloads)


def build(folder: Path, clang: str, tables: EntropyTables) -> Path:
    """Compile the target into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    source, target = folder / "model_tables.c", folder / "payload_fuzz"
    source.write_text(entropy_source(tables))
    here = Path(__file__).resolve().parent
    compile_target(clang, target, [here / "payload_fuzz.c", source, *SOURCES])
    return target


def compile_target(clang: str, target: Path, sources: Sequence[Path]) -> None:
    """Compile a program with libFuzzer and the sanitizers."""
    flags = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror", *SANITIZE]
    flags += [f"-I{path}" for path in INCLUDES]
    subprocess.run([clang, *flags, "-o", str(target), *map(str, sources)], check=True)


def run_target(
    target: Path, corpus: Path, limit: str, longest: int
) -> subprocess.CompletedProcess[str]:
    """Run a program of libFuzzer on inputs of up to `longest` bytes; its finds lie beside it."""
    options = [limit, f"-max_len={longest}", "-print_final_stats=1"]
    return subprocess.run(
        [str(target), *options, f"-artifact_prefix={target.parent}/", str(corpus)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def fuzz(folder: Path, clang: str, limit: str) -> subprocess.CompletedProcess[str]:
    """Build, make the corpus and run; stderr has libFuzzer's report, `folder` its finds.

    `limit` is libFuzzer's option that ends the run: -runs=N or -max_total_time=SECONDS.
    """
    golden = golden_folder()
    tables = fuzz_tables(golden)
    target = build(folder, clang, tables)
    corpus = folder / ("corpus_golden" if golden else "corpus")
    make_corpus(corpus, tables, golden)
    return run_target(target, corpus, limit, MAX_BYTES + 2)


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Fuzz the payload parser.")
    parser.add_argument("--seconds", type=int, default=600)
    seconds = int(parser.parse_args().seconds)
    clang = find_clang()
    if clang is None:
        print("no clang with libFuzzer: apt-get install clang libclang-rt-dev", file=sys.stderr)
        return 2
    done = fuzz(BUILD / "fuzz", clang, f"-max_total_time={seconds}")
    print("\n".join(done.stderr.splitlines()[-12:]))
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())

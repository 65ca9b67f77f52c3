# SPDX-License-Identifier: BSD-3-Clause
"""Fuzz what opens weights blobs: `python -m tests.fuzz.weights --seconds 600`.

Mutates the blob of a small model, whose checksum is corrected, and runs what opens. With clang's
libFuzzer this goes on for the given time and keeps its corpus in build/fuzz/. `quick` runs a fixed
number of mutations under gcc's sanitizers instead. The exit code is 0 if nothing was found.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.run import SANITIZE, find_clang
from tests.support.weights_library import small_parts, write_sources
from toolkit.codegen.blob.parts import ISAS, Parts
from toolkit.codegen.blob.write import write_blob
from toolkit.common.paths import BUILD
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, room

TARGET: Final = Path(__file__).resolve().parent / "weights_fuzz.c"
_WARNINGS: Final = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_GCC: Final = ("gcc", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build(parts: Parts, folder: Path, *command: str) -> Path:
    """Compile the target with `command` for the ISA of `parts`; portable kernels run."""
    sources = write_sources(parts, folder, linked=False)
    (folder / "fuzz_matrices.h").write_text(_matrices(parts), encoding="utf-8")
    program = folder / "weights_fuzz"
    flags = [*_WARNINGS, PORTABLE_FLAG, f"-DDK_BLOB_ISA={ISAS.index(parts.isa)}"]
    flags += [f"-I{path}" for path in (*INCLUDES, folder)]
    files = [TARGET, *sources, *room("dred")]
    subprocess.run([*command, *flags, "-o", str(program), *map(str, files)], check=True)
    return program


def _matrices(parts: Parts) -> str:
    """Return the header that lists every int8 matrix of a model by its place in the struct."""
    found = []
    for network in parts.networks:
        graph = network.model.graph
        for node in graph.nodes:
            for shape in node.matrices:
                if not network.matrices[shape.name].matrix.is_wide:
                    part = shape.name.removeprefix(node.name).replace("_", ".")
                    found.append(f"{graph.name}.{node.name}{part}")
    listed = " ".join(f"X({name})" for name in found)
    return f"#define FUZZ_MATRICES(X) {listed}\n"


def quick(isa: str, folder: Path, runs: int) -> str:
    """Run a fixed number of mutations; return what the program says.

    Raises CalledProcessError if a sanitizer or a check of the target stops it.
    """
    parts = small_parts(isa)
    program = build(parts, folder, *_GCC, "-DDK_FUZZ_MAIN")
    (folder / "weights.dkw").write_bytes(write_blob(parts))
    command = [str(program), str(folder / "weights.dkw"), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr[-3000:])
    return done.stdout


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Fuzz what opens weights blobs.")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--isa", choices=ISAS, default="c")
    options = parser.parse_args()
    clang = find_clang()
    if clang is None:
        print("no clang with libFuzzer: apt-get install clang libclang-rt-dev", file=sys.stderr)
        return 2
    folder = BUILD / "fuzz" / f"weights-{options.isa}"
    parts = small_parts(options.isa)
    program = build(parts, folder, clang, "-O1", "-g", *SANITIZE)
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    blob = write_blob(parts)
    (corpus / "seed").write_bytes(blob)
    limits = [f"-max_total_time={options.seconds}", f"-max_len={len(blob)}"]
    command = [str(program), *limits, f"-artifact_prefix={folder}/", str(corpus)]
    return int(subprocess.run(command, check=False).returncode != 0)


if __name__ == "__main__":
    sys.exit(main())

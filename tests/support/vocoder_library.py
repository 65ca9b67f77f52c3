# SPDX-License-Identifier: BSD-3-Clause
"""The C of firmware/dredkit/vocoder for cffi; undefined behaviour traps."""

import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from toolkit.device.build.declarations import declarations, prototypes
from toolkit.targets.sources import INCLUDES, LIBRARY, PORTABLE_FLAG, room

# The sources that every voice needs besides its own file.
SHARED = (
    LIBRARY / "vocoder" / "synthesis.c",
    *room("dsp"),
    *(LIBRARY / "features" / f"features_{part}.c" for part in ("pitch", "tables")),
)
Array = npt.NDArray[Any]


def build(
    folder: Path, sources: tuple[Path, ...], text: str, *headers: str
) -> tuple[cffi.FFI, Any]:
    """Compile firmware sources and a test's own C text; return cffi and the library.

    cffi learns what `headers` declare and which functions the text defines.
    """
    library = folder / "vocoder.so"
    own = folder / "own.c"
    own.write_text(text)
    subprocess.run(
        ["gcc", "-std=c11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wconversion"]
        + ["-Werror", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
        + [PORTABLE_FLAG, *(f"-I{path}" for path in INCLUDES)]
        + ["-o", str(library), str(own)]
        + [str(source) for source in sources],
        check=True,
    )
    ffi = cffi.FFI()
    ffi.cdef(declarations(*headers))
    ffi.cdef(prototypes(text))
    return ffi, ffi.dlopen(str(library))


def garbage(rng: np.random.Generator, frames: int) -> Array:
    """Return int16 features [kinds * frames, 20] that no speech has."""
    shape = (frames, 20)
    rails = np.array([-32768, 32767])
    n = np.arange(20)
    kinds = [
        rng.integers(-32768, 32768, shape),
        rng.choice(rails, shape),
        rng.choice(np.array([-32768, -1, 0, 1, 32767]), shape),
        np.where(n % 2, 32767, -32768) * rng.choice([1, -1], (frames, 1)),
        np.full(shape, 32767),
        np.full(shape, -32768),
        np.zeros(shape),
        np.where(n[None] == rng.integers(0, 20, (frames, 1)), rng.choice(rails, shape), 0),
        # The logarithms of a comb, of one loud band and of one quiet band.
        np.where(n[None] == 17, 32767, 8000),
        np.rint(4096 * np.cos(np.pi * n[None] * (rng.integers(0, 18, (frames, 1)) + 0.5) / 18)),
        np.rint(-4096 * np.cos(np.pi * n[None] * (rng.integers(0, 18, (frames, 1)) + 0.5) / 18)),
        rng.normal(0, 1 << 10, shape) * rng.integers(1, 30, shape),
    ]
    return np.concatenate([np.clip(kind, -32768, 32767) for kind in kinds]).astype(np.int16)

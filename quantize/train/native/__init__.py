# SPDX-License-Identifier: BSD-3-Clause
"""The C loops of training, compiled for this machine on first use and called by cffi."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import cffi

from quantize.errors import InputError

_FOLDER = Path(__file__).parent
_FLAGS = (
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-std=gnu11",
    "-Wno-psabi",
    "-shared",
    "-fPIC",
    "-Wl,-Bsymbolic",
)
_DECLARATIONS = """
int gru_forward(int steps, int batch, int units, int hop, const float *cond, const float *dense,
                const uint8_t *index, const float *tables, const float *u, const float *bias,
                float *h, float *saved);
int gru_backward(int steps, int batch, int units, int hop, const float *dh, const uint8_t *index,
                 const float *u, const float *h, const float *saved, float *drec, float *dcond,
                 float *ddense, float *dtables);
int product(size_t rows, int left_width, int right_width, const float *left, const float *right,
            float *sum, float *columns);
double tree_loss(int count, int units, const float *x, const uint8_t *target, const float *w,
                 const float *b, const float *a, float *dx, float *dw, float *db, float *da);
void teacher(int steps, int batch, int hop, const float *signal, const float *lpc,
             const int8_t *noise, uint8_t *index, uint8_t *target);
double spectral_distance(int batch, int samples, int window, int hop, const float *got,
                         const float *want, const float *weight, float *dgot);
"""


def _shared(header: str) -> str:
    """Return what a header shares with Python: what lies between its two lines that say so."""
    text = (_FOLDER / header).read_text(encoding="utf-8")
    return text.split("// Python reads from here on.\n")[1].split("// Python reads up to here.")[0]


ffi = cffi.FFI()
ffi.cdef(_DECLARATIONS)
ffi.cdef(_shared("fargan.h"))


def _processor() -> str:
    """Return what -march=native depends on, so that no library meets a processor it is not for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.lower().startswith(("flags", "features")))
    except (OSError, StopIteration):
        return platform.processor()


@functools.cache
def library() -> Any:
    """Return the loaded library; it is built once per source and processor.

    Raises InputError where there is no C compiler or it does not take the source.
    """
    sources = sorted(_FOLDER.glob("*.c"))
    contents = [path.read_text() for path in (*sources, *sorted(_FOLDER.glob("*.h")))]
    text = "\n".join((*contents, *_FLAGS, platform.machine(), _processor()))
    name = f"dredkit-train-{hashlib.sha256(text.encode()).hexdigest()[:16]}.so"
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dredkit"
    built = folder / name
    if not built.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / name
            compiler = os.environ.get("CC", "gcc")
            command = [compiler, *_FLAGS, *map(str, sources), "-o", str(made), "-lm"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                raise InputError(f"{compiler} is missing: training compiles C") from None
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise InputError(f"{compiler} does not compile {_FOLDER.name}/*.c: {last}")
            made.replace(built)
    return ffi.dlopen(str(built))

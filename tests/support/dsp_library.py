# SPDX-License-Identifier: BSD-3-Clause
"""The C of firmware/dredkit/dsp and features as numpy functions; undefined behaviour traps."""

import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from quantize.dsp import resample
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, signal_files

HEADERS = [
    *(f"dsp/{name}.h" for name in ("fft", "lpc", "correlate", "normalise", "spans", "window")),
    *("dsp/filter.h", "dsp/resample.h", "dsp/scalar.h", "features/features.h"),
]
INCLUDE_FLAGS = [f"-I{path}" for path in INCLUDES]
Array = npt.NDArray[Any]


class DspLibrary:
    """The C functions, on numpy arrays."""

    def __init__(self, folder: Path) -> None:
        library = folder / "dsp.so"
        subprocess.run(
            ["gcc", "-std=c11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wconversion"]
            + ["-Werror", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
            + [*INCLUDE_FLAGS, PORTABLE_FLAG, "-o", str(library)]
            + [str(source) for source in signal_files()],
            check=True,
        )
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations(*HEADERS))
        self.lib: Any = self.ffi.dlopen(str(library))

    def pointer(self, array: Array) -> Any:
        """Return a C pointer to the array's data."""
        kind = {"int16": "int16_t *", "int32": "int32_t *"}[array.dtype.name]
        return self.ffi.cast(kind, array.ctypes.data)

    def call(self, name: str, values: Array, size: int, *rest: Any, kind: str = "int32") -> Array:
        """Call name(values, *rest, out) and return `out`, an array of `size` integers."""
        out = np.zeros(size, kind)
        data = np.ascontiguousarray(values)
        # A void pointer also takes an output of structs: the FFT's bins are pairs of int32.
        target = self.ffi.cast("void *", out.ctypes.data)
        getattr(self.lib, name)(self.pointer(data), *rest, target)
        return out

    def analyse(
        self, pcm: Array, scores: Array, scores_frac: int, frac: int
    ) -> tuple[Array, Array, Array]:
        """Return phases [frames, 88], lags [frames, 224] and features [frames, 20] of a signal."""
        state = self.ffi.new("dk_features *")
        self.lib.dk_features_init(state)
        frames = len(pcm) // 160
        phases, lags = np.zeros((frames, 88), np.int16), np.zeros((frames, 224), np.int16)
        out = np.zeros((frames, 20), np.int16)
        for t in range(frames):
            frame = np.ascontiguousarray(pcm[160 * t : 160 * t + 160])
            self.lib.dk_features_analyse(
                state, self.pointer(frame), self.pointer(phases[t]), self.pointer(lags[t])
            )
            row = np.ascontiguousarray(scores[t])
            self.lib.dk_features_finish(
                state, self.pointer(row), scores_frac, frac, self.pointer(out[t])
            )
        return phases, lags, out

    def resample(self, pcm: Array, rate: int) -> Array:
        """Return the signal at 16 kHz, in whole blocks of 10 ms.

        Raises ValueError for a rate that C refuses.
        """
        state = self.ffi.new("dk_resampler *")
        if self.lib.dk_resampler_init(state, rate) != 0:
            raise ValueError(rate)
        size = rate // 100
        out = np.zeros((len(pcm) // size, resample.BLOCK), np.int16)
        for t, row in enumerate(out):
            block = np.ascontiguousarray(pcm[size * t : size * t + size])
            self.lib.dk_resample(state, self.pointer(block), self.pointer(row))
        return out.reshape(-1)

# SPDX-License-Identifier: BSD-3-Clause
"""The C of firmware/dredkit/dsp and the features, built with trapping sanitizers, as numpy functions."""

import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from quantize.dsp import resample
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG, signal_files

INCLUDE_FLAGS = [f"-I{path}" for path in INCLUDES]
CDEF = """
int32_t dk_log2(uint64_t x);
uint32_t dk_exp2(uint32_t fraction);
uint32_t dk_rsqrt(uint32_t mantissa);
void dk_real_fft(int32_t *x, int32_t *bins);
void dk_levinson(const int32_t *lags, int32_t *lpc);
int32_t dk_energy16(const int16_t *x, size_t count);
void dk_correlate16(const int16_t *now, const int16_t *past, int32_t *dots);
void dk_normalise16(const int16_t *past, uint32_t energy, const int32_t *dots, int16_t *out);
uint32_t dk_peak32(const int32_t *x, size_t count);
uint64_t dk_energy32(const int32_t *x, size_t count, int down);
int64_t dk_dot32(const int32_t *a, const int32_t *b, size_t count, int down);
void dk_scale16(const int32_t *x, size_t count, int shift, int16_t *y);
void dk_emphasise(const int16_t *x, size_t count, int32_t *y);
void dk_window(int32_t *x, size_t count, const int32_t *rising, int up);
void dk_filter(const int32_t *taps, const int16_t *x, size_t count, int32_t *y);
void dk_echo(const int32_t *x, size_t count, int32_t factor, int32_t *y);
int dk_resampler_init(void *resampler, uint32_t rate);
void dk_resample(void *resampler, const int16_t *in, int16_t *out);
void dk_features_init(void *features);
void dk_features_analyse(void *features, const int16_t *pcm, int16_t *phases, int16_t *lags);
void dk_features_finish(const void *features, const int16_t *scores, unsigned scores_frac,
                        unsigned frac, int16_t *out);
void dk_features_autocorrelation(const int32_t *logs, int32_t *lags);
void dk_features_predictor(const int32_t *logs, int32_t *taps);
void dk_features_lags(const int32_t *span, int16_t *out);
int32_t dk_features_pitch(const int16_t *scores, unsigned frac);
uint32_t dk_features_period(int32_t octaves);
int32_t dk_features_voicing(const int32_t *now, const int32_t *past);
int32_t dk_features_voicing_curve(int32_t c);
"""
STATE_BYTES = 8192  # more than any state here
Array = npt.NDArray[Any]


class DspLibrary:
    """The C functions; arrays go in and come out as numpy."""

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
        self.ffi.cdef(CDEF)
        self.lib: Any = self.ffi.dlopen(str(library))

    def pointer(self, array: Array) -> Any:
        """A C pointer to the array's data."""
        kind = {"int16": "int16_t *", "int32": "int32_t *"}[array.dtype.name]
        return self.ffi.cast(kind, array.ctypes.data)

    def call(self, name: str, values: Array, size: int, *rest: Any, kind: str = "int32") -> Array:
        """name(values, *rest, out) with an output of `size` integers."""
        out = np.zeros(size, kind)
        data = np.ascontiguousarray(values)
        getattr(self.lib, name)(self.pointer(data), *rest, self.pointer(out))
        return out

    def analyse(
        self, pcm: Array, scores: Array, scores_frac: int, frac: int
    ) -> tuple[Array, Array, Array]:
        """Phases [frames, 88], lags [frames, 224] and features [frames, 20] of a signal."""
        state = self.ffi.new("char[]", STATE_BYTES)
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
        """The signal at 16 kHz, whole blocks of 10 ms; ValueError for a rate that C refuses."""
        state = self.ffi.new("char[]", STATE_BYTES)
        if self.lib.dk_resampler_init(state, rate) != 0:
            raise ValueError(rate)
        size = rate // 100
        out = np.zeros((len(pcm) // size, resample.BLOCK), np.int16)
        for t, row in enumerate(out):
            block = np.ascontiguousarray(pcm[size * t : size * t + size])
            self.lib.dk_resample(state, self.pointer(block), self.pointer(row))
        return out.reshape(-1)

# SPDX-License-Identifier: BSD-3-Clause
"""Between 16 and 48 kHz: the filter's stated pass-band, no shift in time, and C equal to numpy."""

import subprocess
from typing import Any

import cffi
import numpy as np
import pytest

from quantize.dsp.thirds import REACH, TAP_FRAC, TAPS, UP, downsample_end, upsample
from quantize.integer import Ints
from tests.support.dred_native import WARNINGS
from toolkit.device.build.declarations import declarations
from toolkit.targets.sources import INCLUDES, LIBRARY

SIGNALS = {
    "noise": np.random.default_rng(1).integers(-32768, 32768, 3 * 400),
    "full scale": np.where(np.random.default_rng(2).integers(0, 2, 3 * 400) > 0, 32767, -32768),
    "ramp": np.linspace(-32768, 32767, 3 * 400).astype(np.int64),
}


def response() -> tuple[Ints, Ints]:
    """Return the filter's gain in dB at frequencies in Hz, 1 in the pass-band."""
    taps = np.zeros(2 * UP * REACH + 1)
    taps[UP * REACH] = 1
    distance = UP * np.arange(1 - REACH, REACH + 1) - 1
    for sign in (1, -1):
        taps[UP * REACH + sign * distance] = TAPS / 2.0**TAP_FRAC
    gain = np.abs(np.fft.rfft(taps, 1 << 15)) / UP
    return np.asarray(np.fft.rfftfreq(1 << 15) * 48000), 20 * np.log10(gain + 1e-9)


def test_the_pass_band_is_as_stated() -> None:
    frequency, gain = response()
    assert np.abs(gain[frequency <= 7000]).max() < 0.1
    assert abs(gain[np.searchsorted(frequency, 8000)] + 6.02) < 0.1
    assert gain[frequency >= 9000].max() < -50
    assert np.abs(TAPS).sum() << 15 < (1 << 31) - (1 << 13)  # a sum of products fits int32


@pytest.mark.parametrize("hertz", [0, 150, 3000, 6500])
def test_there_and_back_nothing_moves(hertz: int) -> None:
    wave = 9000 * np.cos(2 * np.pi * hertz * np.arange(3 * 400) / 48000 + 0.4)
    signal = np.rint(wave).astype(np.int64)
    low = downsample_end(signal, 380)
    error = np.abs(low - signal[::3][-380:])
    assert error[:-REACH].max() <= 100  # .1 dB
    assert error.max() <= 100 + hertz // 4  # the end is a guess
    high = upsample(low)
    assert high[::3].tolist() == low[REACH:-REACH].tolist()
    inside = signal[-3 * 380 :][3 * REACH : -3 * REACH]
    assert np.abs(high - inside)[: -3 * REACH].max() <= 200


def test_a_constant_stays() -> None:
    for level in (-32768, -1, 0, 5, 32767):
        constant = np.full(3 * 60, level, np.int64)
        assert set(upsample(constant[:60]).tolist()) == {level}
        assert set(downsample_end(constant, 40).tolist()) == {level}


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    library = tmp_path_factory.mktemp("thirds") / "thirds.so"
    flags = [
        "-O1",
        "-shared",
        "-fPIC",
        "-fsanitize=undefined",
        "-fsanitize-undefined-trap-on-error",
    ]
    files = [LIBRARY / "dsp" / f"{name}.c" for name in ("thirds", "scalar", "tables")]
    command = ["gcc", *WARNINGS, *flags, *(f"-I{path}" for path in INCLUDES)]
    subprocess.run([*command, "-o", str(library), *map(str, files)], check=True)
    ffi = cffi.FFI()
    ffi.cdef(declarations("dsp/thirds.h"))
    return ffi, ffi.dlopen(str(library))


@pytest.mark.parametrize("name", SIGNALS)
def test_c_equals_numpy(name: str, native: tuple[Any, Any]) -> None:
    ffi, lib = native
    signal = SIGNALS[name]
    memory = ffi.new("int16_t[]", signal.tolist())
    out = ffi.new("int16_t[]", len(signal) * 3)
    count = len(signal) - 2 * REACH
    lib.dk_thirds_up(memory, count, out)
    assert list(out)[: 3 * count] == upsample(signal).tolist()
    for count in (1, 160, 388):
        low = ffi.new("int16_t[]", count)
        lib.dk_thirds_down_end(memory + len(signal), count, count, low)
        assert list(low) == downsample_end(signal, count).tolist()

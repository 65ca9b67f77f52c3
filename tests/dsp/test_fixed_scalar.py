# SPDX-License-Identifier: BSD-3-Clause
"""The integer logarithm, exponential, reciprocal root and FFT against floating point."""

import numpy as np
import pytest

from quantize.dsp import fft, scalar

RNG = np.random.default_rng(5)


def test_log2_is_within_its_bound_over_the_whole_range() -> None:
    wide = np.floor(2.0 ** RNG.uniform(0, 62.9, 50000)).astype(np.int64)
    x = np.concatenate([np.arange(1, 5000), wide, [2**63 - 1, 2**62, 2**32, 2**32 - 1]])
    error = scalar.log2(x) / 2.0**scalar.LOG_FRAC - np.log2(x.astype(np.float64))
    assert np.abs(error).max() < 3e-5


def test_log2_never_falls() -> None:
    assert (np.diff(scalar.log2(np.arange(1, 1 << 17))) >= 0).all()


def test_exp2_is_within_its_bound() -> None:
    x = np.arange(0, 1 << 24, 13)
    mantissa = scalar.exp2(x)
    assert mantissa.min() > (1 << 30) - (1 << 14)
    assert mantissa.max() < 1 << 31
    assert np.abs(mantissa / 2.0**30 / 2.0 ** (x / 2.0**24) - 1).max() < 1.1e-5


def test_rsqrt_is_within_its_bound_and_range() -> None:
    m = np.concatenate([RNG.integers(1 << 30, 1 << 32, 100000), [1 << 30, (1 << 32) - 1, 1 << 31]])
    root = scalar.rsqrt(m)
    assert root.min() >= 1 << 30
    assert root.max() <= 1 << 31
    assert np.abs(root / 2.0**46 * np.sqrt(m) - 1).max() < 6e-8


@pytest.mark.parametrize("x", [0, 1, 2, 3, 255, 256, 2**31 - 1, 2**31, 2**62, 2**63 - 1])
def test_bit_length_is_pythons(x: int) -> None:
    assert scalar.bit_length(np.array([x]))[0] == x.bit_length()


def test_rounding_is_half_up() -> None:
    x = np.array([-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6])
    assert scalar.rounded(x, 2).tolist() == np.floor(x / 4 + 0.5).tolist()
    assert scalar.shifted(x, np.asarray(2)).tolist() == np.floor(x / 4 + 0.5).tolist()
    assert scalar.shifted(x, np.asarray(-3)).tolist() == (8 * x).tolist()
    assert scalar.shifted(x, np.asarray(0)).tolist() == x.tolist()


def test_the_fft_of_noise_is_numpys_within_rounding() -> None:
    x = RNG.integers(-(1 << 22), (1 << 22) + 1, (100, 320))
    re, im = fft.real_fft(x)
    error = re + 1j * im - np.fft.rfft(x)
    assert np.abs(error).max() < 20
    assert np.sqrt((np.abs(error) ** 2).mean()) < 5


def test_the_fft_of_every_extreme_tone_stays_within_int32() -> None:
    n = np.arange(320)
    tones = [np.sign(np.cos(2 * np.pi * k * n / 320 + 0.01)) for k in range(161)]
    re, im = fft.real_fft(np.array(tones, np.int64) << 22)
    assert max(np.abs(re).max(), np.abs(im).max()) < 2**30.4


def test_the_fft_of_one_sample_is_flat() -> None:
    re, im = fft.real_fft(np.eye(320, dtype=np.int64) << 20)
    assert np.abs(np.hypot(re, im) - (1 << 20)).max() < 3

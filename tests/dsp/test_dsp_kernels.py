# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/dsp against quantize/dsp, to the bit; undefined behaviour traps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.dsp import correlation, fft, lpc, resample, scalar
from quantize.features import pitch
from tests.support.dsp_library import DspLibrary
from toolkit.codegen.constants import dsp as dsp_tables
from toolkit.targets.sources import LIBRARY

RNG = np.random.default_rng(8)


@pytest.fixture(scope="module")
def dsp(tmp_path_factory: pytest.TempPathFactory) -> DspLibrary:
    return DspLibrary(tmp_path_factory.mktemp("dsp"))


@pytest.mark.parametrize("name", dsp_tables.files())
def test_tables_are_those_of_the_model(name: str) -> None:
    assert (LIBRARY / name).read_text() == dsp_tables.files()[name]


def test_log2(dsp: DspLibrary) -> None:
    x = np.concatenate([np.arange(1, 3000), np.floor(2.0 ** RNG.uniform(0, 62.9, 3000))])
    x = np.concatenate([x.astype(np.int64), [2**63 - 1, 2**32 - 1, 2**32]])
    assert [dsp.lib.dk_log2(int(v)) for v in x] == scalar.log2(x).tolist()


def test_exp2(dsp: DspLibrary) -> None:
    x = np.concatenate([RNG.integers(0, 1 << 24, 5000), [0, (1 << 24) - 1]])
    assert [dsp.lib.dk_exp2(int(v)) for v in x] == scalar.exp2(x).tolist()


def test_rsqrt(dsp: DspLibrary) -> None:
    edges = [1 << 30, (1 << 32) - 1, 1 << 31, 63 << 26, (63 << 26) - 1]
    m = np.concatenate([RNG.integers(1 << 30, 1 << 32, 5000), edges])
    assert [dsp.lib.dk_rsqrt(int(v)) for v in m] == scalar.rsqrt(m).tolist()


def fft_inputs() -> np.ndarray:
    n = np.arange(320)
    top = 1 << 22
    rows = [np.full(320, top), np.where(n % 2, top, -top), np.zeros(320), (n == 317) * top]
    rows += [np.sign(np.cos(2 * np.pi * k * n / 320 + 0.3)) * top for k in range(0, 161, 8)]
    rows += list(RNG.integers(-top, top + 1, (20, 320)))
    return np.array(rows).astype(np.int64)


def test_fft(dsp: DspLibrary) -> None:
    x = fft_inputs()
    re, im = fft.real_fft(x)
    for row, want_re, want_im in zip(x, re, im, strict=True):
        z = dsp.call("dk_real_fft", row.astype(np.int32), 320).reshape(160, 2)
        assert z[:, 0].tolist() == want_re[:160].tolist()
        assert z[:, 1].tolist() == want_im[:160].tolist()


def levinson_inputs() -> np.ndarray:
    """Return lags of real spectra and impossible ones: random lags, and lags of equal size."""
    top = (1 << 30) - 1
    spectra = RNG.uniform(0, 1, (60, 161)) ** RNG.integers(1, 60, (60, 1))
    real = np.fft.irfft(spectra, axis=1)[:, :17]
    rows = list(real / real[:, :1] * top)
    rows += [np.full(17, top), top * np.where(np.arange(17) % 2, -1.0, 1.0)]
    rows += list(np.concatenate([np.full((40, 1), top), RNG.integers(-top, top, (40, 16))], axis=1))
    rows += list(np.concatenate([np.full((9, 1), 1 << 29), np.zeros((9, 16))], axis=1))
    return np.array(rows).astype(np.int64)


def test_levinson(dsp: DspLibrary) -> None:
    lags = levinson_inputs()
    for row, want in zip(lags, lpc.levinson(lags), strict=True):
        assert dsp.call("dk_levinson", row.astype(np.int32), 16).tolist() == want.tolist()


@settings(max_examples=60, deadline=None)
@given(logs=st.lists(st.integers(-int(6.65 * 2**24), 38 * 2**24), min_size=18, max_size=18))
def test_predictor_of_any_band_logarithms(dsp: DspLibrary, logs: list[int]) -> None:
    row = np.array([logs], np.int64)
    lags = lpc.autocorrelation(row)
    assert 1 << 29 <= lags[0, 0] < 1 << 30
    got = dsp.call("dk_features_autocorrelation", row[0].astype(np.int32), 17)
    assert got.tolist() == lags[0].tolist()
    taps = dsp.call("dk_features_predictor", row[0].astype(np.int32), 18)
    assert taps.tolist() == lpc.joined(lpc.levinson(lags))[0].tolist()


def spans() -> dict[str, np.ndarray]:
    top = int(1.69 * 2**30)
    n = np.arange(416)
    return {
        "nothing": np.zeros(416),
        "one": (n == 200) * 1,
        "all largest": np.full(416, top),
        "alternating": np.where(n % 2, top, -top),
        "loud between quiet": np.where((n >= 160) & (n < 256), top, 0),
        "loud between faint": np.where((n >= 160) & (n < 256), -top, n % 3 - 1),
        "noise": RNG.normal(size=416) * 3e6,
        "faint": RNG.integers(-2, 3, 416),
        "tone": 2e8 * np.sin(0.09 * n),
        "just under a limit": np.full(416, 1607),
    }


@pytest.mark.parametrize("name", spans())
def test_cross_correlations(dsp: DspLibrary, name: str) -> None:
    span = spans()[name].astype(np.int32)
    want = correlation.lag_features(span[None].astype(np.int64))[0]
    assert np.abs(want).max() <= 32767
    got = dsp.call("dk_features_lags", span, 224, kind="int16")
    assert got.tolist() == want.tolist()


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), loud=st.floats(0, 31), quiet=st.floats(0, 31))
def test_voicing_of_any_two_levels(dsp: DspLibrary, seed: int, loud: float, quiet: float) -> None:
    rng = np.random.default_rng(seed)
    now = np.clip(rng.normal(size=160) * 2**loud, -(2**31), 2**31 - 1).astype(np.int32)
    past = np.clip(rng.normal(size=160) * 2**quiet, -(2**31), 2**31 - 1).astype(np.int32)
    if seed % 3 == 0:
        past = now.copy()
    want = correlation.voicing(now[None].astype(np.int64), past[None].astype(np.int64))
    assert dsp.lib.dk_features_voicing(dsp.pointer(now), dsp.pointer(past)) == want[0]
    curve = correlation.voicing_feature(want, 10)[0]
    exact = scalar.rounded(np.array([dsp.lib.dk_features_voicing_curve(int(want[0]))]), 10)[0]
    assert exact == curve


@pytest.mark.parametrize("frac", [0, 1, 8, 9, 10, 15])
def test_pitch(dsp: DspLibrary, frac: int) -> None:
    scores = RNG.integers(-32768, 32768, (200, 180))
    scores[0] = -32768
    scores[1, 0] = scores[2, 179] = scores[3, 178] = 32767
    scores[4] = np.arange(180)
    want = pitch.pitch(scores, frac)
    for row, octaves, period in zip(scores.astype(np.int16), want, pitch.period(want), strict=True):
        data = np.ascontiguousarray(row)
        assert dsp.lib.dk_features_pitch(dsp.pointer(data), frac) == octaves
        assert dsp.lib.dk_features_period(int(octaves)) == period


@pytest.mark.parametrize("rate", resample.RATES)
@pytest.mark.parametrize("kind", ["noise", "rails", "upper rail", "quiet"])
def test_resampler(dsp: DspLibrary, rate: int, kind: str) -> None:
    size = rate // 5
    pcm = {
        "noise": RNG.integers(-32768, 32768, size),
        "rails": np.where(RNG.random(size) > 0.5, 32767, -32768),
        "upper rail": np.full(size, 32767),
        "quiet": RNG.integers(-1, 2, size),
    }[kind].astype(np.int16)
    assert dsp.resample(pcm, rate).tolist() == resample.resample(pcm, rate).tolist()


@pytest.mark.parametrize("rate", [0, 11025, 44100, 96000])
def test_other_rates_are_refused(dsp: DspLibrary, rate: int) -> None:
    with pytest.raises(ValueError, match=str(rate)):
        dsp.resample(np.zeros(0, np.int16), rate)


def test_correlations_and_energies(dsp: DspLibrary) -> None:
    x = RNG.integers(-1000, 1001, 392).astype(np.int16)
    y = RNG.integers(-1000, 1001, 160).astype(np.int16)
    dots = np.zeros(224, np.int32)
    dsp.lib.dk_correlate16(dsp.pointer(y), dsp.pointer(x), dsp.pointer(dots))
    wide = x.astype(np.int64)
    assert dots.tolist() == [int(wide[i : i + 160] @ y) for i in range(224)]
    for count in (8, 40, 160, 392):
        assert dsp.lib.dk_energy16(dsp.pointer(x), count) == int(wide[:count] @ wide[:count])


@pytest.mark.parametrize("energy", [1, 2, 3, 32768, 2**31, 2**32 - 1, 3 << 17])
def test_normalise(dsp: DspLibrary, energy: int) -> None:
    past = np.zeros(384, np.int16)
    dots = RNG.integers(-(energy // 2), energy // 2 + 1, 224)
    dots[:2] = energy // 2, -(energy // 2)
    got = np.zeros(224, np.int16)
    data = dots.astype(np.int32)
    dsp.lib.dk_normalise16(dsp.pointer(past), energy, dsp.pointer(data), dsp.pointer(got))
    want = correlation.quotient(dots, np.full(224, energy, np.int64))
    assert got.tolist() == want.tolist()


@pytest.mark.parametrize("top", [0, 1, 2**15 - 1, 2**24, 2**27, int(1.69 * 2**30)])
def test_spans(dsp: DspLibrary, top: int) -> None:
    x = RNG.integers(-top, top + 1, 64).astype(np.int32)
    x[5] = -top
    peak = dsp.lib.dk_peak32(dsp.pointer(x), 64)
    assert int(peak).bit_length() == top.bit_length()
    down = max(top.bit_length() - 27, 0)
    values = x.astype(np.int64) >> down
    assert dsp.lib.dk_energy32(dsp.pointer(x), 64, down) == int(values @ values)
    for count in (1, 9, 18, 63):
        dot = dsp.lib.dk_dot32(dsp.pointer(x), dsp.pointer(x[1:]), count, down)
        assert dot == int(values[:count] @ values[1 : count + 1])
    for shift in range(top.bit_length() - 14, top.bit_length() - 11):
        y = np.zeros(64, np.int16)
        dsp.lib.dk_scale16(dsp.pointer(x), 64, shift, dsp.pointer(y))
        exact = np.floor(x.astype(np.float64) / 2.0**shift + (0.5 if shift > 0 else 0.0))
        assert y.tolist() == exact.astype(int).tolist()


def test_emphasis_and_window(dsp: DspLibrary) -> None:
    rising = RNG.integers(0, 2**23, 160).astype(np.int32)
    window = np.concatenate([rising, rising[::-1]]).astype(np.int64)
    for x in (RNG.integers(-32768, 32768, 321), np.where(np.arange(321) % 2, 32767, -32768)):
        y = np.zeros(320, np.int32)
        dsp.lib.dk_emphasise(dsp.pointer(x.astype(np.int16)), 320, dsp.pointer(y))
        wide = x[1:] * 2**15 - x[:-1] * 27853
        assert y.tolist() == wide.tolist()
        y = (wide >> 5).astype(np.int32)
        want = scalar.rounded(y.astype(np.int64) * 2**5 * window, 32)
        dsp.lib.dk_window(dsp.pointer(y), 320, dsp.pointer(rising), 5)
        assert y.tolist() == want.tolist()


@pytest.mark.parametrize("top", [1, 2**20, 2**30])
def test_filter(dsp: DspLibrary, top: int) -> None:
    taps = np.zeros(20, np.int32)
    taps[:18] = RNG.integers(-top, top + 1, 18)
    for low, high in ((-32768, 32768), (32767, 32768), (-32768, -32767), (-1, 2)):
        x = RNG.integers(low, high, 160 + 19).astype(np.int16)
        y = np.zeros(160, np.int32)
        dsp.lib.dk_filter(dsp.pointer(taps), dsp.pointer(x), 160, dsp.pointer(y))
        sums = np.convolve(x.astype(np.int64), taps[::-1].astype(np.int64), "valid")[:160]
        want = scalar.saturate(scalar.rounded(sums, 14), 31)
        assert y.tolist() == want.tolist()


@pytest.mark.parametrize("factor", [1503238554, -(2**31), 1])
def test_echo(dsp: DspLibrary, factor: int) -> None:
    top = 2**30
    for x in (RNG.integers(-top, top, 161), np.full(161, top - 1), np.full(161, -top)):
        y = np.zeros(160, np.int32)
        if factor == -(2**31):
            x = x // 2
        dsp.lib.dk_echo(dsp.pointer(x.astype(np.int32)), 160, factor, dsp.pointer(y))
        assert y.tolist() == (x[1:] + scalar.rounded(x[:-1] * factor, 31)).tolist()

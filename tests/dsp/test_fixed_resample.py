# SPDX-License-Identifier: BSD-3-Clause
"""The resampler against libopus' description in float: stuff zeros, filter, decimate."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import ellip, lfilter

from quantize.dsp.resample import FILTERS, RATES, STATE_FRAC, resample
from quantize.errors import InputError

EDGES = {8000: 3900 / 8000, 12000: 5800 / 24000, 24000: 7750 / 24000, 48000: 7750 / 24000}


def float_filter(pcm: npt.NDArray[np.generic], rate: int) -> npt.NDArray[np.float64]:
    spec = FILTERS[rate]
    numerator, denominator = ellip(7, 0.2, 70, EDGES[rate])
    stuffed = np.zeros(len(pcm) * spec.up)
    stuffed[:: spec.up] = pcm.astype(np.float64) * spec.up
    return np.asarray(lfilter(numerator, denominator, stuffed)[:: spec.down])


@pytest.mark.parametrize("rate", EDGES)
def test_noise_comes_out_as_from_the_float_filter(rate: int) -> None:
    pcm = (np.random.default_rng(1).normal(size=rate // 2) * 4000).astype(np.int16)
    want = float_filter(pcm, rate)
    error = resample(pcm, rate) - want
    assert np.abs(error).max() < 0.53  # a half is the rounding to int16
    assert 10 * np.log10((want**2).sum() / (error**2).sum()) > 70


@pytest.mark.parametrize("rate", EDGES)
def test_extremes_saturate_as_the_clipped_float_filter(rate: int) -> None:
    rng = np.random.default_rng(2)
    pcm = np.where(rng.random(rate // 4) > 0.5, 32767, -32768).astype(np.int16)
    want = np.clip(float_filter(pcm, rate), -32768, 32767)
    assert np.abs(resample(pcm, rate) - want).max() < 0.6


@pytest.mark.parametrize("rate", EDGES)
def test_no_section_can_overflow(rate: int) -> None:
    # The impulse responses from every input to each section add up to the section's largest gain.
    spec = FILTERS[rate]
    width = spec.taps.shape[1]
    for phase in range(spec.up):
        # The outputs that the inputs reach; the sum over the inputs bounds each output.
        length = 400
        response = np.zeros((length, length))
        for m in range(length):
            newest = (m + phase) * spec.down // spec.up
            for j in range(width):
                if 0 <= newest - j < length:
                    response[m, newest - j] = spec.taps[(m + phase) % spec.up, j] / 2.0**28
        for a1, a2 in spec.poles / 2.0**30:
            assert np.abs(response[-50:]).sum(axis=1).max() * 2**15 < 2.0 ** (31 - STATE_FRAC)
            response = lfilter([1.0], [1.0, a1, a2], response, axis=0)
        assert np.abs(response[-50:]).sum(axis=1).max() * 2**15 < 2.0 ** (31 - STATE_FRAC)


@pytest.mark.parametrize("rate", EDGES)
def test_the_filter_falls_silent(rate: int) -> None:
    loud = np.full(rate // 10, 32767, np.int16)
    quiet = np.zeros(rate // 10, np.int16)
    out = resample(np.concatenate([loud, quiet]), rate)
    assert np.abs(out[:1600]).max() > 30000
    assert not out[-400:].any()


def test_16_khz_is_delayed_by_11_samples() -> None:
    pcm = np.arange(1, 321, dtype=np.int16)
    assert resample(pcm, 16000).tolist() == [0] * 11 + list(range(1, 310))


@pytest.mark.parametrize("rate", RATES)
def test_whole_blocks_come_out(rate: int) -> None:
    assert len(resample(np.zeros(rate // 100 * 3 + 7, np.int16), rate)) == 480
    assert len(resample(np.zeros(0, np.int16), rate)) == 0


def test_other_rates_and_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="44100 Hz: give one of 8000, 12000, 16000, 24000, 48000"):
        resample(np.zeros(441, np.int16), 44100)
    with pytest.raises(InputError, match="one channel of int16"):
        resample(np.zeros((160, 2), np.int16), 16000)
    with pytest.raises(InputError, match="one channel of int16"):
        resample(np.zeros(160, np.float32), 48000)

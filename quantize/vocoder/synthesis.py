# SPDX-License-Identifier: BSD-3-Clause
"""The parts that all voices share: predictor, pre-emphasis, pitch and voicing of a feature vector.

Features are int16 Q10, as the decoder returns them. A network computed them, so each may be any
int16. `clamped` brings them into the range that a signal can have; nothing below overflows even
without it. firmware/dredkit/vocoder/synthesis.c gives the same bits.

The signal of a voice is the pre-emphasised PCM in whole steps, int16, saturated, so no predictor
can make it overflow. Rounding it adds a twelfth of a squared step to the excitation, a tenth of
what the finest step of 8-bit mu-law adds.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.dsp.lpc import LPC_FRAC, ORDER, levinson_and_error, scaled_autocorrelation
from quantize.dsp.scalar import LOG_FRAC, Ints, exp2, log2, rounded, shifted
from quantize.dsp.spectrum import (
    BANDS,
    DCT_COSINES,
    DCT_FIRST,
    EMPHASIS_FRAC,
    LOG_START,
    PREEMPHASIS,
)
from quantize.features.integers import FEATURE_FRAC, FEATURES, FRAME
from quantize.features.pitch import PITCH_FRAC
from quantize.features.pitch import period as period_of_octaves

__all__ = ["FEATURES", "FEATURE_FRAC", "FRAME", "ORDER"]

PAST: Final = ORDER + 1  # samples of PCM that make ORDER samples of signal
PITCH: Final = BANDS
CORRELATION: Final = BANDS + 1
TAP_FRAC: Final = 12
VOICING_FRAC: Final = 15
SEED: Final = 0x2545F491  # of xorshift32; any but 0
TOP: Final = (1 << 15) - 1


def _unit(value: float) -> int:
    return int(np.floor(value * (1 << FEATURE_FRAC) + 0.5))


# The range of features that a signal can have. c0 is sqrt(18) times the mean of logarithms of -2 or
# more, less 4. The other coefficients, of logarithms from -2 to 9.4, are below 22.
LOWEST: Final[Ints] = np.array(
    [_unit(-12.5), *[_unit(-22.0)] * (BANDS - 1), _unit(-1.5), _unit(-0.5)], np.int64
)
HIGHEST: Final[Ints] = np.array([TOP, *[_unit(22.0)] * (BANDS - 1), _unit(1.5), _unit(0.5)])

LOG_TOP: Final = 34 << LOG_FRAC  # octaves: a full-scale signal has 31
_DCT_FRAC: Final = 30
# The table of the transform includes log10 2; this factor turns its results into octaves. Q27.
DECADES: Final = int(np.floor(np.log2(10.0) ** 2 * 2.0**27 + 0.5))
_WIDER: Final = 15  # sixteenths: the factor that damps a predictor with too large a tap
# log2(1 + e^5) in Q14, and the reciprocal of 5 log2 e in Q15.
CURVE_OCTAVES: Final = int(np.floor(np.log2(1 + np.exp(5.0)) * 2.0**14 + 0.5))
CURVE_SLOPE: Final = int(np.floor(np.log(2.0) / 5.0 * 2.0**15 + 0.5))


def _inverse_dct() -> Ints:
    """Return [cepstrum, bands] Q30: the inverse orthonormal transform, times log10 2."""
    n = np.arange(BANDS)
    matrix = DCT_COSINES[((2 * n[None] + 1) * n[:, None]) % (4 * BANDS)]
    matrix[0] = DCT_FIRST
    return np.asarray(matrix)


_INVERSE_DCT: Final[Ints] = _inverse_dct()


def clamped(features: Ints) -> Ints:
    """Clip features [..., 20] Q10 to the range that a signal can have."""
    return np.clip(features, LOWEST, HIGHEST)


def band_logs(cepstrum: Ints) -> Ints:
    """Return base-2 logarithms of the band energies [frames, 18], Q24, of [frames, 18] Q10.

    They lie between -2 decades, the floor of the features, and 34 octaves.
    """
    whole = cepstrum.copy()
    whole[:, 0] += 4 << FEATURE_FRAC
    sums = rounded(whole @ _INVERSE_DCT, FEATURE_FRAC + _DCT_FRAC - LOG_FRAC)
    return np.clip(rounded(sums * DECADES, 27), LOG_START, LOG_TOP)


def predictor(cepstrum: Ints) -> tuple[Ints, Ints]:
    """Return taps [frames, 16] int16 Q12 and levels [frames] of a cepstrum [frames, 18] Q10.

    The predicted sample is the sum of taps times past signal, both oldest first. The level is the
    base-2 logarithm, Q24, of the excitation's root mean square in steps of the signal, within
    +-21. A predictor with a tap of 8 or more is damped until all are below; in speech none was
    seen.
    """
    lags, exponent = scaled_autocorrelation(band_logs(cepstrum))
    lpc, error = levinson_and_error(lags)
    taps = np.stack([_narrow(row) for row in lpc])
    # A signal of variance 1 has the features' lag 0 at 2.
    level = (log2(error) + ((exponent - 1) << LOG_FRAC)) >> 1
    return taps, np.asarray(level)


def _narrow(lpc: Ints) -> Ints:
    """Return the negated coefficients [16] Q12, oldest first, of a predictor Q24."""
    shift = LPC_FRAC - TAP_FRAC
    while True:
        taps = -rounded(lpc, shift)
        if np.abs(taps).max() <= TOP:
            return np.asarray(taps[::-1])
        damping = np.empty(ORDER, np.int64)
        factor = 1 << 16
        for k in range(ORDER):
            factor = (factor * _WIDER) >> 4
            damping[k] = factor
        lpc = rounded(lpc * damping, 16)


def predict(taps: Ints, past: Ints) -> int:
    """Predict a sample, int16, from the last 16 of the signal."""
    return saturated((int(taps @ past) + (1 << (TAP_FRAC - 1))) >> TAP_FRAC)


def saturated(x: int) -> int:
    """Clip to int16."""
    return max(-TOP - 1, min(TOP, x))


def emphasise(pcm: Ints) -> Ints:
    """Return the signal [n - 1] int16 of PCM [n]; the first sample is the past."""
    exact = (pcm[1:] << EMPHASIS_FRAC) - PREEMPHASIS * pcm[:-1]
    return np.clip(rounded(exact, EMPHASIS_FRAC), -TOP - 1, TOP)


def deemphasise(signal: int, before: int) -> int:
    """Undo `emphasise`: return the PCM of a signal's sample, given the PCM sample before it."""
    half = 1 << (EMPHASIS_FRAC - 1)
    return saturated(((signal << EMPHASIS_FRAC) + PREEMPHASIS * before + half) >> EMPHASIS_FRAC)


def period(pitch: Ints) -> Ints:
    """Return the period in samples, 32..256, of pitch features Q10."""
    octaves = np.clip(pitch, LOWEST[PITCH], HIGHEST[PITCH]) - LOWEST[PITCH]
    return period_of_octaves(octaves << (PITCH_FRAC - FEATURE_FRAC))


def voicing(correlation: Ints) -> Ints:
    """Return the correlation 0 .. 1, Q15 (at most 32767), of features Q10; negative ones give 0."""
    low = LOWEST[CORRELATION]
    place = np.clip(correlation, low, HIGHEST[CORRELATION]) - low
    power = (place * CURVE_OCTAVES) << (LOG_FRAC - FEATURE_FRAC - 14)  # log2(1 + e^5c)
    whole, part = power >> LOG_FRAC, power & ((1 << LOG_FRAC) - 1)
    grown = np.maximum(shifted(exp2(part), -whole) - (1 << 30), 1 << 30)
    c = rounded((log2(grown) - (30 << LOG_FRAC)) * CURVE_SLOPE, LOG_FRAC)
    return np.asarray(np.minimum(c, (1 << VOICING_FRAC) - 1))


def xorshift32(state: int) -> int:
    """Return the next state, 1 .. 2^32 - 1, which is also the random number."""
    state ^= state << 13 & 0xFFFFFFFF
    state ^= state >> 17
    return state ^ (state << 5 & 0xFFFFFFFF)

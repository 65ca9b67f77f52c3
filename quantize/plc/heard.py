# SPDX-License-Identifier: BSD-3-Clause
"""The features of the last samples that were heard, without the pitch network.

A receiver has no pitch network. Its pitch is the lag at which the residual of two frames is most
like its past; short lags and lags near the frame's before are favoured. Against the pitch network,
1 to 5 % of voiced frames differ by more than a tenth of an octave, mostly by an octave.
firmware/dredkit/plc/heard.c gives the same bits.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.dsp.correlation import LAGS, MAX_PERIOD
from quantize.dsp.scalar import LOG_FRAC, Ints, log2
from quantize.features.integers import FRAME, analyse, features_at
from quantize.features.pitch import PITCH_FRAC

KNOWN: Final = 5  # frames whose features are computed
RUN_IN: Final = 2  # frames before them, which fill the histories of the analysis
SAMPLES: Final = (RUN_IN + KNOWN) * FRAME
SHORT: Final = 32  # what a lag gains on the next longer one, of two correlations, Q15
NEAR: Final = 6554  # what a lag within an eighth of the last one gains


def features(pcm: Ints) -> Ints:
    """Return the features [frames, 20] Q10 of samples [(2 + frames) * 160] int16.

    The first two frames only fill the histories of the analysis.
    """
    analysis = analyse(pcm.astype(np.int16))
    octaves = (8 << PITCH_FRAC) - (log2(periods(analysis.lags)) >> (LOG_FRAC - PITCH_FRAC))
    return features_at(analysis, octaves)[RUN_IN:]


def periods(lags: Ints) -> Ints:
    """Return the pitch period [frames] of correlations [frames, 224] Q15 for lags 256 to 33."""
    lag = MAX_PERIOD - np.arange(LAGS)
    found = np.empty(len(lags), np.int64)
    before, last = np.zeros(LAGS, np.int64), MAX_PERIOD
    for t, now in enumerate(lags):
        near = 8 * np.abs(lag - last) <= last
        score = now + before + SHORT * np.arange(LAGS) + NEAR * near
        last = lag[score.argmax()]
        found[t] = last
        before = now
    return found

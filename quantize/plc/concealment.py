# SPDX-License-Identifier: BSD-3-Clause
"""Features for the frames of a gap that no payload covers.

begin    a gap begins after samples that were played
past     the features of a frame before the gap
known    a payload covers the next frame of the gap
missing  the features of the next frame of the gap, which nothing covers

A predictor continues the heard frames. Without one, or after a payload's frames, the last known
features are held: that lasts a few frames at the end of a gap, where predicting is worse. Either
way c0 falls with the number of missing frames in a row, as libopus lets it fall.
This module defines firmware/dredkit/plc/concealment.c.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from quantize.features.integers import FEATURE_FRAC, FEATURES
from quantize.integer import Ints
from quantize.nn.model import QuantisedModel
from quantize.plc import heard
from quantize.plc.predictor import LOST_INPUT, Predictor, heard_inputs

# How much lower c0 is 1, 2, ... 10 frames after the known ones, and how much more it drops with
# each further frame; both Q10.
ATTENUATION: Final = (0, 0, 205, 205, 410, 410, 819, 819, 1638, 1638)
ATTENUATION_STEP: Final = 2048
QUIETEST: Final = -15 << FEATURE_FRAC
FARTHEST: Final = 255  # frames are counted no further; all have faded out long before


def attenuated(features: Ints, distance: int) -> Ints:
    """Return features [20] Q10 as they fade: `distance` frames, 0 or more, after the known ones."""
    last = len(ATTENUATION)
    lower = ATTENUATION[min(distance, last) - 1] if distance else 0
    lower += max(distance - last, 0) * ATTENUATION_STEP
    result = features.copy()
    result[0] = max(int(features[0]) - lower, QUIETEST)
    return result


def _silence() -> Ints:
    features = np.zeros(FEATURES, np.int64)
    features[0] = QUIETEST
    return features


SILENCE: Final[Ints] = _silence()


class Concealment:
    """What one receiver remembers for frames without a payload."""

    def __init__(self, model: QuantisedModel | None = None) -> None:
        self._predictor = None if model is None else Predictor(model)
        self._past = np.zeros((0, FEATURES), np.int64)  # of the heard frames, oldest first
        self._held = SILENCE  # the last features that are known
        self._distance = 0
        self._decoded = False  # whether a payload gave them
        self._inputs: deque[Ints] = deque(maxlen=heard.KNOWN)  # of the predictor, oldest first
        self._behind = False  # whether the predictor has not seen all of them

    def begin(self, pcm: Ints | None) -> None:
        """Begin a gap after samples [1120] int16; without them, payloads cover all before the gap.

        Then nothing is analysed, and `past` must not be called.
        """
        self._inputs.clear()
        self._behind = True
        self._distance = 0
        self._decoded = False
        self._held = SILENCE
        if pcm is None:
            return
        self._past = heard.features(pcm)
        self._held = self._past[-1]
        if self._predictor is not None:
            for row in heard_inputs(pcm, self._past):
                self._note(row)

    def past(self, back: int) -> Ints:
        """Return the features [20] Q10 of a heard frame, 5 .. 1 frames before the gap."""
        return np.asarray(self._past[heard.KNOWN - back])

    def known(self, features: Ints) -> None:
        """Take the features [20] Q10 that a payload gives for the next frame."""
        self._held, self._distance, self._decoded = features, 1, True

    def missing(self) -> Ints:
        """Return the features [20] Q10 of the next frame, which nothing covers."""
        features = self._held
        if self._predictor is not None and not self._decoded:
            features = self._predicted(self._predictor)
        faded = attenuated(features, self._distance)
        self._distance = min(self._distance + 1, FARTHEST)
        return faded

    def _note(self, row: Ints) -> None:
        self._inputs.append(row)
        self._behind = True

    def _predicted(self, predictor: Predictor) -> Ints:
        if self._behind:
            predictor.start(list(self._inputs))
            self._behind = False
        self._inputs.append(LOST_INPUT)
        return predictor.predict()

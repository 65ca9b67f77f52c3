# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN in integers: the normative voice. firmware/dredkit/vocoder/fargan.c gives the same bits.

Frame t's vectors depend on the features of frames t - 1, t and t + 1, its period on its own.
One difference from libopus is intended: libopus speaks the first frame after heard samples with the
period of the frame before.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from quantize.integer import Ints
from quantize.nn.run import IntegerRunner
from quantize.vocoder.fargan.cells import (
    FINER,
    StepNetwork,
    deemphasised,
    drawn,
    emphasised,
    pcm_of,
)
from quantize.vocoder.fargan.parts import PERIODS, STEP, STEPS, FarganParts
from quantize.vocoder.synthesis import (
    FRAME,
    LOWEST,
    PITCH,
    SEED,
    clamped,
    period,
)

# Feature frames that a voice begins with. A frame's vectors need no older ones, although libopus
# begins with four.
CONTEXT: Final = 2
PAST: Final = FRAME  # samples that a voice begins with; the first one's signal is taken to be 0
_SHORTEST: Final = int(period(-LOWEST[PITCH : PITCH + 1])[0])


class FarganVoice:
    """One voice: takes features and returns PCM, 10 ms a frame, int16 at 16 kHz."""

    CONTEXT: ClassVar[int] = CONTEXT
    PAST: ClassVar[int] = PAST
    KNOWN_FRAMES: ClassVar[int] = 1

    def __init__(self, model: FarganParts) -> None:
        self._model = model
        self._condition = IntegerRunner(model.condition)
        self._network = StepNetwork(model)
        self.begin(np.zeros((CONTEXT, 20), np.int64), np.zeros(PAST, np.int64))

    def begin(self, context: Ints, past: Ints) -> None:
        """Start again before frame t.

        `context` [2, 20] Q10 has the features of frames t - 1 and t. `past` has the 160 samples
        before frame t.
        """
        past = np.asarray(past, np.int64)
        self._condition.reset()
        signal = emphasised(past[1:], int(past[0]) << FINER)
        self._memory = self._network.begin(signal)
        self._before = int(past[-1]) << FINER
        self._random = SEED
        for features in np.asarray(context, np.int64):
            self._hear(features)

    def frame(self, ahead: Ints, known: Ints | None = None) -> Ints:
        """Speak frame t, 160 samples, and move on; `ahead` [20] has the features of frame t + 1.

        If `known` samples [160] are given, the voice runs over them and returns them.
        """
        period_spoken = self._period
        vectors = self._hear(np.asarray(ahead, np.int64)).reshape(STEPS, -1)
        wanted: list[Ints | None] = [None] * STEPS
        if known is not None:
            wanted = list(
                emphasised(np.asarray(known, np.int64), self._before).reshape(STEPS, STEP)
            )
        signal: list[Ints] = []
        for step, vector in enumerate(vectors):
            noise, self._random = drawn(self._random, self._network.sizes.noise)
            said, self._memory = self._network.step(
                vector, period_spoken, self._memory, noise, wanted[step]
            )
            signal.append(said)
        if known is not None:
            self._before = int(known[-1]) << FINER
            return np.array(known, np.int64)
        samples = deemphasised(np.concatenate(signal), self._before)
        self._before = int(samples[-1])
        return pcm_of(samples)

    def _hear(self, features: Ints) -> Ints:
        """Return the vectors of the frame before `features`, and keep the period of `features`."""
        told = clamped(features)
        self._period = period(told[PITCH])
        row = min(int(self._period) - _SHORTEST, PERIODS - 1)
        inputs = np.concatenate([told, self._model.periods[row].astype(np.int64)])
        return self._condition.step({"features": inputs})["cond_net_fdense2"]

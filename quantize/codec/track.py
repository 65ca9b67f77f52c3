# SPDX-License-Identifier: BSD-3-Clause
"""The features that a receiver holds, by time, and what it takes where it holds none.

Time runs in slots of 10 ms. `now` is the slot that is played next. The track holds slots from
now - BEHIND on, SLOTS of them. This module defines firmware/dredkit/codec/track.c.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from quantize.features.integers import FEATURE_FRAC, FEATURES
from quantize.integer import Ints

SLOTS: Final = 128
BEHIND: Final = 20  # what is repeated from further behind has faded out
AHEAD: Final = SLOTS - BEHIND  # slots at and after `now`

# How much lower c0 is 1, 2, ... 10 frames outside the known ones, and how much more it drops with
# each further frame; both Q10. These are libopus' values for a continuing loss.
ATTENUATION: Final = (0, 0, 205, 205, 410, 410, 819, 819, 1638, 1638)
ATTENUATION_STEP: Final = 2048
QUIETEST: Final = -15 << FEATURE_FRAC


def attenuated(features: Ints, distance: int) -> Ints:
    """Return features [20] Q10 as they repeat `distance` frames (1 or more) from their place."""
    last = len(ATTENUATION)
    lower = ATTENUATION[min(distance, last) - 1] + max(distance - last, 0) * ATTENUATION_STEP
    result = features.copy()
    result[0] = max(int(features[0]) - lower, QUIETEST)
    return result


class Track:
    """Features [20] Q10 of slots, each with the level (0..15) at which it was coded."""

    def __init__(self) -> None:
        self.now = 0
        self._held: dict[int, tuple[int, Ints]] = {}
        self._silence = np.zeros(FEATURES, np.int64)
        self._silence[0] = QUIETEST

    def move(self, slots: int) -> None:
        """Move `now` by a number of slots of either sign; what lies outside is forgotten."""
        self.now += slots
        self._held = {slot: found for slot, found in self._held.items() if self.covers(slot)}

    def forget(self) -> None:
        """Forget all features."""
        self._held = {}

    def covers(self, slot: int) -> bool:
        """Whether the track has room for a slot."""
        return -BEHIND <= slot - self.now < AHEAD

    def holds(self, slot: int) -> bool:
        """Whether the features of a slot are known."""
        return slot in self._held

    def lacks(self, slot: int, level: int) -> bool:
        """Whether features of this level would be of use: none are held, or coarser ones."""
        return self.covers(slot) and (slot not in self._held or level < self._held[slot][0])

    def put(self, slot: int, level: int, features: Ints) -> None:
        """Keep features unless the slot lies outside or holds some that are as fine."""
        if self.lacks(slot, level):
            self._held[slot] = level, features.copy()

    @property
    def newest(self) -> int | None:
        """The newest slot that holds features."""
        return max(self._held, default=None)

    def at(self, slot: int) -> Ints:
        """Return the features of a slot.

        Where none are held, the nearest ones are repeated, the quieter the further away; of two
        that are as near, the older ones. Without any, these are the features of silence.
        """
        if not self._held:
            return self._silence
        nearest = min(self._held, key=lambda held: (abs(held - slot), held))
        features = self._held[nearest][1]
        return features if nearest == slot else attenuated(features, abs(nearest - slot))

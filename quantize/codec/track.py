# SPDX-License-Identifier: BSD-3-Clause
"""The features that a receiver holds, by time.

Time runs in slots of 10 ms. `now` is the slot that is played next. The track holds slots from
now - BEHIND on, SLOTS of them. This module defines firmware/dredkit/codec/track.c.
"""

from __future__ import annotations

from typing import Final

from quantize.integer import Ints

SLOTS: Final = 128
BEHIND: Final = 20  # more than a voice begins with
AHEAD: Final = SLOTS - BEHIND  # slots at and after `now`


class Track:
    """Features [20] Q10 of slots, each with the level (0..15) at which it was coded."""

    def __init__(self) -> None:
        self.now = 0
        self._held: dict[int, tuple[int, Ints]] = {}

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
        """Return the features of a slot that is held."""
        return self._held[slot][1]

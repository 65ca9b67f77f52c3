# SPDX-License-Identifier: BSD-3-Clause
"""The payloads that a receiver has not decoded completely, and which chunk is decoded next.

Two payloads are kept at most. The one of the earlier packet is decoded first: it is the nearer and
so the finer one. From the later one come the slots that the earlier one lacks. This module defines
firmware/dredkit/codec/pending.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from quantize.codec.redundancy import CHUNK_FRAMES, of_chunk
from quantize.codec.track import AHEAD, BEHIND, Track
from quantize.dred.payload import Payload
from quantize.errors import InputError
from quantize.features.integers import FRAME
from quantize.integer import Ints

UNIT: Final = 40  # samples in a unit of a payload's offset
FARTHEST: Final = 4096  # slots: a payload from further ahead has a wrong time


class OrderError(InputError):
    """An op out of order: a chunk is asked for and none is left to decode."""


class ChunkDecoder(Protocol):
    """What decodes payloads: quantize.codec.redundancy.Redundancy."""

    layers: dict[str, Ints]

    def parse(self, data: bytes) -> Payload:
        """Parse an unverified payload; raises PayloadError."""

    def start(self, payload: Payload) -> None:
        """Set the network's states for a payload's newest chunk."""

    def chunk(self) -> Ints:
        """Decode the next older chunk to features [4, 20] Q10, newest first."""


@dataclass(eq=False)
class Place:
    """A payload: the slot of its newest frame and of its packet's first, and what is decoded."""

    payload: Payload
    newest: int
    packet: int
    decoded: int = 0

    @property
    def chunks(self) -> int:
        return len(self.payload.chunks)


class Pending:
    """Up to two payloads; their chunks go to a track."""

    def __init__(self, decoder: ChunkDecoder, track: Track) -> None:
        self.layers: dict[str, Ints] = {}
        self._decoder = decoder
        self._track = track
        self._places: list[Place] = []
        self._running: Place | None = None  # the one whose states the network has

    def forget(self) -> None:
        """Forget all payloads."""
        self._places = []
        self._running = None

    def drop_old(self) -> None:
        """Forget payloads that lie wholly outside the track, behind it."""
        self._keep([p for p in self._places if p.newest >= self._track.now - BEHIND])

    def take(self, ahead: int, data: bytes, oldest: int) -> int:
        """Take the payload of a packet that begins `ahead` samples after slot `now`.

        `oldest` is the oldest slot of use. A payload without any use is dropped: a late or a
        doubled one, or one from far ahead. Returns the payload's number of chunks. Raises
        PayloadError for a malformed payload, which changes nothing.
        """
        self.layers = {}
        payload = self._decoder.parse(data)
        now = self._track.now
        newest = now + (ahead + UNIT * payload.header.offset) // FRAME - 1
        place = Place(payload, newest, now + ahead // FRAME)
        doubled = [p for p in self._places if p.newest == newest and p.chunks >= place.chunks]
        useful = self._wants(place, oldest) > 0 or AHEAD <= newest - now < FARTHEST
        if useful and not doubled:
            self._add(place, oldest)
            found = self._next(oldest)
            if found is not None and found is not self._running:
                self._start(found)
        return place.chunks

    def wanted(self, oldest: int) -> int:
        """Return how many chunks of the payload decoded next are of use from slot `oldest` on."""
        place = self._next(oldest)
        return 0 if place is None else self._wants(place, oldest)

    @property
    def chunks(self) -> int:
        """How many chunks the payload has that is being decoded; 0 without one."""
        return 0 if self._running is None else self._running.chunks

    def decode(self, oldest: int, most: int) -> Ints:
        """Decode up to `most` (1 or more) chunks of a payload: one with some of use, or else any.

        Returns features [4 * chunks, 20] Q10, newest first. Raises OrderError if none is left.
        """
        self.layers = {}
        place = self._next(oldest) or self._running
        if place is None or place.decoded == place.chunks:
            raise OrderError("no chunk of a payload is left to decode")
        if place is not self._running:
            self._start(place)
        found = []
        for chunk in range(min(most, place.chunks - place.decoded)):
            found.append(self._decoder.chunk())
            layers = self._decoder.layers.items()
            self.layers |= {of_chunk(name, chunk): values for name, values in layers}
            level = place.payload.header.level(place.decoded)
            newest = place.newest - CHUNK_FRAMES * place.decoded
            for i, features in enumerate(found[-1]):
                self._track.put(newest - i, level, features)
            place.decoded += 1
        return np.concatenate(found)

    def expects_gap(self) -> bool:
        """Whether a packet with a payload lies ahead, so that what is before it is missing."""
        return any(place.packet > self._track.now for place in self._places)

    def _start(self, place: Place) -> None:
        """Set the network to a payload's first chunk; another one begins again later."""
        for other in self._places:
            other.decoded = 0
        self._decoder.start(place.payload)
        self.layers |= self._decoder.layers
        self._running = place

    def _next(self, oldest: int) -> Place | None:
        """Return the payload to decode from: of those with chunks of use, the earliest."""
        useful = [place for place in self._places if self._wants(place, oldest) > 0]
        return min(useful, key=lambda place: place.newest, default=None)

    def _wants(self, place: Place, oldest: int) -> int:
        """Return how many chunks lead to the oldest slot that the track lacks.

        If the whole payload is older than `oldest`, its newest chunk is of use where the track
        knows nothing as new: its frames are then repeated.
        """
        if not self._track.covers(place.newest):
            return 0
        if place.newest < oldest:
            known = self._track.newest
            new = known is None or known < place.newest
            return 1 if new and place.chunks and place.decoded == 0 else 0
        last = min((place.newest - oldest) // CHUNK_FRAMES, place.chunks - 1)
        for chunk in range(last, place.decoded - 1, -1):
            level = place.payload.header.level(chunk)
            slots = [place.newest - CHUNK_FRAMES * chunk - i for i in range(CHUNK_FRAMES)]
            if any(slot >= oldest and self._track.lacks(slot, level) for slot in slots):
                return chunk + 1 - place.decoded
        return 0

    def _add(self, place: Place, oldest: int) -> None:
        """Keep a payload; of three, one goes.

        That is one without use, else one that is wholly past, else the middle one in time: the
        earliest is the finest for what is played next, only the latest covers the time before it.
        """
        places = [p for p in self._places if p.newest != place.newest] + [place]
        places.sort(key=lambda p: p.newest)
        if len(places) == 3:
            now = self._track.now
            useless = [p for p in places if self._track.covers(p.newest)]
            useless = [p for p in useless if self._wants(p, oldest) == 0]
            past = [p for p in places if p.newest < now]
            places.remove((useless or past or places[1:])[0])
        self._keep(places)

    def _keep(self, places: list[Place]) -> None:
        self._places = places
        if self._running is not None and not any(p is self._running for p in places):
            self._running = None

# SPDX-License-Identifier: BSD-3-Clause
"""Receivers for tests: random networks of the true shape, payloads, a voice that takes notes."""

from typing import ClassVar

import numpy as np

from quantize.codec.redundancy import DecoderNetworks
from quantize.dred.payload import Header, write_symbols
from quantize.dred.tables import EntropyTables
from quantize.integer import Ints
from quantize.nn.topologies import rdovae_decoder, rdovae_decoder_init
from tests.support.small_models import small_model
from toolkit.models.importers import SHIPPED
from toolkit.models.importers.entropy import read_tables


def tables() -> EntropyTables:
    """Return the entropy tables of the shipped checkpoint."""
    found = read_tables(SHIPPED)
    assert found is not None
    return found


def random_networks(seed: int = 1, gain: float = 1.0) -> DecoderNetworks:
    """Return a decoder's two networks with random weights; a large gain saturates features."""
    start = small_model(rdovae_decoder_init(), seed, gain)
    step = small_model(rdovae_decoder(), seed, gain)
    return DecoderNetworks(start, step, tables())


def random_payload(seed: int, chunks: int = 26, offset: int = 10) -> bytes:
    """Return a payload of random small symbols at level 0, so that every chunk costs bits."""
    rng = np.random.default_rng(seed)
    state = rng.integers(-2, 3, 50)
    return write_symbols(
        tables(), Header(0, 0, 15, offset), state, rng.integers(-1, 2, (chunks, 25))
    )


class NotingVoice:
    """Speaks a constant that tells the frame's number, and keeps what it is given."""

    CONTEXT: ClassVar[int] = 4
    PAST: ClassVar[int] = 17
    KNOWN_FRAMES: ClassVar[int] = 1

    def __init__(self) -> None:
        self.begun: list[tuple[Ints, Ints]] = []
        self.told: list[Ints] = []
        self.known: list[Ints] = []

    def begin(self, context: Ints, past: Ints) -> None:
        self.begun.append((context.copy(), past.copy()))

    def frame(self, ahead: Ints, known: Ints | None) -> Ints:
        self.told.append(ahead.copy())
        if known is not None:
            self.known.append(known.copy())
            return known
        return np.full(160, 1000 + len(self.told), np.int64)

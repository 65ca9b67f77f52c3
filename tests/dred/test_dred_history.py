# SPDX-License-Identifier: BSD-3-Clause
"""The sender's history in C equals its definition, packet for packet, and keeps time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.dred.history import PACKET_SAMPLES_MAX, SLOTS, History, Rate
from quantize.dred.payload import parse
from quantize.dred.tables import EntropyTables
from quantize.errors import InputError
from quantize.integer import Ints
from tests.support.dred_native import ERRORS, Native, random_tables


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Native:
    return Native(tmp_path_factory.mktemp("dred"))


def plain_tables() -> EntropyTables:
    """Return tables that send every element, at a cost that lets 26 chunks fit."""
    latents, states = np.zeros((4, 16, 25), np.uint8), np.zeros((4, 16, 50), np.uint8)
    for table in (latents, states):
        table[:] = np.array([128, 10, 40, 180], np.uint8).reshape(4, 1, 1)
    return EntropyTables(latents, states)


class Pair:
    """Both histories with the same calls; each packet's payload is compared."""

    def __init__(self, native: Native, tables: EntropyTables, delay: int, upstream: bool) -> None:
        self.native, self.tables = native, tables
        self.c_tables = native.tables(tables)
        self.python = History(delay, upstream_silence_offset=upstream)
        self.c: Any = native.ffi.new("dk_dred_history *")
        config = native.ffi.new("dk_dred_history_config *", [7, 6, delay, upstream])
        assert native.lib.dk_dred_history_init(self.c, config) == 0

    def hear(self, samples: int, active: bool, rng: np.random.Generator) -> None:
        steps = self.python.hear(samples, active)
        assert self.native.lib.dk_dred_history_hear(self.c, samples, active) == steps
        for _ in range(steps):
            latents = rng.integers(-300, 301, 25)
            state = rng.integers(-300, 301, 50)
            self.python.push(latents << 9, state << 10)
            self.native.lib.dk_dred_history_push(self.c, latents.tolist(), state.tolist())

    def packet(
        self,
        samples: int,
        active: bool,
        rate: Rate,
        rng: np.random.Generator,
        piece: int = PACKET_SAMPLES_MAX,
    ) -> bytes:
        for at in range(0, samples, piece):
            self.hear(min(piece, samples - at), active, rng)
        want = self.python.payload(self.tables, rate, samples)
        out = self.native.ffi.new("uint8_t[]", rate.max_bytes)
        got = self.native.lib.dk_dred_history_payload(
            self.c, self.c_tables, self.native.rate(rate), samples, out
        )
        assert got == len(want)
        assert bytes(self.native.ffi.buffer(out, got)) == want
        return want


PACKETS = st.lists(
    st.tuples(st.sampled_from([40, 80, 160, 320, 320, 320, 640, 960, 1920]), st.booleans()),
    min_size=1,
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    packets=PACKETS,
    delay=st.integers(0, 560),
    upstream=st.booleans(),
    budget=st.integers(1, 1000),
    chunks=st.integers(1, 26),
    is_random=st.booleans(),
    piece=st.sampled_from([40, 160, 320, 1920]),
)
def test_any_packets_match(
    native: Native,
    seed: int,
    packets: list[tuple[int, bool]],
    delay: int,
    upstream: bool,
    budget: int,
    chunks: int,
    is_random: bool,
    piece: int,
) -> None:
    tables = random_tables(seed) if is_random else plain_tables()
    pair = Pair(native, tables, delay, upstream)
    rng = np.random.default_rng(seed)
    for samples, active in packets:
        pair.packet(samples, active, Rate(6, 5, 15, chunks, budget), rng, piece)


def run(native: Native, activity: list[bool], upstream: bool = False) -> list[bytes]:
    pair = Pair(native, plain_tables(), 64, upstream)
    rng = np.random.default_rng(0)
    return [pair.packet(320, active, Rate(4, 2), rng) for active in activity]


def test_long_streams_match_over_the_ring(native: Native) -> None:
    rng = np.random.default_rng(7)
    runs = np.repeat(rng.random(30) < 0.5, rng.integers(1, 70, 30))
    payloads = run(native, runs.tolist())
    assert len(payloads) > 10 * SLOTS
    assert any(payloads)
    assert not all(payloads)


def test_depth_grows_with_what_is_known(native: Native) -> None:
    payloads = run(native, [True] * 60)
    counts = [len(parse(p, plain_tables()).chunks) if p else 0 for p in payloads]
    assert counts[:6] == [0, 1, 1, 2, 2, 3]
    assert counts[-1] == 26


def test_the_offset_of_steady_packets(native: Native) -> None:
    payloads = run(native, [True] * 5)
    assert [parse(p, plain_tables()).header.offset for p in payloads[1:]] == [10] * 4


def shifted(ours: bytes, theirs: bytes) -> int:
    """Return by how many units of 2.5 ms libopus 1.6.1 signals the same redundancy too new."""
    a, b = parse(ours, plain_tables()), parse(theirs, plain_tables())
    assert np.array_equal(a.state, b.state)
    return b.header.offset - a.header.offset


def test_the_offset_follows_what_is_kept_out_of_silence(native: Native) -> None:
    activity = [True] * 20 + [False] * 5 + [True] * 6
    ours, theirs = run(native, activity), run(native, activity, upstream=True)
    differing = [t for t, pair in enumerate(zip(ours, theirs, strict=True)) if len(set(pair)) > 1]
    assert differing == [25]
    # The last silent packet skipped 4 steps, because its latent of 40 ms still reached the voice.
    assert shifted(ours[25], theirs[25]) == 8 * 4
    silent, resumed = parse(ours[24], plain_tables()), parse(ours[25], plain_tables())
    # In the next packet the same state is one step older.
    assert np.array_equal(silent.state, resumed.state)
    assert resumed.header.offset == silent.header.offset - 8


def test_silence_at_the_old_end_is_cut(native: Native) -> None:
    payloads = run(native, [False] * 30 + [True] * 9)
    chunks = parse(payloads[-1], plain_tables()).chunks
    assert 5 <= len(chunks) <= 6  # nine steps of voice, and at most one more chunk
    assert payloads[:30] == [b""] * 30


def test_inputs_are_checked(native: Native) -> None:
    history = History()
    for samples in (0, 39, 41, 1960):
        with pytest.raises(InputError, match=r"2\.5 ms"):
            history.hear(samples, True)
        with pytest.raises(InputError, match=r"2\.5 ms"):
            history.payload(plain_tables(), Rate(6, 5), samples)
    with pytest.raises(InputError, match="delay"):
        History(561)
    with pytest.raises(InputError, match="latents"):
        history.push(zeros(24), zeros(50))
    for chunks, size in ((0, 9), (27, 9), (1, 0), (1, 1001)):
        with pytest.raises(InputError, match="chunks"):
            Rate(6, 5, 15, chunks, size)
    lib, ffi = native.lib, native.ffi
    c = ffi.new("dk_dred_history *")
    for fields in ([16, 0, 0, 0], [0, 16, 0, 0], [0, 0, 561, 0]):
        config = ffi.new("dk_dred_history_config *", fields)
        assert lib.dk_dred_history_init(c, config) == ERRORS["argument"]
    assert lib.dk_dred_history_init(c, ffi.new("dk_dred_history_config *", [7, 7, 64, 0])) == 0
    tables, out = native.tables(plain_tables()), ffi.new("uint8_t[9]")
    sound = ffi.new("dk_dred_rate *", [6, 5, 15, 1, 9])
    for samples in (0, 39, 1960):
        assert lib.dk_dred_history_hear(c, samples, True) == ERRORS["argument"]
        assert lib.dk_dred_history_payload(c, tables, sound, samples, out) == ERRORS["argument"]
    for rate in ([6, 5, 15, 0, 9], [6, 5, 15, 27, 9], [6, 5, 15, 1, 0], [6, 5, 6, 1, 9]):
        rate_c = ffi.new("dk_dred_rate *", rate)
        assert lib.dk_dred_history_payload(c, tables, rate_c, 320, out) == ERRORS["argument"]


def test_memory_is_small(native: Native) -> None:
    assert native.ffi.sizeof("dk_dred_history") <= 8 * 1024


def zeros(count: int) -> Ints:
    return np.zeros(count, np.int64)

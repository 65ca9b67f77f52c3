# SPDX-License-Identifier: BSD-3-Clause
"""firmware/dredkit/dred equals quantize/dred, to the byte, on random tables, values and junk."""

from __future__ import annotations

import itertools
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.dred import laplace
from quantize.dred.history import Rate
from quantize.dred.levels import LEVEL_MAX, THRESHOLDS, dequantise, level, quantise
from quantize.dred.payload import Header, Writer, parse, write_symbols
from quantize.dred.policy import libopus_policy
from quantize.dred.rangecoder import RangeDecoder, RangeEncoder
from quantize.dred.tables import DECAY, P_ZERO, EntropyTables
from quantize.errors import InputError
from quantize.integer import Ints
from tests.support.dred_native import ERRORS, Native, random_tables
from toolkit.codegen.constants.stats import THRESHOLDS_FILE, entropy_source, thresholds_source

REFUSALS = {
    ERRORS["length"]: r"want 1\.\.1000 bytes",
    ERRORS["short"]: "ends inside",
    ERRORS["symbol"]: "beyond 16 bits",
}
SEEDS = st.integers(0, 2**31)


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Native:
    return Native(tmp_path_factory.mktemp("dred"))


@st.composite
def headers(draw: st.DrawFn) -> Header:
    q0, dq = draw(st.integers(0, 15)), draw(st.integers(0, 7))
    qmax = draw(st.integers(q0 + 1, 15)) if q0 < 14 and dq > 0 else 15
    return Header(q0, dq, qmax, draw(st.one_of(st.integers(-40, 16), st.integers(-8175, 16))))


def random_values(rng: np.random.Generator, *shape: int) -> Ints:
    """Return Q16 values of all sizes, up to the whole range of int32."""
    spread = rng.choice([1 << 15, 1 << 17, 1 << 21])
    values = (rng.laplace(size=shape) * spread).astype(np.int64)
    if rng.random() < 0.1:
        values[rng.random(shape) < 0.05] = rng.choice([-(1 << 31), (1 << 31) - 1, 1 << 24])
    return np.asarray(np.clip(values, -(1 << 31), (1 << 31) - 1))


# The level law and the quantiser


def test_levels_by_hand() -> None:
    assert [level(6, 5, 15, c) for c in (0, 1, 2, 3, 25)] == [6, 7, 7, 8, 15]
    assert [level(9, 3, 12, c) for c in (0, 1, 2, 6, 25)] == [9, 9, 10, 11, 12]


def tanh(x: Fraction) -> Fraction:
    """Return the same rational approximation in exact fractions of its published coefficients."""
    a, b, c = (Fraction(v) for v in ("0.60863042", "96.39235687", "952.52801514"))
    d, e, f = (Fraction(v) for v in ("11.88600922", "413.36801147", "952.72399902"))
    s = x * x
    return min(Fraction(1), x * ((a * s + b) * s + c) / ((d * s + e) * s + f))


@settings(max_examples=300, deadline=None)
@given(
    value=st.one_of(st.integers(-(1 << 20), 1 << 20), st.integers(-(1 << 31), (1 << 31) - 1)),
    scale=st.integers(0, 255),
    deadzone=st.integers(0, 255),
)
def test_quantise_is_the_formula(value: int, scale: int, deadzone: int) -> None:
    y, d = Fraction(value * scale, 1 << 24), Fraction(deadzone, 256)
    sign = 1 if y >= 0 else -1
    squeezed = y - sign * d * tanh(abs(y) / (d + Fraction(1, 10)))
    want = squeezed + Fraction(1, 2)
    got = int(
        quantise(np.array([value]), np.array([scale], np.uint8), np.array([deadzone], np.uint8))[0]
    )
    # The thresholds are rounded to Q16, where the slope is at most one.
    slack = Fraction(1, 1 << 16)
    assert got - slack <= want < got + 1 + slack


def test_quantise_matches_on_every_byte_pair(native: Native) -> None:
    rng = np.random.default_rng(1)
    quantise_one = native.lib.dk_dred_quantise
    for scale in (0, 1, 2, 77, 128, 255):
        for deadzone in range(0, 256, 3):
            edge = int(THRESHOLDS[int(rng.integers(5)), deadzone]) + 0x8000
            near = (edge + 65536 * int(rng.integers(3))) * 256 // max(scale, 1)
            values = np.array([0, 1, -1, near - 1, near, near + 1, -near, 1 - near, -1 - near])
            values = np.append(values, random_values(rng, 12))
            values = np.clip(values, -(1 << 31), (1 << 31) - 1)
            want = quantise(
                values,
                np.full(values.shape, scale, np.uint8),
                np.full(values.shape, deadzone, np.uint8),
            )
            assert [quantise_one(v, scale, deadzone) for v in values.tolist()] == want.tolist()


def test_quantise_at_the_tie() -> None:
    half, one = np.array([1 << 15, -(1 << 15), (1 << 15) - 1]), np.full(3, 255, np.uint8)
    values = half * 256 // 255 * 2  # y = 1 except for the division; with no dead zone it rounds
    assert quantise(values, one, np.zeros(3, np.uint8)).tolist() == [1, -1, 1]
    exact = np.array([1 << 16, -(1 << 16)])  # y = +-1/2 at scale 128: floor(y + 1/2)
    scale, none = np.full(2, 128, np.uint8), np.zeros(2, np.uint8)
    assert quantise(exact, scale, none).tolist() == [1, 0]


def test_dequantise_matches(native: Native) -> None:
    rng = np.random.default_rng(2)
    symbols = np.append(rng.integers(-32768, 32768, 40), [0, 1, -1, 255, -255, 32767, -32768])
    for scale in range(256):
        want = dequantise(symbols, np.full(symbols.shape, scale, np.uint8)).tolist()
        got = [native.lib.dk_dred_dequantise(v, scale) for v in symbols.tolist()]
        assert got == want
        exact = [
            np.clip(np.floor(v * 2.0**24 / max(scale, 1) + 0.5), -(2.0**31), 2.0**31 - 1)
            for v in symbols.tolist()
        ]
        assert want == exact


def test_generated_tables_are_those_of_the_definition() -> None:
    assert THRESHOLDS_FILE.read_text() == thresholds_source()


def test_entropy_source_compiles_to_the_bytes(native: Native, tmp_path: Path) -> None:
    tables = random_tables(5)
    (tmp_path / "t.c").write_text(entropy_source(tables))
    firmware = THRESHOLDS_FILE.parents[1]
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    library = tmp_path / "t.so"
    subprocess.run(
        [*command, f"-I{firmware}", "-o", str(library), str(tmp_path / "t.c")], check=True
    )
    native.ffi.cdef("extern dk_dred_tables dk_model_tables;", override=True)
    loaded = native.ffi.dlopen(str(library))
    assert bytes(native.ffi.buffer(native.ffi.addressof(loaded, "dk_model_tables"))) == (
        tables.to_bytes()
    )


# The range coder and the symbols


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(2, 256), st.integers(0, 255)), max_size=80))
def test_range_coder_returns_what_it_got(symbols: list[tuple[int, int]]) -> None:
    encoder = RangeEncoder()
    for total, value in symbols:
        encoder.uint(value % total, total)
    used = encoder.tell()
    data = encoder.finish()
    decoder = RangeDecoder(data)
    assert [decoder.uint(total) for total, _ in symbols] == [v % t for t, v in symbols]
    assert decoder.tell() == used
    assert 8 * len(data) >= used > 8 * (len(data) - 1)


def test_carry_runs_through_many_bytes() -> None:
    """Symbols at the very top of the range hold back bytes of 255 until one carries."""
    for length in range(1, 40):
        encoder = RangeEncoder()
        for _ in range(length):
            encoder.encode(255, 256, 256)
        encoder.encode(0, 1, 256)
        encoder.encode(200, 201, 256)
        decoder = RangeDecoder(encoder.finish())
        assert [decoder.uint(256) for _ in range(length + 2)] == [255] * length + [0, 200]


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.tuples(
            st.one_of(st.integers(-20, 20), st.integers(-2000, 2000)),
            st.integers(1, 255),
            st.integers(1, 254),
        ),
        max_size=30,
    )
)
def test_laplace_returns_what_it_got(values: list[tuple[int, int, int]]) -> None:
    encoder = RangeEncoder()
    for value, decay, p_zero in values:
        laplace.encode(encoder, value, decay, p_zero)
    decoder = RangeDecoder(encoder.finish())
    assert [laplace.decode(decoder, r, p) for _, r, p in values] == [v for v, _, _ in values]


def test_no_magnitude_is_impossible() -> None:
    for decay in range(1, 256):
        table = [1 << 15, *laplace.magnitude_table(decay)]
        assert all(a > b for a, b in itertools.pairwise(table))


# Payloads


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, header=headers(), count=st.integers(0, 26), budget=st.integers(1, 1000))
def test_payload_matches(
    native: Native, seed: int, header: Header, count: int, budget: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(seed)
    state, chunks = random_values(rng, 50), random_values(rng, count, 25)
    writer = Writer(tables, header, budget)
    want = None
    if writer.state(state):
        writer.keep()
        for chunk in chunks:
            if not writer.chunk(chunk):
                break
            writer.keep()
        want = writer.finish()
        assert len(want) <= budget
    assert native.write(native.tables(tables), header, state, chunks, budget) == want


def sent_only(symbols: Ints, table: Any, at: int) -> Ints:
    sent = (table[DECAY, at] != 0) & (table[P_ZERO, at] != 255)
    return np.where(sent, symbols, 0)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, header=headers(), count=st.integers(0, 26))
def test_what_is_written_is_read(native: Native, seed: int, header: Header, count: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(seed)
    state = sent_only(rng.integers(-9, 10, 50), tables.states, header.q0)
    chunks = [
        sent_only(rng.integers(-3, 4, 25), tables.latents, header.level(c)) for c in range(count)
    ]
    try:
        data = write_symbols(tables, header, state, chunks)
    except InputError:
        return  # improbable symbols of a random table may need more than 1000 bytes
    parsed = parse(data, tables)
    assert parsed.header == header
    assert parsed.state.tolist() == state.tolist()
    # The format loses the content of the last 7 bits. Nothing else is lost, and nothing is added.
    assert parsed.chunks.tolist() == [c.tolist() for c in chunks[: len(parsed.chunks)]]
    lost = chunks[len(parsed.chunks) :]
    if lost:
        shorter = write_symbols(tables, header, state, chunks[: len(parsed.chunks)])
        assert len(data) - len(shorter) <= 1
    native_parsed = native.parse(native.tables(tables), data)
    assert native_parsed == (header, state.tolist(), parsed.chunks.tolist())


@settings(max_examples=300, deadline=None)
@given(seed=SEEDS, data=st.binary(max_size=120), max_chunks=st.integers(0, 26))
def test_junk_is_judged_alike(native: Native, seed: int, data: bytes, max_chunks: int) -> None:
    tables = random_tables(seed)
    got = native.parse(native.tables(tables), data, max_chunks)
    if isinstance(got, int):
        with pytest.raises(InputError, match=REFUSALS[got]):
            parse(data, tables, max_chunks)
        return
    want = parse(data, tables, max_chunks)
    assert got == (want.header, want.state.tolist(), want.chunks.tolist())


def test_a_cut_payload_gives_its_whole_chunks(native: Native) -> None:
    """As in libopus, a payload is refused only if it ends inside the state that all chunks need."""
    tables = random_tables(3)
    rng = np.random.default_rng(3)
    header = Header(4, 2, 15, 10)
    state = sent_only(rng.integers(-2, 3, 50), tables.states, 4)
    chunks = [sent_only(rng.integers(-1, 2, 25), tables.latents, header.level(c)) for c in range(9)]
    data = write_symbols(tables, header, state, chunks)
    begun = len(write_symbols(tables, header, state, []))
    memory = native.tables(tables)
    counts = []
    for size in range(len(data) + 1):
        got = native.parse(memory, data[:size])
        if isinstance(got, int):
            assert size < begun
            assert got == ERRORS["short" if size else "length"]
            with pytest.raises(InputError, match=REFUSALS[got]):
                parse(data[:size], tables)
            continue
        assert size >= begun - 1
        found = parse(data[:size], tables)
        assert got == (found.header, found.state.tolist(), found.chunks.tolist())
        # The coder reads ahead, so the last symbols before a cut can depend on the lost bytes.
        sure = max(0, len(found.chunks) - 1)
        assert found.chunks[:sure].tolist() == [c.tolist() for c in chunks[:sure]]
        counts.append(len(found.chunks))
    assert counts[-1] == len(chunks)
    assert set(counts) == set(range(len(chunks) + 1))
    assert native.parse(memory, bytes(1001)) == ERRORS["length"]


def test_the_longest_symbol_is_bounded(native: Native) -> None:
    """A payload of endless groups of seven ends in an error; the number does not wrap."""
    tables = EntropyTables(np.full((4, 16, 25), 254, np.uint8), np.full((4, 16, 50), 254, np.uint8))
    tables.states[P_ZERO] = 1
    header = Header(0, 0, 15, 0)
    state = np.zeros(50, np.int64)
    seen = set()
    for value in (32767, -32767, 32768, 40000, 60000):
        state[0] = value
        data = write_symbols(tables, header, state, [])
        got = native.parse(native.tables(tables), data)
        if abs(value) > 32767:
            assert got == ERRORS["symbol"]
            with pytest.raises(InputError, match="beyond 16 bits"):
                parse(data, tables)
        else:
            assert got[1] == state.tolist()
            assert parse(data, tables).state.tolist() == state.tolist()
        seen.add(value)
    assert len(seen) == 5


def test_arguments_are_checked(native: Native) -> None:
    tables = random_tables(0)
    memory = native.tables(tables)
    null, lib = native.ffi.NULL, native.lib
    payload, data = native.ffi.new("dk_dred_payload *"), native.ffi.new("uint8_t[9]")
    assert lib.dk_dred_parse(null, data, 9, 26, payload) == ERRORS["argument"]
    assert lib.dk_dred_parse(memory, null, 9, 26, payload) == ERRORS["argument"]
    assert lib.dk_dred_parse(memory, data, 9, 26, null) == ERRORS["argument"]
    assert lib.dk_dred_parse(memory, data, 9, 27, payload) == ERRORS["argument"]
    writer = native.ffi.new("dk_dred_writer *")
    for fields, budget in (
        *(((16, 0, 15, 0), 9), ((0, 8, 15, 0), 9), ((3, 1, 3, 0), 9), ((3, 1, 16, 0), 9)),
        *(((3, 0, 14, 0), 9), ((3, 1, 15, 17), 9), ((3, 1, 15, -8176), 9)),
        *(((3, 1, 15, 0), 0), ((3, 1, 15, 0), 1001)),
    ):
        header = native.ffi.new("dk_dred_header *", fields)
        assert lib.dk_dred_writer_init(writer, memory, header, data, budget) == ERRORS["argument"]
        with pytest.raises(InputError):
            Writer(tables, Header(*fields), budget)


def test_tables_without_a_zero_are_refused() -> None:
    values = np.full((4, 16, 25), 9, np.uint8)
    values[P_ZERO, 3, 2] = 0
    with pytest.raises(InputError, match=r"P\(0\) is 0"):
        EntropyTables(values, np.full((4, 16, 50), 9, np.uint8))
    with pytest.raises(InputError, match="4800"):
        EntropyTables.from_bytes(bytes(4799))


# The rate policy


def test_policy_by_hand() -> None:
    """32 kb/s, 20 % expected loss: 75 % of 20 kb/s, so 300 bits a packet, at q0 = 6, dQ = 5."""
    decided = libopus_policy(32_000, 20, 104)
    assert decided.rate == Rate(6, 5, max_chunks=decided.rate.max_chunks if decided.rate else 0)
    assert decided.bitrate == 15_000
    assert libopus_policy(32_000, 0, 104).rate is None
    assert libopus_policy(12_000, 50, 104).rate is None
    assert libopus_policy(510_000, 50, 0).rate is None
    rich = libopus_policy(128_000, 50, 100)
    assert rich.rate == Rate(4, 3, max_chunks=26)


@settings(max_examples=300, deadline=None)
@given(
    bitrate=st.integers(0, 510_000),
    loss=st.integers(0, 100),
    duration=st.integers(0, 104),
    units=st.integers(1, 48),
    lbrr=st.booleans(),
)
def test_policy_matches(
    native: Native, bitrate: int, loss: int, duration: int, units: int, lbrr: bool
) -> None:
    fields = [bitrate, loss, duration, units, lbrr]
    rate = native.ffi.new("dk_dred_rate *")
    request = native.ffi.new("dk_dred_policy_request *", fields)
    got = native.lib.dk_dred_libopus_policy(request, rate)
    want = libopus_policy(bitrate, loss, duration, units=units, lbrr=lbrr)
    assert got == want.bitrate
    if want.rate is not None:
        assert got > 0
        assert (rate.q0, rate.dq, rate.qmax) == (want.rate.q0, want.rate.dq, LEVEL_MAX)
        assert (rate.max_chunks, rate.max_bytes) == (want.rate.max_chunks, want.rate.max_bytes)

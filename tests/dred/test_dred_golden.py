# SPDX-License-Identifier: BSD-3-Clause
"""The bitstream against libopus 1.6.1: every symbol and every byte of three streams."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from quantize.dred.history import History, Rate
from quantize.dred.levels import quantise
from quantize.dred.payload import Header, parse
from quantize.dred.tables import DEADZONE, DECAY, P_ZERO, SCALE, Bytes, EntropyTables
from quantize.integer import Ints
from tests.support.dred_native import Native

RATES = {
    "a": Rate(6, 5, 15, 26),
    "b": Rate(9, 3, 12, 10),
    "c": Rate(6, 5, 15, 26, 150),
}


@dataclass(frozen=True)
class Golden:
    """One packet stream of the golden data: for each 20 ms a payload, its symbols and its row."""

    rate: Rate
    payloads: list[bytes]
    symbols: Ints  # [500][50 + 26 * 25]
    rows: list[dict[str, str]]
    activity: list[bool]  # of each packet


def q16(path: Path, columns: int) -> Ints:
    values = np.fromfile(path, np.float32).astype(np.float64).reshape(-1, columns)
    return np.floor(values * 65536 + 0.5).astype(np.int64)


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Native:
    return Native(tmp_path_factory.mktemp("dred"))


@pytest.fixture(scope="session")
def tables(upstream: Path) -> EntropyTables:
    return EntropyTables.from_bytes((upstream / "golden/dred_stats_tables.u8").read_bytes())


@pytest.fixture(scope="session")
def latents(upstream: Path) -> Ints:
    return q16(upstream / "golden/latents.f32", 25)


@pytest.fixture(scope="session")
def states(upstream: Path) -> Ints:
    return q16(upstream / "golden/states.f32", 50)


def load(folder: Path, name: str) -> Golden:
    data = (folder / f"pkt_{name}_payload.bin").read_bytes()
    payloads, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        payloads.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    symbols = np.fromfile(folder / f"pkt_{name}_symbols.i16", np.int16).reshape(-1, 700)
    with (folder / f"pkt_{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    activity = [True] * len(payloads)
    if name == "c":
        flags = np.fromfile(folder / "pkt_c_activity.u8", np.uint8).reshape(-1, 416)
        activity = [bool(row[0]) for row in flags]
        assert np.array_equal(flags[:, :8], np.repeat(flags[:, :1], 8, axis=1))
    return Golden(RATES[name], payloads, symbols.astype(np.int64), rows, activity)


def coded(values: Ints, table: Bytes, at: int) -> Ints:
    sent = (table[DECAY, at] != 0) & (table[P_ZERO, at] != 255)
    return np.where(sent, quantise(values, table[SCALE, at], table[DEADZONE, at]), 0)


@pytest.mark.parametrize("name", ["a", "b"])
def test_every_symbol(
    upstream: Path, tables: EntropyTables, latents: Ints, states: Ints, name: str
) -> None:
    golden = load(upstream / "golden", name)
    compared = 0
    for t, row in enumerate(golden.rows):
        if not golden.payloads[t]:
            continue
        header = Header(golden.rate.q0, golden.rate.dq, golden.rate.qmax, int(row["dred_offset"]))
        want = golden.symbols[t]
        got = coded(states[t], tables.states, header.q0)
        assert np.array_equal(got, want[:50]), f"state of packet {t}"
        for chunk in range(int(row["chunks"])):
            got = coded(latents[t - 2 * chunk], tables.latents, header.level(chunk))
            assert np.array_equal(got, want[50 + 25 * chunk :][:25]), f"packet {t} chunk {chunk}"
            compared += 25
    assert compared > 80_000


def stream(golden: Golden, history: History, tables: EntropyTables, *vectors: Ints) -> list[bytes]:
    latents, states = vectors
    payloads = []
    for t, active in enumerate(golden.activity):
        assert history.hear(320, active) == 1
        history.push(latents[t], states[t])
        payloads.append(history.payload(tables, golden.rate))
    return payloads


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_every_byte(
    upstream: Path, tables: EntropyTables, latents: Ints, states: Ints, name: str
) -> None:
    golden = load(upstream / "golden", name)
    history = History(upstream_silence_offset=True)
    got = stream(golden, history, tables, latents, states)
    assert got == golden.payloads
    assert sum(map(bool, got)) == (494 if name == "c" else 499)


def test_offset_after_silence_is_right_by_default(
    upstream: Path, tables: EntropyTables, latents: Ints, states: Ints
) -> None:
    golden = load(upstream / "golden", "c")
    got = stream(golden, History(), tables, latents, states)
    differing = [t for t, payload in enumerate(got) if payload != golden.payloads[t]]
    assert len(differing) == 6
    for t in differing:
        ours, theirs = parse(got[t], tables), parse(golden.payloads[t], tables)
        assert golden.activity[t]
        assert not golden.activity[t - 1]
        assert ours.header.offset < theirs.header.offset
        assert (theirs.header.offset - ours.header.offset) % 8 == 0
        assert np.array_equal(ours.state, theirs.state)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_parsers_read_what_libopus_read(
    upstream: Path, native: Native, tables: EntropyTables, name: str
) -> None:
    golden = load(upstream / "golden", name)
    memory = native.tables(tables)
    for t, payload in enumerate(golden.payloads):
        if not payload:
            continue
        row = golden.rows[t]
        header = Header(*(int(row[key]) for key in ("q0", "dQ", "qmax", "dred_offset")))
        count = int(row["chunks"])
        chunks = golden.symbols[t, 50:].reshape(26, 25)[:count]
        want = header, golden.symbols[t, :50].tolist(), chunks.tolist()
        assert native.parse(memory, payload, golden.rate.max_chunks) == want
        if t % 10 == 0:  # the Python definition reads the same, but slowly
            parsed = parse(payload, tables, golden.rate.max_chunks)
            assert (parsed.header, parsed.state.tolist(), parsed.chunks.tolist()) == want


@pytest.mark.parametrize("name", ["a", "b"])
def test_every_byte_from_c(
    upstream: Path,
    native: Native,
    tables: EntropyTables,
    latents: Ints,
    states: Ints,
    name: str,
) -> None:
    golden = load(upstream / "golden", name)
    memory = native.tables(tables)
    rate = golden.rate
    header = Header(rate.q0, rate.dq, rate.qmax, 10)
    for t, payload in enumerate(golden.payloads):
        count = min(rate.max_chunks, min(t + 1, 52) // 2)
        if count:
            steps = latents[t::-2][:count]
            assert native.write(memory, header, states[t], steps) == payload


# What dnn/dred_encoder.c of libopus 1.6.1 sent for the golden latents in packets of other lengths:
# (units of 2.5 ms, delay in samples at 16 kHz) -> the start of the SHA-256 over the payloads of
# 80 steps, each after its length in two bytes, the lower one first.
OTHER_LENGTHS = {
    (2, 64): "ead6e45e703ca5c1c0f7e3630715af98",
    (4, 64): "a1866c267fe0668e42422895dfbb91bf",
    (4, 0): "d03ad9b920838ebdd505efd9bea32eee",
    (16, 64): "4c3f6696b6c482ad51e567e4a9093b69",
    (16, 0): "ac72ce6e8839519a0b686b5550021f1a",
    (24, 64): "4383363a3af39dae0984bf0a6b0a5e1d",
    (24, 0): "dbeecf013618470d37fc0e570a3f759f",
    (32, 64): "01d3c0abaf472f00edad2bf0d7aa9499",
    (40, 64): "0807248f442fbcb6e1c70b6e9ed88712",
    (48, 64): "6d05b2755bfb5925c823d46b52172a9d",
}


@pytest.mark.parametrize(("units", "delay"), OTHER_LENGTHS)
def test_every_byte_of_other_packet_lengths(
    tables: EntropyTables, latents: Ints, states: Ints, units: int, delay: int
) -> None:
    history = History(delay)
    digest = hashlib.sha256()
    done = 0
    for _ in range(80 * 8 // units):
        for step in range(done, done + history.hear(40 * units, True)):
            history.push(latents[step], states[step])
            done = step + 1
        payload = history.payload(tables, RATES["a"], 40 * units)
        digest.update(len(payload).to_bytes(2, "little") + payload)
    assert digest.hexdigest()[:32] == OTHER_LENGTHS[units, delay]

# SPDX-License-Identifier: BSD-3-Clause
"""Conformance vectors: golden data within xiph's limits, and files that are none."""

import json
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.redundancy import Redundancy
from quantize.dred import laplace
from quantize.dred.payload import parse_plain
from quantize.dred.rangecoder import RangeEncoder
from quantize.dred.tables import DECAY, P_ZERO, EntropyTables
from quantize.errors import InputError
from tests.support.decoder_models import random_networks
from toolkit.call.bitfile import Record, write_bitfile
from toolkit.call.conformance.audio import AudioErrors, compare_audio
from toolkit.call.conformance.judge import judge
from toolkit.call.conformance.vectors import find_vectors, read_blocks
from toolkit.cli import group

LEVEL = 6  # of the golden packets' newest chunk
MODEL = DecoderModel(random_networks(), "pulse")
RNG = np.random.default_rng(1)


def coded(tables: EntropyTables, level: int, state: np.ndarray, chunks: np.ndarray) -> bytes:
    """Return a block of a vector: its head, then the coded symbols, newest chunk first."""
    coder = RangeEncoder()
    rows = [(state, tables.states), *((chunk, tables.latents) for chunk in chunks)]
    for symbols, table in rows:
        of_level = zip(symbols, table[DECAY, level], table[P_ZERO, level], strict=True)
        for symbol, decay, p_zero in of_level:
            if laplace.is_sent(int(decay), int(p_zero)):
                laplace.encode(coder, int(symbol), int(decay), int(p_zero))
    data = coder.finish()
    return struct.pack(">III", level, 2 * len(chunks), len(data)) + data


@cache
def own_block() -> bytes:
    state, chunks = RNG.integers(-2, 3, 50), RNG.integers(-1, 2, (3, 25))
    return coded(MODEL.networks.tables, 4, state, chunks)


def own_vector(folder: Path, louder: float = 0.0) -> Path:
    """Write a vector whose reference is what our decoder makes of it, and somewhat louder."""
    (folder / "own_dred.bit").write_bytes(2 * own_block())
    block = read_blocks(folder / "own_dred.bit")[0]
    decoder = Redundancy(MODEL.networks)
    decoder.start(parse_plain(block.data, MODEL.networks.tables, block.level, block.chunks))
    frames = np.concatenate([decoder.chunk() for _ in range(3)])[::-1] / 1024.0
    frames[:, 0] += louder
    np.tile(frames, (2, 1)).astype("<f4").tofile(folder / "own_dred_dec.f32")
    MODEL.save(folder / "own.dkq")
    return folder


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(group, ["conformance", *words])
    line = str(done.exception) if done.exception is not None and done.exit_code else ""
    code = getattr(done.exception, "exit_code", 2) if done.exception is not None else 0
    return (done.exit_code if not line else code), done.output + line


def test_a_vector_that_is_decoded_alike_passes(tmp_path: Path) -> None:
    own_vector(tmp_path)
    code, _ = run(
        str(tmp_path), "--model", str(tmp_path / "own.dkq"), "--json", str(tmp_path / "found.json")
    )
    assert code == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["ok"]
    (vector,) = found["vectors"]
    assert (vector["name"], vector["kind"]) == ("own", "DRED decoder")
    assert vector["limits"] == {"total": 0.5, "worst": 0.15, "pitch": 0.02}
    assert max(vector["errors"].values()) < 1e-6


def test_a_vector_beyond_a_limit_fails_and_is_named(tmp_path: Path) -> None:
    own_vector(tmp_path, louder=0.2)
    code, text = run(
        str(tmp_path / "own_dred.bit"), "--model", str(tmp_path / "own.dkq"),
        "--json", str(tmp_path / "found.json"),
    )  # fmt: skip
    assert code == 1
    assert "own_dred.bit, worst 0.200, limit 0.15" in text
    vector = json.loads((tmp_path / "found.json").read_text())["vectors"][0]
    assert not vector["ok"]
    assert vector["errors"]["total"] == pytest.approx(0.2, abs=1e-4)


def test_damaged_vectors_end_in_one_line(tmp_path: Path) -> None:
    own_vector(tmp_path)
    block = own_block()
    cases = {
        block[:-1]: "block 0: .* bytes, .* follow: cut or damaged",
        block + block[:7]: "block 1: the file ends inside it",
        struct.pack(">III", 16, 6, 9) + bytes(9): "level 16 and 6 steps: not a DRED vector",
        struct.pack(">III", 4, 5, 9) + bytes(9): "level 4 and 5 steps",
        struct.pack(">III", 4, 6, 2) + block[12:14] + block: "block 0: DRED payload: ends inside",
        b"": "empty|no blocks",
        block: "own_dred_dec.f32: 24 frames; own_dred.bit has 12",
    }
    for data, line in cases.items():
        (tmp_path / "own_dred.bit").write_bytes(data)
        with pytest.raises(InputError, match=line):
            judge(find_vectors([tmp_path])[0], MODEL)
    (tmp_path / "own_dred.bit").write_bytes(2 * block)
    for size in (0, 79, 81):
        (tmp_path / "own_dred_dec.f32").write_bytes(bytes(size))
        with pytest.raises(InputError, match=r"own_dred_dec\.f32"):
            judge(find_vectors([tmp_path])[0], MODEL)
    (tmp_path / "own_dred_dec.f32").write_bytes(b"\xff" * 80)
    with pytest.raises(InputError, match="not finite"):
        judge(find_vectors([tmp_path])[0], MODEL)


def test_files_that_are_no_vectors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no vectors"):
        find_vectors([tmp_path])
    (tmp_path / "speech.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"speech.wav: not a vector: give libopus' DRED vectors"):
        find_vectors([tmp_path / "speech.wav"])
    (tmp_path / "lone_opus.bit").write_bytes(b"x")
    with pytest.raises(InputError, match=r"its reference lone_orig\.sw is missing"):
        find_vectors([tmp_path])


def speech(frames: int) -> np.ndarray:
    """Return a voiced sound whose pitch and loudness move, int16."""
    time = np.arange(160 * frames) / 16000
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(5 * time)) / 16000
    tones = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (3000 * tones * (1.2 + np.sin(9 * time))).astype(np.int16)


def test_a_voice_vector_and_a_call_with_losses_are_compared_by_ear(tmp_path: Path) -> None:
    """The pulse voice is no FARGAN: it need only be judged, in time with the original."""
    frames = np.zeros((60, 20), "<f4")
    frames[:, 0] = 2.0
    frames.tofile(tmp_path / "own_features.f32")
    speech(60).tofile(tmp_path / "own_orig.sw")
    write_bitfile(tmp_path / "own_opus.bit", [Record(b"\x48")] * 20 + [Record(b"")] * 10)
    voice, system = find_vectors([tmp_path])
    assert (voice.kind, system.kind) == ("voice", "system")
    found = [judge(vector, MODEL) for vector in (voice, system)]
    assert found[0].limits == {"err4": 0.25, "err16": 1.0, "pitch": 0.15}
    assert found[1].limits == {"err4": 1.0, "err16": 3.0, "pitch": 0.25}
    assert all(error > 0 for one in found for error in one.errors.values())


def test_the_comparison_by_ear() -> None:
    """0 for the same sound; noise counts more the louder it is, and less in a longer recording."""
    sound = speech(100)
    assert compare_audio(sound, sound) == AudioErrors(0.0, 0.0, 0.0)
    noise = RNG.normal(0, 1, len(sound))
    soft, loud = (
        compare_audio(sound, (sound + amplitude * noise).astype(np.int16))
        for amplitude in (30, 1000)
    )
    assert soft.err4 < loud.err4
    assert soft.err16 < loud.err16
    assert soft.pitch < 0.05 < loud.pitch
    twice = compare_audio(np.tile(sound, 2), np.tile((sound + 1000 * noise).astype(np.int16), 2))
    assert twice.err4 == pytest.approx(loud.err4 / np.sqrt(2), rel=0.05)
    late = compare_audio(sound[: 99 * 160], np.roll(sound, 40)[: 99 * 160])
    assert late.pitch < 0.05  # the pitch does not depend on the phase
    with pytest.raises(InputError, match="159 samples"):
        compare_audio(sound, sound[:159])


@pytest.fixture(scope="module")
def golden(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vector made of libopus' own symbols and features."""
    folder, out = upstream / "golden", tmp_path_factory.mktemp("golden")
    tables = EntropyTables.from_bytes((folder / "dred_stats_tables.u8").read_bytes())
    symbols = np.fromfile(folder / "pkt_a_symbols.i16", "<i2").reshape(500, -1)
    features = np.fromfile(folder / "pkt_a_features.f32", "<f4").reshape(500, 104, 20)
    packets = range(60, 500, 20)
    blocks = [coded(tables, LEVEL, symbols[p, :50], symbols[p, None, 50:75]) for p in packets]
    (out / "golden_dred.bit").write_bytes(b"".join(blocks))
    newest = [features[p, 3::-1] for p in packets]
    np.concatenate(newest).astype("<f4").tofile(out / "golden_dred_dec.f32")
    spoken = np.fromfile(folder / "features.f32", "<f4").reshape(-1, 36)[:100, :20]
    spoken.astype("<f4").tofile(out / "golden_features.f32")
    clip = np.fromfile(folder / "clip.s16", "<i2")
    np.concatenate([np.zeros(11, "<i2"), clip])[:16000].astype("<i2").tofile(out / "golden_orig.sw")
    return out


def test_golden_data_are_within_the_limits(golden: Path, upstream: Path) -> None:
    """The newest chunks of libopus' packets, and the first second of its features spoken.

    The limits for a voice are for long recordings. In a short one ours is as far from the original
    as libopus' own FARGAN is.
    """
    weights = upstream / "weights"
    words = ["--weights", str(weights / "rdovae_enc.bin"), "--pitch", str(weights / "pitchdnn.bin")]
    words += ["--tables", str(upstream / "golden" / "dred_stats_tables.u8")]
    words += ["--decoder", str(weights / "rdovae_dec.bin"), "--voice", str(weights / "fargan.bin")]
    facts = golden / "found.json"
    code, _ = run(str(golden / "golden_dred.bit"), *words, "--json", str(facts))
    assert code == 0
    decoder = json.loads(facts.read_text())["vectors"][0]["errors"]
    assert decoder["total"] < 0.12
    assert decoder["worst"] < 0.06
    assert decoder["pitch"] < 0.01
    code, _ = run(str(golden / "golden_features.f32"), *words, "--json", str(facts))
    ours = json.loads(facts.read_text())["vectors"][0]["errors"]
    theirs = np.fromfile(upstream / "golden" / "fargan_pcm.f32", "<f4")[240 : 240 + 16000]
    pcm = np.floor(0.5 + np.clip(32768 * theirs, -32768, 32767)).astype(np.int16)
    wanted = compare_audio(np.fromfile(golden / "golden_orig.sw", "<i2"), pcm)
    assert ours["err4"] < 1.15 * wanted.err4
    assert ours["err16"] < 1.15 * wanted.err16
    assert ours["pitch"] < wanted.pitch + 0.02

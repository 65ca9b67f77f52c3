# SPDX-License-Identifier: BSD-3-Clause
"""Payloads back to features: numpy and C agree on payloads of our own encoder and on garbage."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.codec.calibration import decoder_inputs, quantise_decoder_networks
from quantize.codec.redundancy import DecoderNetworks, Redundancy, decode_features
from quantize.dred.levels import VALUE_FRAC, dequantise, level_input, quantise, to_input
from quantize.dred.payload import Header, Writer
from quantize.dred.tables import P_ZERO, SCALE, EntropyTables
from quantize.errors import InputError, PayloadError
from quantize.integer import Ints
from quantize.nn.calibrate import snr_db
from quantize.nn.run import run_float, run_integer
from quantize.nn.topologies import rdovae_decoder, rdovae_decoder_init
from quantize.nn.weights import Weights
from tests.support.dred_native import Native
from tests.support.redundancy_native import NativeRedundancy
from toolkit.models.importers import SHIPPED, load_model
from toolkit.models.importers.entropy import read_tables
from toolkit.models.quantise import CLIP, quantise_file
from toolkit.stages.stage import stage_of

HEADER = Header(q0=6, dq=5, qmax=15, offset=10)
SEEDS = st.integers(0, 2**31)


@pytest.fixture(scope="module")
def tables() -> EntropyTables:
    found = read_tables(SHIPPED)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def encoded() -> tuple[Ints, Ints]:
    """Return the shipped encoder's latents and states over the shipped clip, int32 Q16."""
    model = quantise_file(SHIPPED, CLIP)[0]
    run = run_integer(model, stage_of(model).inputs(CLIP)[:120].astype(np.int64))
    latents = run["enc_zdense"] << (VALUE_FRAC - model.frac["latents"])
    return latents, run["gdense2"] << (VALUE_FRAC - model.frac["initial_state"])


@pytest.fixture(scope="module")
def weights() -> dict[str, Weights]:
    graphs = rdovae_decoder_init(), rdovae_decoder()
    return {n: w for graph in graphs for n, w in load_model(SHIPPED, graph).layers.items()}


@pytest.fixture(scope="module")
def networks(
    weights: dict[str, Weights], tables: EntropyTables, encoded: tuple[Ints, Ints]
) -> DecoderNetworks:
    return quantise_decoder_networks(weights, tables, *encoded, {"name": "shipped"})[0]


@pytest.fixture(scope="module")
def native(networks: DecoderNetworks, tmp_path_factory: pytest.TempPathFactory) -> NativeRedundancy:
    return NativeRedundancy(networks, tmp_path_factory.mktemp("redundancy"))


def payload_at(
    step: int, tables: EntropyTables, encoded: tuple[Ints, Ints], count: int = 26
) -> bytes:
    latents, states = encoded
    writer = Writer(tables, HEADER)
    assert writer.state(states[step])
    for chunk in latents[step::-2][:count]:
        assert writer.chunk(chunk)
    writer.keep()
    return writer.finish()


def test_our_own_payloads_are_decoded_alike(
    networks: DecoderNetworks,
    native: NativeRedundancy,
    tables: EntropyTables,
    encoded: tuple[Ints, Ints],
) -> None:
    redundancy = Redundancy(networks)
    for step in (5, 40, 99):
        payload = payload_at(step, tables, encoded)
        count = redundancy.begin(payload)
        assert count == redundancy.chunks == native.begin(payload)
        assert count in (step // 2, step // 2 + 1) or (step > 52 and count > 22)
        for name, values in redundancy.layers.items():
            assert native.layers[name].tolist() == values.tolist(), name
        for _ in range(count):
            features = redundancy.chunk()
            got = native.chunk()
            for name, values in redundancy.layers.items():
                assert native.layers[name].tolist() == values.tolist(), name
            assert not isinstance(got, int)
            assert got.tolist() == features.tolist()
        with pytest.raises(InputError, match="no chunk of a payload is left"):
            redundancy.chunk()
        assert native.chunk() == -5


def test_integers_follow_the_floats(
    networks: DecoderNetworks,
    weights: dict[str, Weights],
    tables: EntropyTables,
    encoded: tuple[Ints, Ints],
) -> None:
    """The float networks, fed with the same symbols, give the same features to within 40 dB."""
    latents, states = encoded
    step, count = 99, 20
    got = decode_features(networks, payload_at(step, tables, encoded), count) / 1024.0
    assert got.shape == (4 * count, 20)
    start, graph = networks.start.graph, networks.step.graph
    scale, zone = tables.states[:2, 6]
    coded = dequantise(quantise(states[step], scale, zone), scale) / 65536.0
    made = run_float(start, weights, coded[None]).outputs["dec_gru_init"][0]
    rows = []
    for chunk in range(count):
        at = HEADER.level(chunk)
        scale, zone = tables.latents[:2, at]
        values = quantise(latents[step - 2 * chunk], scale, zone)
        rows.append([*(dequantise(values, scale) / 65536.0), at / 8.0 - 1.0])
    given = {f"dec_gru{k + 1}": made[64 * k : 64 * k + 64] for k in range(5)}
    want = run_float(graph, weights, np.array(rows), given).outputs["dec_output"].reshape(-1, 20)
    assert snr_db(got, want) >= 40.0


def test_fewer_chunks_are_the_first_ones(
    networks: DecoderNetworks, tables: EntropyTables, encoded: tuple[Ints, Ints]
) -> None:
    payload = payload_at(60, tables, encoded, 6)
    whole = decode_features(networks, payload)
    assert np.array_equal(decode_features(networks, payload, 2), whole[:8])
    assert decode_features(networks, payload, 0).shape == (0, 20)


def test_a_refused_payload_leaves_nothing_to_decode(
    networks: DecoderNetworks,
    native: NativeRedundancy,
    tables: EntropyTables,
    encoded: tuple[Ints, Ints],
) -> None:
    redundancy = Redundancy(networks)
    good = payload_at(60, tables, encoded)
    for bad, status in ((b"", -9), (bytes(1001), -9), (good[:3], -10)):
        assert redundancy.begin(good) == native.begin(good) > 10
        with pytest.raises(PayloadError) as caught:
            redundancy.begin(bad)
        assert native.begin(bad) == caught.value.status == status
        assert redundancy.chunks == 0
        assert native.chunk() == -5
        with pytest.raises(InputError, match="left to decode"):
            redundancy.chunk()


def test_garbage_is_decoded_alike(networks: DecoderNetworks, native: NativeRedundancy) -> None:
    rng = np.random.default_rng(7)
    frames = refused = 0
    for size in [*range(12), *rng.integers(12, 1001, 40)]:
        data = rng.integers(0, 256, size, np.uint8).tobytes()
        count = int(rng.choice([1, 3, 26], p=[0.4, 0.4, 0.2]))
        got = native.decode(data, count)
        if isinstance(got, int):
            with pytest.raises(PayloadError) as caught:
                decode_features(networks, data, count)
            assert caught.value.status == got
            refused += 1
        else:
            assert got.tolist() == decode_features(networks, data, count).tolist()
            frames += len(got)
    assert refused > 3
    assert frames > 400


@settings(max_examples=300, deadline=None)
@given(seed=SEEDS, data=st.binary(max_size=1000))
def test_garbage_is_harmless_to_the_firmware(
    native: NativeRedundancy, seed: int, data: bytes
) -> None:
    """The sanitizer ends the test if any symbols make a value overflow."""
    flips = np.random.default_rng(seed).choice([0, 255], len(data)).astype(np.uint8).tobytes()
    for junk in (data, flips, data[: len(data) // 2] + flips[len(data) // 2 :]):
        got = native.decode(junk)
        assert isinstance(got, int) or np.abs(got).max(initial=0) <= 32768


def test_the_largest_symbols_saturate(
    networks: DecoderNetworks, native: NativeRedundancy, tables: EntropyTables
) -> None:
    """With these tables a few bits produce the largest possible values."""
    rng = np.random.default_rng(3)
    table = EntropyTables(np.full((4, 16, 25), 254, np.uint8), np.full((4, 16, 50), 254, np.uint8))
    table.latents[SCALE] = table.states[SCALE] = 0
    table.latents[P_ZERO] = table.states[P_ZERO] = 1
    wide = DecoderNetworks(networks.start, networks.step, table)
    native.use(table)
    frames = 0
    for _ in range(20):
        data = rng.integers(0, 256, 500, np.uint8).tobytes()
        got = native.decode(data, 2)
        assert not isinstance(got, int)
        assert got.tolist() == decode_features(wide, data, 2).tolist()
        frames += len(got)
    native.use(tables)
    assert frames > 40


def test_network_inputs_match(tmp_path: Path) -> None:
    lib = Native(tmp_path).lib
    values = np.array([0, 1, -1, 2**31 - 1, -(2**31), 32768, 32767, -32768, -32769, 98304])
    values = np.append(values, np.random.default_rng(1).integers(-(2**31), 2**31, 50))
    for frac in range(16):
        want = to_input(values, frac)
        exact = np.floor(values * 2.0 ** (frac - 16) + 0.5)
        assert want.tolist() == np.clip(exact, -32768, 32767).tolist()
        assert [lib.dk_dred_to_input(v, frac) for v in values.tolist()] == want.tolist()
        for at in range(16):
            told = level_input(at, frac)
            assert lib.dk_dred_level_input(at, frac) == told
            assert told == np.clip(np.floor((at / 8 - 1) * 2.0**frac + 0.5), -32768, 32767)


def test_calibration_sees_every_level(tables: EntropyTables, encoded: tuple[Ints, Ints]) -> None:
    latents, states = encoded
    coded, chunks = decoder_inputs(tables, latents, states)
    assert coded.shape == (120, 50)
    assert chunks.shape == (60, 26)
    assert sorted(set(chunks[:, 25])) == [at / 8 - 1 for at in range(16)]
    # Chunk 3 is six steps before the newest, at level 3.
    scale, zone = tables.latents[:2, 3]
    want = dequantise(quantise(latents[119 - 6], scale, zone), scale) / 65536.0
    assert np.array_equal(chunks[3, :25], want)


def test_memory_is_small(native: NativeRedundancy) -> None:
    state, scratch = native.bytes
    assert state <= 2400
    assert scratch <= 2400


def test_audio_of_no_step_is_refused(weights: dict[str, Weights], tables: EntropyTables) -> None:
    nothing = np.zeros((0, 25), np.int64), np.zeros((0, 50), np.int64)
    with pytest.raises(InputError, match="shorter than one 20 ms step"):
        quantise_decoder_networks(weights, tables, *nothing, {"name": "nothing"})

# SPDX-License-Identifier: BSD-3-Clause
"""The decoder with libopus' weights against the features that libopus decodes.

Every chunk that a packet carries counts; a last chunk of less than 8 bits is lost
(docs/FORMAT.md, section 2).
"""

from pathlib import Path

import numpy as np
import pytest

from quantize.codec.calibration import quantise_decoder_networks
from quantize.codec.redundancy import DecoderNetworks, decode_features
from quantize.codec.sender import run_encoder
from quantize.dred.history import Rate
from quantize.dred.payload import parse
from quantize.dred.tables import EntropyTables
from quantize.errors import InputError
from quantize.features.limits import LIMITS, FeatureErrors, compare_features
from quantize.integer import Ints
from quantize.nn.calibrate import snr_db
from quantize.nn.topologies import rdovae_decoder, rdovae_decoder_init
from quantize.nn.weights import Weights
from tests.support.redundancy_native import NativeRedundancy
from toolkit.models.importers import load_model
from toolkit.models.quantise import Sources, quantise_encoder

EVERY = 4  # looks at one in so many packets of the golden stream: all of them take half a minute
STEPS = 340  # of the golden clip that the encoder runs over


@pytest.fixture(scope="module")
def golden(upstream: Path) -> Path:
    return upstream / "golden"


@pytest.fixture(scope="module")
def networks(upstream: Path, golden: Path) -> DecoderNetworks:
    weights: dict[str, Weights] = {}
    for graph in (rdovae_decoder_init(), rdovae_decoder()):
        weights |= load_model(upstream / "weights" / "rdovae_dec.bin", graph).layers
    tables = EntropyTables.from_bytes((golden / "dred_stats_tables.u8").read_bytes())
    seen = [
        np.floor(np.fromfile(golden / name, "<f4").reshape(500, -1) * 65536.0 + 0.5)
        for name in ("latents.f32", "states.f32")
    ]
    latents, states = (values.astype(np.int64) for values in seen)
    return quantise_decoder_networks(weights, tables, latents, states, {"name": "libopus"})[0]


@pytest.fixture(scope="module")
def native(networks: DecoderNetworks, tmp_path_factory: pytest.TempPathFactory) -> NativeRedundancy:
    return NativeRedundancy(networks, tmp_path_factory.mktemp("redundancy"))


@pytest.fixture(scope="module")
def payloads(golden: Path) -> list[bytes]:
    data, at, found = (golden / "pkt_a_payload.bin").read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


@pytest.fixture(scope="module")
def wanted(golden: Path) -> np.ndarray:
    return np.fromfile(golden / "pkt_a_features.f32", "<f4").reshape(500, 104, 20)


def decoded(native: NativeRedundancy, payload: bytes) -> Ints:
    found = native.decode(payload)
    assert not isinstance(found, int)
    return found


def test_features_of_golden_payloads(
    native: NativeRedundancy, payloads: list[bytes], wanted: np.ndarray
) -> None:
    got, want = [], []
    for payload, features in list(zip(payloads, wanted, strict=True))[1::EVERY]:
        frames = decoded(native, payload)
        got.append(frames / 1024.0)
        want.append(features[: len(frames)])
    ours, theirs = np.concatenate(got), np.concatenate(want)
    assert len(ours) > 45_000 // EVERY
    assert snr_db(ours, theirs) >= 40.0
    found = compare_features(theirs, ours)
    assert found.within(LIMITS)
    # An integer decoder is far nearer to libopus than the limits demand.
    assert found.within(FeatureErrors(0.12, 0.06, 0.01))


def test_numpy_decodes_them_alike(
    networks: DecoderNetworks, native: NativeRedundancy, payloads: list[bytes]
) -> None:
    for payload in payloads[1::60]:
        assert decode_features(networks, payload).tolist() == decoded(native, payload).tolist()


def test_from_pcm_to_features(
    upstream: Path,
    golden: Path,
    networks: DecoderNetworks,
    native: NativeRedundancy,
    payloads: list[bytes],
    wanted: np.ndarray,
) -> None:
    """Our encoder in a free run from PCM and our decoder, against libopus doing both.

    The limits are for decoders that read the same bits. An encoder 40 dB from libopus' latents, as
    libopus' own back ends are, quantises one in twenty symbols to the neighbour. The cepstrum's
    first element, the loudness, then differs by more than the limit for one element: white noise
    of 40 dB on libopus' own latents gives 0.37, and it takes 60 dB to stay below 0.15. The limits
    for the total and the pitch hold. Nothing is lost: both are equally far from the sent features.
    """
    weights = upstream / "weights"
    tables = golden / "dred_stats_tables.u8"
    sources = Sources(weights / "rdovae_enc.bin", weights / "pitchdnn.bin", tables)
    encoder = quantise_encoder(sources)[0]
    pcm = np.fromfile(golden / "clip.s16", "<i2")[: 320 * STEPS]
    rates = [Rate(q0=6, dq=5, qmax=15)] * STEPS
    run = run_encoder(encoder, pcm, rates, [True] * STEPS)
    spoken = np.fromfile(golden / "features.f32", "<f4").reshape(-1, 36)[:, :20]
    ours, theirs, source = [], [], []
    for packet in range(61, STEPS, EVERY):
        both = run.payloads[packet], payloads[packet]
        # The oldest chunks cost almost nothing and end where 7 bits or fewer are left, so the
        # counts may differ.
        frames = 4 * min(len(parse(payload, networks.tables).chunks) for payload in both)
        ours.append(decoded(native, both[0])[:frames] / 1024.0)
        theirs.append(wanted[packet, :frames])
        newest = 2 * packet + 1
        source.append(spoken[newest + 1 - frames : newest + 1][::-1])
    got, want, sent = (np.concatenate(rows) for rows in (ours, theirs, source))
    found = compare_features(want, got)
    assert found.within(FeatureErrors(LIMITS.total, 0.4, LIMITS.pitch)), found
    lost = compare_features(sent, want).total
    assert compare_features(sent, got).total == pytest.approx(lost, rel=0.01)


def test_the_measure_by_hand() -> None:
    reference = np.zeros((4, 20))
    reference[:, 19] = [0.3, 0.3, 0.1, 0.3]
    got = reference.copy()
    got[:, 18] = [0.01, -0.03, 5.0, 0.02]  # the third frame is not voiced
    got[:, 3] += 0.3
    got[:, 7] -= 0.4
    found = compare_features(reference, got)
    assert found.total == pytest.approx(0.5)
    assert found.worst == pytest.approx(0.4)
    assert found.pitch == pytest.approx(0.02)
    assert not found.within(LIMITS)
    assert compare_features(reference[2:3], got[2:3]).pitch == 0.0
    for other in (got[:3], got[:, :19], got[:0]):
        with pytest.raises(InputError, match="do not compare"):
            compare_features(reference if len(other) else other, other)

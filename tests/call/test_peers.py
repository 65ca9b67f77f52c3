# SPDX-License-Identifier: BSD-3-Clause
"""The comparison with another decoder's recordings: what it reads, its statistics, its verdict."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from quantize.codec.receiver_model import DecoderModel
from quantize.plc.quantise import quantise_predictor
from scripts import peers
from tests.conftest import ROOT
from tests.support.decoder_models import random_networks
from toolkit.call.bitfile import write_bitfile
from toolkit.call.codec import encode_speech
from toolkit.call.library import ReceiverLibrary, build_receiver
from toolkit.common.errors import InputError
from toolkit.models.importers import load_predictor
from toolkit.models.voice import voice_model
from toolkit.speech.audio import Pcm

PACKETS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    """Return a folder of two utterances, the second without a recording."""
    pcm, _ = soundfile.read(clip, dtype="int16")
    made = tmp_path_factory.mktemp("peers")
    for name in ("one", "two"):
        (made / name).mkdir()
        records = encode_speech(pcm[: PACKETS * 320], [24000] * PACKETS, 20)
        write_bitfile(made / name / "plain.bit", records)
        (made / name / "20.loss").write_text("0001" * 4)
    soundfile.write(made / "one" / "20.deep.flac", pcm[:6000], 16000, subtype="PCM_16")
    return made


def test_an_utterance_is_read_with_its_recording(folder: Path) -> None:
    (peer,) = peers.peers(folder, "deep", "20")
    assert (peer.name, len(peer.records), len(peer.played)) == ("one", PACKETS, 6000)
    assert [i for i, lost in enumerate(peer.lost) if lost] == [3, 7, 11, 15]
    assert not peer.lbrr


def test_a_folder_without_recordings_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no folder in it has a 30\.dred\.flac"):
        list(peers.peers(folder, "dred", "30"))


def test_the_interval_is_students() -> None:
    mean, half = peers.interval([0.1, 0.3, 0.2])
    assert mean == pytest.approx(0.2)
    assert half == pytest.approx(4.302653 * 0.1 / 3**0.5)
    assert np.isnan(peers.interval([0.1])[1])


@pytest.mark.parametrize(("least", "code"), [(-0.6, 0), (-0.4, 1)])
def test_the_verdict_is_that_of_the_mean(
    least: float, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Judge:
        """Give the receiver half a point less than the recording."""

        def __init__(self) -> None:
            self.scores = iter([3.0, 3.5])

        def score(self, pcm: Pcm) -> float:
            assert len(pcm) == 6000
            return next(self.scores)

    class Echo:
        """Play what the base decoder makes."""

        speaking, state = False, 0

        def start(self) -> "Echo":
            return self

        def good(self, pcm: Pcm, *, recovered: bool = False) -> Pcm:
            return pcm

        def concealed(self, pcm: Pcm) -> Pcm:
            return pcm

    monkeypatch.setattr(peers, "Plcmos", Judge)
    monkeypatch.setattr(peers, "receiver", lambda *_: Echo())
    assert peers.main([str(folder), "--at-least", str(least)]) == code


def test_gaps_without_a_payload_are_near_libopus_deep_plc(
    upstream: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One utterance of 20 % loss; scripts.peers judges all. Its packets need no RDO-VAE."""
    pytest.importorskip("speechmos")
    named = os.environ.get("DREDKIT_PEERS")
    found = Path(named) if named else ROOT.parent / "shared" / "peer"
    if not (found / "stamps-be" / "20.deep.flac").is_file():
        pytest.skip(f"no recordings of libopus in {found}: set DREDKIT_PEERS to their folder")
    weights = load_predictor(upstream / "weights" / "plc.bin")
    assert weights is not None
    speech, _ = soundfile.read(clip, dtype="int16")
    predictor, _ = quantise_predictor(weights.layers, speech, weights.source)
    voice = voice_model(str(upstream / "weights" / "fargan.bin"))
    model = DecoderModel(random_networks(), voice, predictor)
    library = ReceiverLibrary(build_receiver(model, tmp_path / "library"))
    monkeypatch.setattr(peers, "receiver", lambda *_: library)
    (tmp_path / "stamps-be").symlink_to(found / "stamps-be")
    assert peers.main([str(tmp_path), "--at-least", "-0.2"]) == 0

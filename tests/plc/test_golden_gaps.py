# SPDX-License-Identifier: BSD-3-Clause
"""Gaps without a payload beside libopus' deep PLC, which plays golden/plc_out.s16."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from quantize.codec.receiver import FRAME, Receiver, ReceiverConfig
from quantize.codec.redundancy import Redundancy
from quantize.plc.quantise import quantise_predictor
from quantize.vocoder.voices import speaker
from tests.support.decoder_models import random_networks
from toolkit.models.importers import load_predictor
from toolkit.models.voice import voice_model

FRAMES = 150  # with four gaps of 60 ms
EDGES = (1, 4, 8, 16, 32, 50, 80)  # of bands, in 100 Hz
FLOOR = 100.0  # of a band's power, about one step of the samples


def band_levels(frame: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the power of six bands of 10 ms, in dB."""
    power = np.abs(np.fft.rfft(frame * np.hanning(FRAME))) ** 2
    sums = [power[low:high].sum() for low, high in pairwise(EDGES)]
    return 10 * np.log10(np.array(sums) + FLOOR)


def test_gaps_sound_as_libopus_plays_them(upstream: Path, clip: Path) -> None:
    """Each gap begins after libopus' own samples, and each frame has nearly its spectrum."""
    golden = upstream / "golden"
    lost = np.fromfile(golden / "plc_lost.u8", np.uint8)[:FRAMES]
    played = np.fromfile(golden / "plc_out.s16", np.int16).astype(np.int64).reshape(-1, FRAME)
    weights = load_predictor(upstream / "weights" / "plc.bin")
    assert weights is not None
    predictor, _ = quantise_predictor(weights.layers, wavfile.read(clip)[1], weights.source)
    voice = speaker(voice_model(str(upstream / "weights" / "fargan.bin")))
    config = ReceiverConfig(over_ms=0, fade_ms=1)
    receiver = Receiver(Redundancy(random_networks()), voice, config, predictor=predictor)
    distances, levels = [], []
    for flag, frame in zip(lost, played, strict=False):
        if not flag:
            receiver.good(frame)
            continue
        spoken = receiver.lost()
        receiver._played[-FRAME:] = frame  # the next gap too begins after libopus' samples
        difference = band_levels(spoken) - band_levels(frame)
        distances.append(np.sqrt(np.mean(difference**2)))
        levels.append(difference.mean())
    assert len(distances) == 24
    assert np.mean(distances) < 5.5
    assert abs(np.mean(levels)) < 2.5

# SPDX-License-Identifier: BSD-3-Clause
"""Features for frames that no payload covers: how they are held, predicted and faded; C = numpy."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from quantize.nn.calibrate import snr_db
from quantize.nn.model import QuantisedModel
from quantize.nn.run import IntegerRunner, run_float, run_integer
from quantize.nn.topologies import predictor
from quantize.plc import heard
from quantize.plc.concealment import Concealment, attenuated
from quantize.plc.predictor import LOST_INPUT, heard_inputs
from quantize.plc.quantise import calibration_inputs, quantise_predictor
from tests.support.plc_library import PlcLibrary
from tests.support.small_models import small_model
from toolkit.models.importers import load_model

Ints = NDArray[np.int64]
MODEL = small_model(predictor(24, 16), 3)


@pytest.fixture(scope="module")
def speech(clip: Path) -> Ints:
    return np.asarray(wavfile.read(clip)[1], np.int64)


def test_held_features_fade(speech: Ints) -> None:
    concealment = Concealment()
    pcm = speech[16000 - heard.SAMPLES : 16000]
    concealment.begin(pcm)
    last = heard.features(pcm)[-1]
    assert concealment.past(1).tolist() == last.tolist()
    rows = np.array([concealment.missing() for _ in range(14)])
    assert (rows[:, 1:] == last[1:]).all()
    lower = (last[0] - rows[:, 0]) / 1024
    told = [0, 0, 0, 0.2, 0.2, 0.4, 0.4, 0.8, 0.8, 1.6, 1.6, 3.6, 5.6, 7.6]
    assert np.abs(lower - told).max() < 1e-3


def test_a_gap_ends_in_the_quietest_features(speech: Ints) -> None:
    concealment = Concealment()
    concealment.begin(speech[: heard.SAMPLES])
    rows = [concealment.missing() for _ in range(400)]
    assert rows[-1][0] == -15 * 1024
    assert attenuated(rows[0], 10**6)[0] == -15 * 1024


@pytest.mark.parametrize("model", [None, MODEL], ids=["held", "predicted"])
def test_known_features_are_held_in_their_turn(model: QuantisedModel | None, speech: Ints) -> None:
    concealment = Concealment(model)
    concealment.begin(speech[: heard.SAMPLES])
    told = np.arange(20)
    for _ in range(3):
        concealment.missing()
    concealment.known(told)
    assert [concealment.missing()[0] for _ in range(4)] == [0, 0, -205, -205]
    assert concealment.missing()[1:].tolist() == told[1:].tolist()


def test_the_frames_before_a_gap_are_those_heard(speech: Ints) -> None:
    concealment = Concealment()
    pcm = speech[16000 - heard.SAMPLES : 16000]
    concealment.begin(pcm)
    want = heard.features(pcm)
    assert [concealment.past(back).tolist() for back in (5, 4, 3, 2, 1)] == want.tolist()


def test_silence_is_held_before_anything_was_heard() -> None:
    concealment = Concealment()
    concealment.begin(np.zeros(heard.SAMPLES, np.int64))
    assert concealment.missing()[0] < -12 * 1024
    concealment.begin(None)
    assert concealment.missing()[0] == -15 * 1024


def test_a_predictor_takes_the_last_five_frames(speech: Ints) -> None:
    concealment = Concealment(MODEL)
    pcm = speech[16000 - heard.SAMPLES : 16000]
    concealment.begin(pcm)
    rows = list(heard_inputs(pcm, heard.features(pcm)))
    runner = IntegerRunner(MODEL)
    for row in (*rows, LOST_INPUT):
        want = runner.step({"frame": row})["plc_dense_out"]
    assert concealment.missing().tolist() == want.tolist()
    rows = [*rows, LOST_INPUT]
    assert [row.tolist() for row in rows[-5:]] == [x.tolist() for x in concealment._inputs]


@pytest.mark.parametrize("model", [None, MODEL], ids=["held", "predicted"])
def test_c_equals_numpy(model: QuantisedModel | None, speech: Ints, tmp_path: Path) -> None:
    library, concealment = PlcLibrary(tmp_path, model), Concealment(model)
    rng = np.random.default_rng(9)
    for gap in range(12):
        first = int(rng.integers(0, len(speech) - 8000))
        pcm = None if gap % 4 == 3 else speech[first : first + heard.SAMPLES]
        for part in (library, concealment):
            part.begin(pcm)
        if pcm is not None:
            for back in (5, 3, 1):
                assert library.past(back).tolist() == concealment.past(back).tolist()
        for _ in range(int(rng.integers(1, 40 if gap else 300))):
            if rng.random() < 0.4:
                library.foresee(int(rng.integers(7)))  # which changes nothing
            if rng.random() < 0.1:
                told = rng.integers(-32768, 32768, 20)
                library.known(told)
                concealment.known(told)
            else:
                assert library.missing().tolist() == concealment.missing().tolist()


def test_the_imported_predictor_is_that_of_floats(upstream: Path, speech: Ints) -> None:
    """Over the golden clip with gaps, the integers free-run within 40 dB of the float network."""
    found = load_model(upstream / "weights" / "plc.bin", predictor())
    pcm = np.fromfile(upstream / "golden" / "clip.s16", np.int16)
    model, rows = quantise_predictor(found.layers, speech.astype(np.int16), found.source)
    inputs = calibration_inputs(pcm)
    want = run_float(model.graph, found.layers, inputs / 1024).outputs["plc_dense_out"]
    assert {row.name: row.snr_db > 40 for row in rows}["plc_dense_out"]
    got = run_integer(model, inputs)["plc_dense_out"] / 1024
    assert snr_db(got, want) > 44

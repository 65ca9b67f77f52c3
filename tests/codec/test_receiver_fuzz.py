# SPDX-License-Identifier: BSD-3-Clause
"""Random calls of the receiver under sanitizers; tests.fuzz.receiver_calls runs them longer."""

from pathlib import Path

import numpy as np

from quantize.codec.receiver_model import DecoderModel
from tests.fuzz.receiver_calls import answers, build, random_calls, run
from tests.support.decoder_models import random_networks

RATE = 48000  # where the receiver does all that it does at 16 kHz, and more
MODEL = DecoderModel(random_networks(gain=4.0), "pulse")


def test_any_calls_are_harmless_and_defined(tmp_path: Path) -> None:
    program = build(MODEL, tmp_path, RATE)
    rng = np.random.default_rng(1)
    calls = random_calls(rng, 80, RATE)
    done = run(program, calls)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    assert done.stdout == answers(MODEL, calls, RATE)
    done = run(program, random_calls(rng, 1500, RATE))
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]

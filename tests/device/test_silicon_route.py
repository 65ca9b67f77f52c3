# SPDX-License-Identifier: BSD-3-Clause
"""The README's route to a real board, command by command, with an emulated board on a pty."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from toolkit.common.paths import ROOT
from toolkit.targets.target import load_target

BOARD = "netduinoplus2"
RATE = 16000
DREDKIT = (sys.executable, "-m", "toolkit.cli")


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DREDKIT, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def must(environment: dict[str, str], *words: str) -> None:
    done = run(environment, *words)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    """Write a fifth of a second of speech: the line of an emulated board is slow."""
    path = tmp_path_factory.mktemp("speech") / "short.wav"
    samples, rate = soundfile.read(clip, dtype="int16")
    assert rate == RATE
    soundfile.write(path, np.asarray(samples)[RATE : RATE + RATE // 5], RATE)
    return path


def test_what_is_flashed_is_what_verify_expects(speech: Path, tmp_path: Path) -> None:
    """Run quantize, generate, build, flash; then verify --port, which makes the model again."""
    emulator = load_target(BOARD).emulator
    assert emulator is not None
    environment = {**os.environ, "DREDKIT_BUILD": str(tmp_path)}
    must(environment, "quantize", "--stage", "rdovae_enc")
    stage = ("--target", BOARD, "--stage", "rdovae_enc")
    must(environment, "generate", *stage)
    must(environment, "build", "--target", BOARD)
    flashing = subprocess.Popen(
        [*DREDKIT, "flash", "--target", BOARD, "--port", "pty"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert flashing.stderr is not None
        words = ""
        found = None
        for line in flashing.stderr:
            words += line
            found = re.search(r"--port (/dev/\S+?);", words)
            if found:
                break
        assert found, words
        done = run(environment, "verify", *stage, "--audio", str(speech), "--port", found.group(1))
        assert done.returncode == 0, done.stderr
    finally:
        flashing.terminate()  # Ctrl-C is ignored below a shell that put us into the background
        flashing.wait()

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit train pitch` from the command line, on the shipped clip as the only speech."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from quantize.errors import InputError
from quantize.features import floats as features
from quantize.train.pitch.score import load_checkpoint
from toolkit.commands.train import command


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> list[str]:
    """Return options that name a folder like that of `dredkit train data`, and result files."""
    folder = tmp_path_factory.mktemp("pitch")
    pcm = soundfile.read(clip, dtype="int16")[0]
    known = features.extract(pcm, delay=0)
    (folder / "clip").mkdir()
    for part, frames in (("train", len(known)), ("test", 150)):
        np.save(folder / "clip" / f"{part}.pcm.npy", pcm[: frames * 160])
        np.save(folder / "clip" / f"{part}.features.npy", known[:frames])
    checkpoint = folder / "pitch.safetensors"
    return ["--data", str(folder), "--state", str(folder), "--checkpoint", str(checkpoint)]


def _run(*words: str) -> Result:
    return CliRunner().invoke(command, ["pitch", *words])


def test_it_trains_and_scores(where: list[str], tmp_path: Path) -> None:
    done = _run(*where, "--steps", "1", "--json", str(tmp_path / "train.json"))
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "train.json").read_text())
    assert found["steps"] == 1
    assert 3 < found["last"]["nats"] < 7
    load_checkpoint(Path(found["checkpoint"]))
    scored = _run(*where[:2], *where[4:], "--evaluate", "--json", str(tmp_path / "score.json"))
    assert scored.exit_code == 0, scored.output
    score = json.loads((tmp_path / "score.json").read_text())
    assert score["recordings"]["clip/test"]["voiced_frames"] > 20
    assert 0 <= score["mean"]["within_50_cents"] <= 1


def test_absent_speech_is_refused(tmp_path: Path) -> None:
    absent = _run("--data", str(tmp_path), "--state", str(tmp_path))
    assert isinstance(absent.exception, InputError)
    assert "dredkit train data" in str(absent.exception)

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit train` from the command line, on the shipped clip as the only speech."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from quantize.errors import InputError
from quantize.features import floats as features
from quantize.train.lpcnet import loop as lpcnet
from quantize.train.lpcnet import score as lpcnet_score
from quantize.train.rdovae import score as rdovae_score
from toolkit.commands.train import command
from toolkit.common.paths import ROOT


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as `dredkit train data` makes it."""
    folder = tmp_path_factory.mktemp("speech")
    clip = ROOT / "toolkit" / "data" / "clip.wav"
    pcm = soundfile.read(clip, dtype="int16")[0]
    (folder / "clip").mkdir()
    for part in ("train", "test"):
        np.save(folder / "clip" / f"{part}.pcm.npy", pcm)
        np.save(folder / "clip" / f"{part}.features.npy", features.extract(pcm, delay=0))
    np.save(folder / "clip" / "far.features.npy", features.extract(pcm, delay=0))
    return folder


def _run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_rdovae_trains_resumes_and_scores(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rdovae_score, "freeze", partial(rdovae_score.freeze, batches=1))
    where = ("--data", data, "--state", tmp_path, "--checkpoint", tmp_path / "m.safetensors")
    first = _run("rdovae", *where, "--batch", 1, "--steps", 1, "--json", tmp_path / "1.json")
    assert first.exit_code == 0, first.output
    assert json.loads((tmp_path / "1.json").read_text())["steps"] == 1
    again = _run("rdovae", *where, "--batch", 1, "--steps", 2, "--json", tmp_path / "2.json")
    assert again.exit_code == 0, again.output
    found = json.loads((tmp_path / "2.json").read_text())
    assert found["steps"] == 2
    assert found["last"]["db"] > 0
    rdovae_score.load_checkpoint(tmp_path / "m.safetensors")

    scored = _run("rdovae", *where[:2], *where[4:], "--evaluate", "--json", tmp_path / "3.json")
    assert scored.exit_code == 0, scored.output
    score = json.loads((tmp_path / "3.json").read_text())
    assert [row["level"] for row in score["mean"]] == list(range(16))
    assert len(score["recordings"]["clip/test"]) == 16


def test_lpcnet_trains_packs_and_scores(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lpcnet, "evaluate", partial(lpcnet.evaluate, batches=1))
    quick = partial(lpcnet_score.compare, rows=8, frames=1)
    monkeypatch.setattr(lpcnet_score, "compare", quick)
    where = ("--data", data, "--state", tmp_path / "state", "--fresh")
    missing = _run("lpcnet", *where, "--evaluate")
    assert isinstance(missing.exception, InputError)
    assert "nothing to resume from" in str(missing.exception)
    packed = tmp_path / "packed.safetensors"
    done = _run("lpcnet", *where, "--steps", 1, "--pack", packed)
    assert done.exit_code == 0, done.output
    assert packed.stat().st_size > 100_000
    scored = _run("lpcnet", *where, "--evaluate", "--json", tmp_path / "score.json")
    assert scored.exit_code == 0, scored.output
    score = json.loads((tmp_path / "score.json").read_text())
    assert score["steps"] == 1
    assert 3 < score["held_out"] < 7
    assert score["integers"] == pytest.approx(score["floats"], rel=0.02)


def test_unknown_sources_and_absent_speech_are_refused(tmp_path: Path) -> None:
    refused = _run("data", "--data", tmp_path, "--source", "nobody")
    assert refused.exit_code == 2
    assert "no source nobody: choose from asterisk-en" in refused.output
    absent = _run("rdovae", "--data", tmp_path, "--state", tmp_path)
    assert isinstance(absent.exception, InputError)
    assert "dredkit train data" in str(absent.exception)

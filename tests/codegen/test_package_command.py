# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit package`: models by file or by weights, and one clear line for what does not fit."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.packages import models
from tests.support.small_models import small_model
from toolkit.cli import group


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    sender, receiver = models()
    found = {name: folder / f"{name}.dkq" for name in ("sender", "receiver", "network")}
    sender.save(found["sender"])
    receiver.save(found["receiver"])
    small_model().save(found["network"])
    return found


def run(*words: str | Path) -> tuple[int, str]:
    """Return the exit code and the error's one line."""
    done = CliRunner().invoke(group, ["package", *map(str, words)], standalone_mode=False)
    return done.exit_code, str(done.exception or "")


def test_the_manifest_says_what_the_folder_holds(files: dict[str, Path], tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    words = ("--target-core", "portable", "--no-figures", "--input-rate", "8000")
    both = ("--model", files["sender"], "--model", files["receiver"])
    code, said = run(*words, *both, "--output", tmp_path / "out", "--json", told)
    assert (code, said) == (0, "")
    manifest = json.loads(told.read_text())
    assert manifest == json.loads((tmp_path / "out" / "dredkit.json").read_text())
    assert manifest["role"] == "duplex"
    assert manifest["input_rate"] == 8000
    assert manifest["figures"] is None
    sender, receiver = models()
    assert manifest["models"] == {"sender": sender.hash, "receiver": receiver.hash}
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert {name for name in manifest["files"] if "." in name} <= written
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "`--no-figures`: nothing was measured" in readme
    assert "takes PCM at 8000 Hz" in readme


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--model", "@sender"), "no --model is a receiver"),
        (("--model", "@sender", "--model", "@sender"), "a second sender"),
        (("--role", "sender", "--model", "@receiver"), "holds a receiver; wanted is a sender"),
        (("--model", "@network"), "holds a network alone; wanted is a sender and a receiver"),
        (("--model", "@sender", "--voice", "pulse"), "--voice: --model does not take it"),
        (("--role", "sender", "--voice", "pulse"), "--voice: --role sender does not take it"),
        (("--role", "receiver", "--input-rate", "8000"), "--input-rate: --role receiver does not"),
        (("--cmsis-pack",), "--cmsis-pack: a CMSIS-Pack cannot name portable"),
        (("--input-rate", "11025"), "an input rate of 11025 Hz"),
    ],
)
def test_what_does_not_fit_is_refused(
    files: dict[str, Path], tmp_path: Path, words: tuple[str, ...], line: str
) -> None:
    given = [files[word[1:]] if word.startswith("@") else word for word in words]
    folder = tmp_path / "out"
    code, said = run("--target-core", "portable", "--output", folder, *given)
    assert code != 0
    assert line in said
    assert not folder.exists()


def test_an_unknown_core_is_answered_with_the_nearest(tmp_path: Path) -> None:
    code, said = run("--target-core", "cortex-m5", "--output", tmp_path / "out")
    assert code != 0
    assert "cortex-m4" in said

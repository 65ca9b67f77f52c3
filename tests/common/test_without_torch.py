# SPDX-License-Identifier: BSD-3-Clause
"""Only the commands that need torch and LiteRT import them; the others work without them.

Each command runs in a process of its own, in which the two cannot be imported.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.small_models import small_model
from toolkit.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
BLOCK = """
import sys
class Blocked:
    def find_spec(name, path=None, target=None):
        if name in ("torch", "ai_edge_litert"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked)
sys.argv[0] = "dredkit"
from toolkit.cli import COMMANDS, group, main
"""


def python(script: str, *words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a script where neither package can be imported, in `cwd` or else in the checkout."""
    return subprocess.run(
        [sys.executable, "-c", BLOCK + script, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def dredkit(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command where neither package can be imported."""
    return python("main()", *words, cwd=cwd)


HELP = """
from click.testing import CliRunner
for word in sorted(set(COMMANDS) - {"train", "score", "export"}):
    result = CliRunner().invoke(group, [word, "--help"], prog_name="dredkit")
    assert result.exit_code == 0, (word, result.exception)
    print(result.stdout.splitlines()[0])
print(sorted({"torch", "ai_edge_litert", "sympy"} & set(sys.modules)))
"""


def test_every_other_command_tells_its_help() -> None:
    done = python(HELP)
    assert done.returncode == 0, done.stderr
    *usages, imported = done.stdout.splitlines()
    words = sorted(set(COMMANDS) - {"train", "score", "export"})
    assert len(usages) == len(words)
    for word, usage in zip(words, usages, strict=True):
        assert usage.startswith(f"Usage: dredkit {word} ")
    assert imported == "[]"


def test_doctor_targets_quantize_and_generate_work(tmp_path: Path) -> None:
    assert "torch" in dredkit("doctor").stderr
    assert dredkit("targets").returncode == 0
    model = tmp_path / "m.dkq"
    done = dredkit("quantize", "--stage", "rdovae_enc", "--output", model)
    assert done.returncode == 0, done.stderr
    assert model.is_file()


def test_the_shipped_voice_is_quantised_without_torch(tmp_path: Path) -> None:
    model = tmp_path / "m.dkq"
    done = dredkit("quantize", "--stage", "decoder", "--voice", "lpcnet", "--output", model)
    assert done.returncode == 0, done.stderr
    assert model.is_file()


@pytest.mark.parametrize(
    ("words", "missing", "brings"),
    [
        (("train", "rdovae"), "torch", "./run setup train"),
        (("score",), "torch", "./run setup train"),
        (("import", "their.pth", "--output", "o.safetensors"), "torch", "./run setup train"),
        (("export", "--model", "m.dkq"), "ai_edge_litert", "./run setup export"),
    ],
)
def test_one_line_says_which_command_brings_it(
    tmp_path: Path, words: tuple[str, ...], missing: str, brings: str
) -> None:
    small_model().save(tmp_path / "m.dkq")
    done = dredkit(*words, cwd=tmp_path)
    assert done.returncode == 2
    line = f"dredkit: {missing} is missing: `{brings}` installs it\n"
    assert done.stderr == line
    assert [path.name for path in tmp_path.iterdir()] == ["m.dkq"]

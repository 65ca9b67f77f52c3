# SPDX-License-Identifier: BSD-3-Clause
"""The linters are content with this checkout, and `./run check` says if one is not."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check

ROOT = Path(__file__).resolve().parents[2]


def run_check(*names: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.check", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(3600)  # clang-tidy takes 3 minutes of an idle core
@pytest.mark.parametrize("name", check.CHECKS)
def test_content(name: str) -> None:
    if name == "mypy":
        pytest.importorskip("torch")  # whose types it reads
    result = run_check(name)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith(f"ok   {name} ")


def test_an_unknown_name_is_refused() -> None:
    result = run_check("pylint")
    assert result.returncode == 2
    assert "no check named pylint" in result.stderr


def test_a_missing_linter_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check.main(["shell"]) == 2
    assert "shellcheck is missing" in capsys.readouterr().err


def test_a_fault_is_found_shown_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "bare.py").write_text('"""No licence here."""\n')
    (tmp_path / "fine.c").write_text("// SPDX-License-Identifier: BSD-3-Clause\n")
    monkeypatch.setattr(check, "ROOT", tmp_path)
    assert check.main(["licence"]) == 1
    told = capsys.readouterr()
    assert told.out.startswith("FAIL licence")
    assert "bare.py" in told.out
    assert "fine.c" not in told.out
    assert "not content: licence" in told.err

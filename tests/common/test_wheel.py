# SPDX-License-Identifier: BSD-3-Clause
"""A wheel holds all that dredkit needs besides Python, and builds in the user's folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.packages import models
from tests.support.small_models import small_model
from toolkit.targets.target import target_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with this checkout's wheel unpacked, without any other package."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    source = folder / "source"
    for name in filter(None, listed.split("\0")):
        if not (ROOT / name).is_file() or name.startswith("tests/"):
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    # Files that an earlier build left there do not get into the wheel.
    stale = source / "build" / "lib" / "toolkit" / "bundle" / "targets"
    stale.mkdir(parents=True)
    (stale / "stale.toml").touch()
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet",
         "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source],
        check=True,
    )  # fmt: skip
    (wheel,) = folder.glob("dredkit-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def dredkit(site: Path, user: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the wheel's dredkit in a user's folder."""
    environment = {key: value for key, value in os.environ.items() if key != "DREDKIT_BUILD"}
    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cli", *map(str, words)],
        cwd=user,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def made_in(site: Path) -> set[Path]:
    """Return all files of the unpacked wheel but Python's own caches."""
    return {path for path in site.rglob("*") if "__pycache__" not in path.parts}


def test_the_wheel_knows_every_target(site: Path, tmp_path: Path) -> None:
    told = json.loads(dredkit(site, tmp_path, "targets", "--json", "-").stdout)
    assert sorted(target["name"] for target in told) == sorted(target_names())
    assert not list(tmp_path.iterdir())


def test_the_wheel_generates_and_builds_in_the_users_folder(site: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.dkq"
    small_model().save(model)
    brought = made_in(site)
    dredkit(site, tmp_path, "generate", "--target", "host", "--model", model)
    dredkit(site, tmp_path, "build", "--target", "host")
    assert (tmp_path / "build" / "host" / "generated").is_dir()
    assert made_in(site) == brought


def test_the_wheel_writes_a_package(site: Path, tmp_path: Path) -> None:
    model = tmp_path / "sender.dkq"
    models()[0].save(model)
    words = ("--target-core", "portable", "--role", "sender", "--no-figures", "--model", model)
    dredkit(site, tmp_path, "package", *words, "--output", "made")
    for name in ("LICENSE", "README.md", "CMakeLists.txt", "src/nn/gru.c"):
        assert (tmp_path / "made" / name).is_file()

# SPDX-License-Identifier: BSD-3-Clause
"""libopus' source comes from the machine's own Debian mirror, and its apt stays as it is."""

import os
from pathlib import Path

import pytest

from toolkit.common.errors import ToolError
from toolkit.speech.opus import FILE_LISTS, fetch, main, signed_by

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCES = f"""\
# A comment, and no stanza.
Types: deb
URIs: http://mirror/debian
Suites: old
Components: main

Types: deb
# Suites: none
URIs: http://mirror/debian
Suites: stable stable-updates
Components: main
Signed-By: {KEYS}

Types: deb
URIs: http://mirror/other
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 aGVsbG8=
 -----END PGP PUBLIC KEY BLOCK-----
"""
LIST = (
    f"deb http://mirror/debian old main\ndeb [arch=amd64 signed-by={KEYS}] http://x stable main\n"
)
OFFER = """\
echo ' libopus0 | 9.9-1 | http://mirror/debian stable/main amd64 Packages'
echo ' libopus0 | 9.8-1 | http://mirror/debian old/main amd64 Packages'
"""
UNPACK = f"mkdir opus-9.9; touch {' '.join(f'opus-9.9/{name}' for name in FILE_LISTS)}"


def sources(folder: Path) -> Path:
    path = folder / "debian.sources"
    path.write_text(SOURCES)
    return path


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of programs that stand for apt's; apt-get writes its words to `called`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder, "apt-cache", OFFER)
    program(folder, "dpkg-source", "")
    entry = f"echo 'http://mirror/debian|stable|{sources(tmp_path)}:2'"
    program(
        folder,
        "apt-get",
        f'case "$*" in indextargets*) {entry}; exit;; *source\\ opus) {UNPACK};; '
        f'*update) cp entries/opus.sources "{tmp_path}/entry";; esac\n'
        f'echo "$@" >> "{tmp_path}/called"',
    )
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


@pytest.mark.parametrize(("number", "keys"), [(1, ""), (2, f" {KEYS}")])
def test_the_keys_of_an_entry(tmp_path: Path, number: int, keys: str) -> None:
    assert signed_by(sources(tmp_path), number) == keys
    listed = tmp_path / "debian.list"
    listed.write_text(LIST)
    assert signed_by(listed, number) == keys


def test_a_key_inside_an_entry(tmp_path: Path) -> None:
    assert signed_by(sources(tmp_path), 3) == SOURCES.rpartition("Signed-By:")[2].rstrip("\n")


def test_apt_fetches_with_settings_of_its_own_and_once(apt: Path, tmp_path: Path) -> None:
    folder = tmp_path / "opus"
    assert fetch(folder) == folder / "opus-9.9"
    assert (tmp_path / "entry").read_text() == (
        "Types: deb-src\nURIs: http://mirror/debian\nSuites: stable\nComponents: main\n"
        f"Signed-By: {KEYS}\n"
    )
    calls = (tmp_path / "called").read_text().splitlines()
    assert [line.split()[-1] for line in calls] == ["update", "opus"]
    for line in calls:
        for setting in ("Dir::Etc::sourceparts", "Dir::State", "Dir::Cache"):
            assert f"-o {setting}={folder}/fetch-" in line
    program(apt, "apt-get", "exit 9")
    assert fetch(folder) == folder / "opus-9.9"
    assert [path.name for path in folder.iterdir() if path.name != ".lock"] == ["opus-9.9"]


def test_what_apt_says_is_told_and_nothing_stays(
    apt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(apt, "apt-get", 'echo "W: hm" >&2; echo "E: no route to the mirror" >&2; exit 100')
    folder = tmp_path / "opus"
    assert main([str(folder)]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err == (
        "dredkit: apt-get cannot fetch libopus' source: E: no route to the mirror\n"
    )
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_no_apt_or_a_package_that_it_does_not_know(apt: Path, tmp_path: Path) -> None:
    program(apt, "apt-cache", "exit 0")
    with pytest.raises(ToolError, match="apt knows no package libopus0: apt-get update"):
        fetch(tmp_path / "opus")
    os.environ["PATH"] = str(tmp_path)
    with pytest.raises(ToolError, match="apt-cache is missing: unpack a release of Opus"):
        fetch(tmp_path / "opus")


def test_a_package_without_the_lists_of_files(apt: Path, tmp_path: Path) -> None:
    text = (apt / "apt-get").read_text().replace(UNPACK, "mkdir opus-9.9")
    (apt / "apt-get").write_text(text)
    with pytest.raises(ToolError, match="does not have libopus' lists of files"):
        fetch(tmp_path / "opus")

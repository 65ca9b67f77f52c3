# SPDX-License-Identifier: BSD-3-Clause
"""The documents: every file, folder, link and command that they name exists."""

import re
import subprocess
from pathlib import Path

import pytest

from toolkit.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("", "docs", "firmware/examples", "targets/figures", "toolkit/data")
DOCUMENTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))
ROOMS = "firmware|quantize|toolkit|targets|tests|scripts|docs|cmake"
# Starts with a folder of the repository; no pattern and no word in capitals in place of a name.
PATH = re.compile(rf"(?<![\w/.-])(?:{ROOMS})/[\w./-]*[\w/]")
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b|/X\b|[*{}]")
QUOTED = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w./-]*\w\.(?:c|h|py|toml|md|txt|cmake)")
LINK = re.compile(r"\]\(([^)#:]+)(?:#([\w-]+))?\)")
OPTION = re.compile(r"(?<=[`\s(])--[a-z][\w-]*")
# Files of an Opus release, and generated ones.
FOREIGN = ("dnn/", "dred_rdovae_stats_data.c", "engine_sizes.h", "dredkit_wire.h")


def repository() -> list[str]:
    """Return the repository's files, new ones included."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_of_the_repository_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = {path for path in PATH.findall(text) if not PLACEHOLDER.search(path)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_quoted_files_exist_whole_or_by_the_end_of_their_path(document: Path) -> None:
    if document.name == "CHANGELOG.md":
        pytest.skip("tells of files that are no more")
    known = [f"/{name}" for name in repository()]
    named = {
        word
        for quoted in QUOTED.findall(document.read_text(encoding="utf-8"))
        for word in quoted.split()
        if FILE.fullmatch(word) and not PLACEHOLDER.search(word) and not word.startswith(FOREIGN)
    }
    assert {word for word in named if not any(path.endswith(f"/{word}") for path in known)} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        path = document.parent / target
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_every_command_is_in_the_readme_and_the_readme_names_no_other() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Commands")[2].partition("\n##")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {word for cell in first for word in re.findall(r"`(\w+)`", cell)} == set(COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_exist(document: Path) -> None:
    known = (ROOT / "toolkit" / "data" / "help.txt").read_text(encoding="utf-8")
    known += (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    known += (ROOT / "scripts" / "peers.py").read_text(encoding="utf-8")
    named = set(OPTION.findall(document.read_text(encoding="utf-8")))
    assert {option for option in named if not re.search(rf"{option}\b", known)} == set()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130

# SPDX-License-Identifier: BSD-3-Clause
"""The checks of English find their faults and name the place."""

import subprocess
from pathlib import Path

from scripts import prose


def repository(folder: Path, **files: str) -> Path:
    """Make a folder with files; two underscores in a name mean a slash."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(path.name.replace("_dot_", "."))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, check=True)


def test_a_refused_word_is_told_with_a_better_one(tmp_path: Path) -> None:
    listed = "thing\tbetter thing\nfor a laugh\tbecause\n"
    text = "fine\nsomething\nA Thing, for a\nlaugh\n"
    root = repository(tmp_path, scripts__words_dot_txt=listed, a_dot_py=text)
    faults = prose.words(root, ["scripts/words.txt", "a.py"])
    assert faults == [
        "a.py:3: 'thing': write better thing",
        "a.py:3: 'for a laugh': write because",
    ]


def test_a_document_that_is_not_there_is_told(tmp_path: Path) -> None:
    root = repository(
        tmp_path, a_dot_py="# see docs/HERE.md\n# and GONE.md\n", docs__HERE_dot_md=""
    )
    faults = prose.documents(root, ["a.py", "docs/HERE.md"])
    assert faults == ["a.py:2: GONE.md is not in the repository"]


def test_subjects_of_commits_are_judged_from_the_check_on(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Older ones are as they are")
    repository(tmp_path, scripts__prose_dot_py="")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "The check itself")
    assert prose.commits(tmp_path) == []
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "nn/neon, dsp: fold the last add")
    assert prose.commits(tmp_path) == []
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Say once what is said twice")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "area: " + "x" * 70)
    assert len(prose.commits(tmp_path)) == 2

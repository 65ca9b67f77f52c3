# SPDX-License-Identifier: BSD-3-Clause
"""Check the English of the repository: words, names of documents, subjects of commits.

Each check takes the root and the repository's files and returns one line per fault.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

WORDS: Final = "scripts/words.txt"
PROSE: Final = (*("*.py", "*.c", "*.h", "*.md", "*.toml", "*.cmake", "*.j2", "*.txt"), "run")
SUBJECT_MAX: Final = 72
SUBJECT: Final = re.compile(r"[\w./*+-]+(, ?[\w./*+-]+)*: \S")
_DOCUMENT: Final = re.compile(r"[A-Za-z0-9_./-]+\.md\b")
_SELF: Final = Path(__file__).name  # names no document but in its patterns


def words(root: Path, names: Iterable[str]) -> list[str]:
    """Find words of scripts/words.txt; each fault says what to write in their place."""
    lines = (root / WORDS).read_text(encoding="utf-8").splitlines()
    advice = dict(line.split("\t") for line in lines if line and not line.startswith("#"))
    phrases = "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in advice)
    pattern = re.compile(rf"\b({phrases})\b", re.IGNORECASE)
    faults = []
    for name in names:
        if name == WORDS:
            continue
        text = (root / name).read_text(encoding="utf-8")
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            phrase = " ".join(found[1].lower().split())
            faults.append(f"{name}:{line}: {phrase!r}: write {advice[phrase]}")
    return faults


def documents(root: Path, names: Iterable[str]) -> list[str]:
    """Find documents (*.md) that are named but are not in the repository."""
    listed = list(names)
    known = {Path(name).name for name in listed if name.endswith(".md")}
    faults = []
    for name in listed:
        if Path(name).name == _SELF or name.startswith("tests/"):
            continue
        for number, line in enumerate((root / name).read_text(encoding="utf-8").splitlines(), 1):
            faults += [
                f"{name}:{number}: {document} is not in the repository"
                for document in _DOCUMENT.findall(line)
                if Path(document).name not in known
            ]
    return faults


def commits(root: Path) -> list[str]:
    """Find subjects of commits, made since this check exists, that are not `area: what changed`."""

    def log(*arguments: str) -> list[str]:
        command = ["git", "log", "--no-merges", *arguments]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.splitlines() if done.returncode == 0 else []

    made = log("--diff-filter=A", "--format=%H", "--", f"scripts/{_SELF}")
    if not made:
        return []
    return [
        f"{subject!r}: want `area: what changed` in at most {SUBJECT_MAX} characters"
        for subject in log("--format=%s", f"{made[0]}..HEAD")
        if len(subject) > SUBJECT_MAX or not SUBJECT.match(subject)
    ]

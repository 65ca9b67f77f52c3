# SPDX-License-Identifier: BSD-3-Clause
"""Inline assembly never names a register as a clobber: firmware/dredkit/nn/scratch.h says why."""

import re
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
STATEMENT = re.compile(
    r"\b(?:__asm__|__asm|asm)\b(?:\s+(?:volatile|__volatile__|goto|inline))*\s*\("
)
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()\[\]:]|[^"()\[\]:]+')
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:[^"\\]|\\.)*")', re.DOTALL)
HARMLESS = {'"cc"', '"memory"'}


def without_comments(text: str) -> str:
    """Drop comments and join continued lines; strings stay."""
    return COMMENT.sub(lambda found: found.group(1) or " ", text.replace("\\\n", " "))


def sections(text: str, start: int) -> list[str]:
    """Return the parts between colons of the statement whose parenthesis opens before `start`."""
    parts, depth = [""], 1
    for found in TOKEN.finditer(text, start):
        word = found.group()
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word, 0)
        if depth == 0:
            return parts
        if word == ":" and depth == 1:
            parts.append("")
        else:
            parts[-1] += word
    raise AssertionError("an assembly statement does not end")


def clobbers(text: str) -> list[str]:
    """Return every clobber in a C source except "cc" and "memory"; macros are not expanded."""
    text = without_comments(text)
    found: list[str] = []
    for statement in STATEMENT.finditer(text):
        last = sections(text, statement.end())[3:]
        found += [
            word.strip()
            for part in last
            for word in part.split(",")
            if word.strip() and word.strip() not in HARMLESS
        ]
    return found


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ('__asm("nop" : : "r"(x) : "v0", "memory");', ['"v0"']),
        ('__asm volatile("a [%[w]]\\n" : [w] "+r"(w) : : "cc", "r4");', ['"r4"']),
        ('__asm__ volatile("nop" ::: "lr");', ['"lr"']),
        ('__asm("x" : OPERANDS : "r"(f(a, b)) : USED);', ["USED"]),
        ('__asm("x: \\"y\\"" : "=&w"(v0) : "r"(a ? b : c) : "cc", "memory"); // "v0"', []),
        ('__asm("nop");', []),
    ],
)
def test_clobbers_are_found(source: str, want: list[str]) -> None:
    assert clobbers(source) == want


def test_no_assembly_names_a_register_as_a_clobber() -> None:
    files = [path for kind in ("*.c", "*.h") for path in FIRMWARE.rglob(kind)]
    statements = sum(len(STATEMENT.findall(path.read_text())) for path in files)
    assert statements > 50
    found = {str(path.relative_to(FIRMWARE)): clobbers(path.read_text()) for path in files}
    assert {name: names for name, names in found.items() if names} == {}

# SPDX-License-Identifier: BSD-3-Clause
"""Declarations for cffi come from the firmware's headers: structs, constants, functions."""

from pathlib import Path

import cffi
import pytest

from toolkit.common.errors import ToolError
from toolkit.device.build.declarations import declarations, prototypes

HEADER = """\
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "other.h"
#pragma once
enum { COUNT = 2 };
_Static_assert(COUNT == 2, "a brace } and a semicolon ;");
typedef struct { int16_t values[ROOM * COUNT]; other inside; } thing;
extern const thing a_thing;
static inline bool is_small(int x) { if (x) { return false; } return true; }
bool use(const thing *it, size_t count);
"""
OTHER = "#include <stdint.h>\n#define ROOM 3\ntypedef struct { bool yes; int32_t no; } other;\n"


@pytest.fixture
def header(tmp_path: Path) -> Path:
    """Write two headers of which one includes the other; return the first."""
    (tmp_path / "other.h").write_text(OTHER)
    path = tmp_path / "header.h"
    path.write_text(HEADER)
    return path


def test_a_header_and_what_it_includes_are_declared(header: Path) -> None:
    found = declarations(header.name, includes=(header.parent,))
    ffi = cffi.FFI()
    ffi.cdef(found)
    assert ffi.sizeof("other") == 8
    assert ffi.sizeof("thing") == 20
    assert "is_small" not in found
    assert "memcpy" not in found
    assert "_Static_assert" not in found
    assert "_Bool use(const thing *it, size_t count);" in found
    assert "extern thing a_thing;" in found


@pytest.mark.parametrize("wrong", ["_Alignas(16) int x[4];", "int x __attribute__((aligned(16)));"])
def test_a_layout_that_cffi_would_get_wrong_is_refused(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "aligned.h").write_text(f"typedef struct {{ {wrong} }} aligned;\n")
    with pytest.raises(ToolError, match=r"aligned\.h: .*alignments"):
        declarations("aligned.h", includes=(tmp_path,))


def test_a_header_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"nothing\.h"):
        declarations("nothing.h", includes=(tmp_path,))


def test_functions_of_a_source_become_prototypes() -> None:
    text = '#include "a.h"\n// int no(void);\nstatic int a = 1;\nstatic int b(void) { return a; }\n'
    text += 'int c(int x)\n{\n    if (x) { return b(); }\n    return ";}"[0];\n}\nvoid d(void) {}\n'
    assert prototypes(text) == "int c(int x);\nvoid d(void);"

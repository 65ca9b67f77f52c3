# SPDX-License-Identifier: BSD-3-Clause
"""Read what the firmware's C declares, in the form that cffi takes: headers are the one source."""

import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from toolkit.common.errors import ToolError
from toolkit.targets.sources import INCLUDES, PORTABLE_FLAG

# A literal, a brace, a semicolon, or text without any of them.
_TOKEN: Final = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|[^{};"']+""")
_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
# `# 12 "file.h" 1`: the lines that follow come from that file. Flag 3 does not tell system headers:
# the compiler also sets it on what a macro of theirs, such as bool, puts into a line of ours.
_LINE_MARK: Final = re.compile(r'# \d+ "([^"]*)"')
_LEFT_OUT: Final = ("static ", "_Static_assert")


@functools.cache
def declarations(*headers: str, includes: tuple[Path, ...] = INCLUDES) -> str:
    """Return the types, functions and variables that headers of the firmware declare.

    The compiler preprocesses the headers, so the result has the declarations of all headers that
    they include, with constants in place of macros. System headers are left out, because cffi
    knows the types of stdint.h, stddef.h and stdbool.h; so are static functions and assertions.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        raise ToolError("gcc is missing: apt-get install gcc")
    command = [compiler, "-E", "-std=c11", PORTABLE_FLAG, *(f"-I{path}" for path in includes)]
    text = "".join(f'#include "{header}"\n' for header in headers)
    done = subprocess.run(
        [*command, "-x", "c", "-"], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"{', '.join(headers)}: {(done.stderr.splitlines() or ['no reason'])[0]}")
    own = tuple(f"{path}/" for path in includes)
    found = _prototypes(_lines_of(own, done.stdout))
    # cffi would ignore these words and lay a struct out differently from the compiler.
    if re.search(r"\b(_Alignas|__attribute__)\b", found):
        raise ToolError(f"{', '.join(headers)}: cffi cannot read alignments and attributes")
    # cffi reads no constants from a library that it opens, but it reads variables.
    return re.sub(r"^extern const\b", "extern", found, flags=re.MULTILINE)


def prototypes(source: str) -> str:
    """Return prototypes of the functions that a C source defines, static ones left out.

    Nothing is preprocessed: macros and included headers do not count.
    """
    lines = _COMMENT.sub("", source).splitlines()
    return _prototypes("\n".join(line for line in lines if not line.startswith("#")))


def _lines_of(folders: tuple[str, ...], preprocessed: str) -> str:
    """Return the lines that come from headers in these folders, without line marks and pragmas."""
    kept, own = [], False
    for line in preprocessed.splitlines():
        mark = _LINE_MARK.match(line)
        if mark:
            own = mark[1].startswith(folders)
        elif own and not line.startswith("#"):
            kept.append(line)
    return "\n".join(kept)


def _prototypes(text: str) -> str:
    """Return the declarations at file scope, one a line, each once, without function bodies."""
    items = (" ".join(item.split()) for item in _items(text))
    return "\n".join(dict.fromkeys(item for item in items if not item.startswith(_LEFT_OUT)))


def _items(text: str) -> Iterator[str]:
    """Yield each declaration at file scope; a semicolon replaces a function's body."""
    item, depth, body = "", 0, False
    for token in _TOKEN.findall(text):
        if token == "{" and depth == 0:
            body = item.rstrip().endswith(")")
        depth += {"{": 1, "}": -1}.get(token, 0)
        if not body:
            item += token
        if depth == 0 and (token == ";" or (body and token == "}")):
            yield item.rstrip() + (";" if body else "")
            item, body = "", False

# SPDX-License-Identifier: BSD-3-Clause
"""The C tables of an Opus release (dnn/*_data.c), read as untrusted text.

Such a file has a sequence of `const TYPE NAME[SIZE] = { numbers };`, a table of these names and an
init function, within #ifdefs. It is read as a release is compiled by default: with the weights
inside and without the float copies of int8 weights. Anything else in it is an error.
"""

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.dred.tables import LATENTS, LEVELS, STATES, EntropyTables
from quantize.errors import InputError
from toolkit.models.importers.dnnw import Records

MAX_BYTES: Final = 32 << 20  # some 26 bytes a weight, float copies included
_DEFINED: Final = frozenset({"DISABLE_DEBUG_FLOAT"})  # of what a build may define; see above
_INTEGERS: Final = {"int8": "i1", "uint8": "u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4"}
_DTYPES: Final = {
    "float": "<f4",
    "int": "<i4",
    "qweight": "i1",
    # Opus' own names, those of its successor OAC, and those of <stdint.h>.
    **{f"opus_{name}": dtype for name, dtype in _INTEGERS.items()},
    **{f"oac_{name}": dtype for name, dtype in _INTEGERS.items()},
    **{f"{name}_t": dtype for name, dtype in _INTEGERS.items()},
}
_PARTS: Final = (("latent", LATENTS), ("state", STATES))
_ROWS: Final = ("quant_scales", "dead_zone", "r", "p0")  # the order of EntropyTables' first axis

_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_ASIDE = re.compile(r'/\*.*?\*/|//[^\n]*|"[^"\n]*"|/\*', re.DOTALL | re.ASCII)
_DIRECTIVE = re.compile(rf"#\s*({_WORD})\s*({_WORD})?(.*)", re.ASCII)
_ARRAY = re.compile(
    rf"(?:static\s+)?const\s+({_WORD})\s+({_WORD})\s*\[\s*([0-9]{{0,9}})\s*\]\s*=\s*\{{",
    re.ASCII,
)
_NAMES = re.compile(r"[^{}]*(?:\{[^{}]*\}[^{}]*)*\}\s*;", re.ASCII)  # the rest of a list of {...}
_INIT = re.compile(rf"int\s+init_{_WORD}\s*\([^(){{}};]*\)\s*\{{[^{{}}]*\}}", re.ASCII)
_SPACE = re.compile(r"\s*", re.ASCII)
_END = re.compile(r"\s*;", re.ASCII)
_INTEGER = re.compile(r"\s*-?(?:0|[1-9][0-9]{0,9})\s*", re.ASCII)
_REAL = re.compile(r"\s*-?[0-9]{1,40}(?:\.[0-9]{0,40})?(?:[eE][-+]?[0-9]{1,3})?\s*", re.ASCII)


def read_arrays(data: bytes, where: str) -> Records:
    """Read every array of a *_data.c file by name.

    Raises InputError, with the line, for text that Opus' exporter does not write, for an array
    whose length differs from its declaration, for a number out of its type's range, and for a file
    that is cut short.
    """
    if not data.strip():
        raise InputError(f"{where}: empty file; expected the C tables of an Opus release")
    if len(data) > MAX_BYTES:
        raise InputError(f"{where}: {len(data)} bytes; the C tables of a release are smaller")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{where}:{line}: not C tables of an Opus release (not ASCII)") from error
    return _scan(_preprocess(_strip(text, where), where), where)


def entropy_tables(records: Records, where: str) -> EntropyTables | None:
    """Return the entropy tables among the arrays of dred_rdovae_stats_data.c; None without any.

    Raises InputError for tables that are incomplete or of another size.
    """
    names = [[f"dred_{part}_{row}_q8" for row in _ROWS] for part, _ in _PARTS]
    if not any(name in records for rows in names for name in rows):
        return None
    stacked: list[npt.NDArray[np.uint8]] = []
    for rows, (_, size) in zip(names, _PARTS, strict=True):
        for name in rows:
            array = records.get(name)
            if array is None:
                raise InputError(f"{where}: array {name} is missing; is the file complete?")
            if array.dtype != np.uint8 or len(array) != LEVELS * size:
                raise InputError(
                    f"{where}: array {name} is {array.dtype}[{len(array)}], expected "
                    f"uint8[{LEVELS * size}]; is it from another libopus version?"
                )
        flat = np.stack([records[name].astype(np.uint8) for name in rows])
        stacked.append(flat.reshape(len(_ROWS), LEVELS, size))
    try:
        return EntropyTables(*stacked)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _strip(text: str, where: str) -> str:
    """Remove comments; lines keep their numbers."""

    def keep(match: re.Match[str]) -> str:
        found = match[0]
        if found == "/*":
            raise InputError(f"{where}:{_line(text, match.start())}: truncated: an open comment")
        return found if found[0] == '"' else " " + "\n" * found.count("\n")

    return _ASIDE.sub(keep, text)


def _preprocess(text: str, where: str) -> str:
    """Obey the directives; blank them and the text that they exclude. Lines keep their numbers."""
    defined = set(_DEFINED)
    opened: list[tuple[int, bool]] = []  # the line of each #ifdef, and whether its text counts
    lines = text.split("\n")
    for index, line in enumerate(lines):
        stripped = line.strip()
        active = all(counts for _, counts in opened)
        if not stripped.startswith("#"):
            if not active:
                lines[index] = ""
            continue
        lines[index] = ""
        match = _DIRECTIVE.fullmatch(stripped)
        word, name, rest = match.groups() if match else ("", None, "")
        if word in ("ifdef", "ifndef") and name and not rest:
            opened.append((index + 1, (name in defined) == (word == "ifdef")))
        elif word == "endif" and opened and not name and not rest:
            opened.pop()
        elif word == "define" and name and not rest.endswith("\\"):
            if active:
                defined.add(name)
        elif word != "include":
            raise InputError(f"{where}:{index + 1}: unexpected {stripped[:40]!r} in C tables")
    if opened:
        raise InputError(f"{where}:{opened[-1][0]}: truncated: an #ifdef without its #endif")
    return "\n".join(lines)


def _scan(text: str, where: str) -> Records:
    records: Records = {}
    at = counted = 0
    line = 1
    while True:
        space = _SPACE.match(text, at)
        at = at if space is None else space.end()
        line += text.count("\n", counted, at)
        counted = at
        if at == len(text):
            return records
        init = _INIT.match(text, at)
        if init is not None:
            at = init.end()
            continue
        array = _ARRAY.match(text, at)
        if array is None:
            shown = text[at : at + 40].split("\n", 1)[0]
            raise InputError(f"{where}:{line}: {shown!r} is no C table of an Opus release, or cut")
        kind, name, size = array.groups()
        if kind == "WeightArray":
            names = _NAMES.match(text, array.end())
            if names is None:
                raise InputError(f"{where}:{line}: truncated in the list {name}")
            at = names.end()
            continue
        if kind not in _DTYPES:
            raise InputError(f"{where}:{line}: array {name} has the unknown type {kind}")
        if name in records:
            raise InputError(f"{where}:{line}: array {name} appears twice")
        stop = text.find("}", array.end())
        end = None if stop < 0 else _END.match(text, stop + 1)
        if end is None:
            raise InputError(f"{where}:{line}: truncated: array {name} has no end '}};'")
        values = _numbers(text, array.end(), stop, _DTYPES[kind], f"array {name}", where)
        if not size or len(values) != int(size):
            raise InputError(
                f"{where}:{line}: array {name} holds {len(values)} numbers, says {size or 'none'}"
            )
        records[name] = values
        at = end.end()


def _numbers(
    text: str, start: int, stop: int, dtype: str, name: str, where: str
) -> npt.NDArray[np.generic]:
    kind = np.dtype(dtype)
    real = kind.kind == "f"
    form = _REAL if real else _INTEGER
    words = text[start:stop].split(",")
    at = start
    for word in words:
        if form.fullmatch(word) is None:
            shown = word.strip()[:40]
            line = _line(text, at + len(word) - len(word.lstrip()))
            what = "number" if real else "integer"
            raise InputError(f"{where}:{line}: {name}: {shown!r} is no {what}")
        at += len(word) + 1
    # As C does: read a literal as a double, then narrow it to float.
    wide = np.array([float(w) for w in words] if real else [int(w) for w in words])
    limit = np.finfo(np.float32).max if real else np.iinfo(kind).max
    least = -limit if real else np.iinfo(kind).min
    outside = np.flatnonzero((wide < least) | (wide > limit))
    if len(outside):
        at = start + sum(len(word) + 1 for word in words[: outside[0]])
        word = words[outside[0]]
        line = _line(text, at + len(word) - len(word.lstrip()))
        raise InputError(f"{where}:{line}: {name}: {word.strip()} does not fit {kind}")
    return wide.astype(kind)

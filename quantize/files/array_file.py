# SPDX-License-Identifier: BSD-3-Clause
"""NumPy's .npy and .npz files, read as untrusted input.

Pickles are refused, and no memory is allocated for what a header only claims.
"""

import io
import lzma
import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError

MAX_BYTES: Final = 1 << 29  # of all arrays together; hours of speech
_MEMBER: Final = ".npy"
# What zipfile and its decompressors raise for damaged, encrypted or exotic archives.
_ZIP_ERRORS: Final = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, OverflowError, MemoryError),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError),
)
# What NumPy raises for the header of an array, a Python literal.
_HEADER_ERRORS: Final = (
    *(ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError, OverflowError),
    *(EOFError, tokenize.TokenError),
)

Arrays = dict[str, npt.NDArray[Any]]


def read_arrays(data: bytes, names: Collection[str] | None = None) -> Arrays:
    """Read the arrays of an .npz file's bytes, by name: those in `names`, or all of them.

    Raises InputError, which says why but names no file, for anything else: another file, a name
    that is missing, arrays of objects, sizes beyond MAX_BYTES or other than the header says.
    """
    if not data:
        raise InputError("it is empty")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = {i.filename.removesuffix(_MEMBER): i for i in archive.infolist()}
            for name in names or ():
                if name not in found:
                    raise InputError(f"it has no array {name}")
            wanted = {name: found[name] for name in (found if names is None else names)}
            size = sum(member.file_size for member in wanted.values())
            if size > MAX_BYTES:
                raise InputError(f"its arrays claim {size} bytes, at most {MAX_BYTES} are read")
            members = {name: archive.read(member) for name, member in wanted.items()}
    except InputError:
        raise
    except _ZIP_ERRORS as error:
        raise InputError(f"it is no .npz file, or damaged ({type(error).__name__})") from error
    return {name: _array(name, member) for name, member in members.items()}


def map_array(
    path: Path, kind: npt.DTypeLike, shape: tuple[int | None, ...], cure: str
) -> npt.NDArray[Any]:
    """Map the array of an .npy file into memory, read-only; None in `shape` is any length.

    Raises InputError, which names the file and ends with `cure`, if it is absent, damaged, or holds
    another type or shape.
    """
    try:
        with path.open("rb") as stream:
            found, by_columns, held = _header(stream)
            start = stream.tell()
        there = path.stat().st_size - start
        wanted = np.dtype(kind)
        fits = len(found) == len(shape) and all(
            want in (None, n) for n, want in zip(found, shape, strict=True)
        )
        if held != wanted or by_columns or not fits:
            raise InputError(f"holds {held}{list(found)}")
        if math.prod(found) * wanted.itemsize != there:
            raise InputError(f"says {held}{list(found)}, {there} bytes are there")
        if not there:
            return np.zeros(found, wanted)
        return np.memmap(path, wanted, "r", start, found)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {cure}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {cure}") from error
    except InputError as error:
        raise InputError(f"{path} {error}; {cure}") from None


def _array(name: str, data: bytes) -> npt.NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        shape, by_columns, kind = _header(stream)
    except InputError as error:
        raise InputError(f"array {name} {error}") from error
    there = len(data) - stream.tell()
    if math.prod(shape) * kind.itemsize != there:
        raise InputError(f"array {name} says {kind}{list(shape)}, {there} bytes are there")
    values = np.frombuffer(data, kind, offset=stream.tell()).copy()
    return values.reshape(shape, order="F" if by_columns else "C")


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns lie together, and type; leaves the stream at the values."""
    try:
        with warnings.catch_warnings():  # about headers that Python 2 wrote
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise InputError(f"is of format {version[0]}.{version[1]}, want 1.0")
            read = np.lib.format.read_array_header_1_0
            if version == (2, 0):
                read = np.lib.format.read_array_header_2_0
            shape, by_columns, kind = read(stream)
    except InputError:
        raise
    except _HEADER_ERRORS as error:
        raise InputError(f"is damaged ({type(error).__name__})") from error
    if kind.hasobject or kind.subdtype is not None or kind.itemsize == 0:
        raise InputError(f"is of type {kind}, want numbers")
    if min(shape, default=0) < 0:
        raise InputError(f"says {kind}{list(shape)}")
    return shape, by_columns, kind

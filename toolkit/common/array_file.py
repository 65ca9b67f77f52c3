# SPDX-License-Identifier: BSD-3-Clause
"""NumPy's .npz files, read as untrusted input: no pickles, no memory that a header only claims."""

import io
import lzma
import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from toolkit.common.errors import InputError

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


def _array(name: str, data: bytes) -> npt.NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():  # about headers that Python 2 wrote
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise InputError(f"array {name} is of format {version[0]}.{version[1]}, want 1.0")
            read = np.lib.format.read_array_header_1_0
            if version == (2, 0):
                read = np.lib.format.read_array_header_2_0
            shape, by_columns, kind = read(stream)
    except InputError:
        raise
    except _HEADER_ERRORS as error:
        raise InputError(f"array {name} is damaged ({type(error).__name__})") from error
    if kind.hasobject or kind.subdtype is not None or kind.itemsize == 0:
        raise InputError(f"array {name} is of type {kind}, want numbers")
    there = len(data) - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != there:
        raise InputError(f"array {name} says {kind}{list(shape)}, {there} bytes are there")
    values = np.frombuffer(data, kind, offset=stream.tell()).copy()
    return values.reshape(shape, order="F" if by_columns else "C")

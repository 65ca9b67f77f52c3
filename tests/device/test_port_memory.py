# SPDX-License-Identifier: BSD-3-Clause
"""The memory functions that the AArch64 firmware defines itself, compiled for this machine."""

import ctypes
import random
import subprocess
from pathlib import Path

import pytest

from toolkit.common.paths import ROOT

SOURCE = ROOT / "firmware" / "port" / "aarch64" / "memory.c"
NAMES = ("memcpy", "memmove", "memset", "memcmp")
ROOM = 64


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path: Path = tmp_path_factory.mktemp("memory") / "memory.so"
    renamed = [f"-D{name}=dk_{name}" for name in NAMES]
    subprocess.run(
        ["gcc", "-O2", "-std=c11", "-shared", "-fPIC", "-fno-builtin", *renamed, str(SOURCE),
         "-fsanitize=undefined", "-static-libubsan", "-fno-sanitize-recover=all",
         "-Wall", "-Wextra", "-Wconversion", "-Werror", "-o", str(path)],
        check=True,
    )  # fmt: skip
    return ctypes.CDLL(str(path))


@pytest.mark.parametrize("name", ["dk_memcpy", "dk_memmove"])
def test_copies_change_what_was_asked_for_and_nothing_else(library: ctypes.CDLL, name: str) -> None:
    rng = random.Random(name)
    for _ in range(2000):
        before = rng.randbytes(ROOM)
        buffer = ctypes.create_string_buffer(before, ROOM)
        count = rng.randrange(0, 30)
        to, source = rng.randrange(0, ROOM - count), rng.randrange(0, ROOM - count)
        if name == "dk_memcpy" and abs(to - source) < count:
            continue  # memcpy does not allow it
        at = ctypes.addressof(buffer)
        copy = getattr(library, name)
        copy.restype = ctypes.c_void_p
        arguments = [ctypes.c_void_p(at + to), ctypes.c_void_p(at + source)]
        assert copy(*arguments, ctypes.c_size_t(count)) == at + to
        want = before[:to] + before[source : source + count] + before[to + count :]
        assert buffer.raw == want, (to, source, count)


def test_memset_and_memcmp(library: ctypes.CDLL) -> None:
    for count in range(30):
        for at in range(9):
            buffer = ctypes.create_string_buffer(b"x" * ROOM, ROOM)
            library.dk_memset(ctypes.byref(buffer, at), 0x1A5, ctypes.c_size_t(count))
            assert buffer.raw == b"x" * at + b"\xa5" * count + b"x" * (ROOM - at - count)
    for left, right in ((b"one", b"onf"), (b"abc", b"abc"), (b"\xff", b"\x01"), (b"", b"")):
        said = library.dk_memcmp(left, right, ctypes.c_size_t(len(left)))
        assert (said > 0) - (said < 0) == (left > right) - (left < right)

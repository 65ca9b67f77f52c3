# SPDX-License-Identifier: BSD-3-Clause
""".npz files of payloads and runs: bad ones are refused in one line, without using memory."""

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.files.array_file import read_arrays
from toolkit.common.errors import InputError
from toolkit.report.roundtrip import read_payloads

LENGTHS = np.array([[3], [0], [8]], "<i2")
ROWS = np.arange(24, dtype="<i2").reshape(3, 8)


def packed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def claiming(shape: str, kind: str = "<i2", content: bytes = b"") -> bytes:
    """Return an array file whose header promises more than its content holds."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + content


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        read_payloads(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    line = str(caught.value)
    assert line.startswith(f"{path}: holds no payloads of a sender (")
    assert "\n" not in line
    return line


@pytest.mark.parametrize("kind", ["<i2", ">i4", "u1"])
def test_payloads_come_back(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(packed(payload_length=LENGTHS, payload=ROWS.astype(kind), ticks=np.zeros(3)))
    assert read_payloads(path) == [b"\0\1\2", b"", bytes(range(16, 24))]
    path.write_bytes(packed(payload_length=LENGTHS, payload=np.asfortranarray(ROWS)))
    assert read_payloads(path)[2] == bytes(range(16, 24))


@pytest.mark.parametrize(
    ("lengths", "rows", "says"),
    [
        (np.array([[3], [-5], [8]]), ROWS, "packet 1 has -5 bytes, want 0 to 8"),
        (np.array([[3], [0], [9]]), ROWS, "packet 2 has 9 bytes, want 0 to 8"),
        (np.full((3, 1), 30000), ROWS, "packet 0 has 30000 bytes"),
        (np.array([[641]]), np.zeros((1, 700), int), "packet 0 has 641 bytes, want 0 to 640"),
        (np.array([[2**64 - 1]], np.uint64), ROWS[:1], "packet 0 has 18446744073709551615 bytes"),
        (LENGTHS.astype(float), ROWS, "payload_length is float64[3, 1]"),
        (LENGTHS, ROWS.astype(np.float32), "payload is float32[3, 8]"),
        (LENGTHS > 0, ROWS, "payload_length is bool[3, 1]"),
        (LENGTHS[:, 0], ROWS, "payload_length is int16[3]"),
        (LENGTHS, ROWS[0], "payload is int16[8]"),
        (LENGTHS, ROWS[:2], "[3, 1] lengths for [2, 8] bytes"),
        (LENGTHS.T, ROWS[:1], "[1, 3] lengths for [1, 8] bytes"),
        (LENGTHS[:0], ROWS[:0], "[0, 1] lengths for [0, 8] bytes"),
        (LENGTHS, ROWS - 1, "packet 0 holds other values than bytes"),
        (LENGTHS, ROWS + 240, "packet 2 holds other values than bytes"),
        (np.array([["a"]]), ROWS, "payload_length is <U1[1, 1]"),
        (np.array([[1, 2], [3, None]], object), ROWS, "payload_length is of type object"),
        (np.zeros((3, 1), "i2,i2"), ROWS, "payload_length is [('f0', '<i2'), ('f1', '<i2')]"),
    ],
)
def test_wrong_payloads_are_named(tmp_path: Path, lengths: Any, rows: Any, says: str) -> None:
    assert says in refused(tmp_path / "p.npz", packed(payload_length=lengths, payload=rows))


GOOD = npy(LENGTHS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04", "it is no .npz file, or damaged"),
        (npy(LENGTHS), "it is no .npz file, or damaged"),
        (npy(np.zeros(4)), "it is no .npz file, or damaged"),
        (b"hello, world\n" * 100, "it is no .npz file, or damaged"),
        (packed(one=np.zeros(3)), "it has no array payload_length"),
        (packed(payload_length=LENGTHS), "it has no array payload"),
        *(
            (zipped({"payload_length.npy": content, "payload.npy": GOOD}), says)
            for content, says in (
                (b"", "array payload_length is damaged"),
                (b"\x93NUMPY", "array payload_length is damaged"),
                (b"\x93NUMPY\x03\x00\x00\x00\x00\x00", "is of format 3.0, want 1.0"),
                (claiming("(1000000000000, 1)"), "says int16[1000000000000, 1], 0 bytes are there"),
                (claiming("(3, 1)", content=b"\0" * 8), "says int16[3, 1], 8 bytes are there"),
                (claiming("(-3, -1)", content=b"\0" * 6), "says int16[-3, -1]"),
                (claiming("(0, 9999999999999999)"), "[0, 9999999999999999]"),
                (claiming("(3, 1"), "is damaged"),
                (claiming("(" * 3000), "is damaged"),
                (claiming("(3, 1)", "O", b"\x80\x04N."), "is of type object, want numbers"),
                (claiming("(3, 1)", "<i9"), "is damaged"),
            )
        ),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refused(tmp_path / "p.npz", content)


def test_a_bomb_is_refused_unpacked(tmp_path: Path) -> None:
    zeros = claiming("(300000000, 1)", content=b"") + bytes(600_000_000)
    content = zipped({"payload_length.npy": zeros, "payload.npy": GOOD})
    del zeros
    assert len(content) < 1 << 20
    assert "its arrays claim 600000" in refused(tmp_path / "p.npz", content)


def test_no_file(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=f"{says}.*`dredkit stream` writes payloads"):
            read_payloads(path)


WHOLE = packed(payload_length=LENGTHS, payload=ROWS)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.booleans())
def test_damage_is_refused_or_read(at: int, flip: int, cut: bool) -> None:
    data = bytearray(WHOLE)
    data[at] ^= flip
    found, line = {}, ""
    try:
        found = read_arrays(bytes(data[:at] if cut else data))
    except InputError as error:
        line = str(error)
    assert "\n" not in line
    assert bool(found) != bool(line)
    assert all(array.nbytes < 1000 for array in found.values())

# SPDX-License-Identifier: BSD-3-Clause
"""Opus 'DNNw' weight blobs (docs/FORMAT.md section 7), read as untrusted input.

A blob is a list of records: a 64-byte header (magic, version, type, size, block size, name) and a
payload padded to 64 bytes. All is little-endian, as on the machines that libopus is released from.
"""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantize.errors import InputError
from quantize.files.reading import file_bytes
from quantize.nn.weights import BLOCK_COLS, BLOCK_ROWS, Weights

MAGIC = b"DNNw"
VERSION = 0
_HEADER = struct.Struct("<4siiii44s")
_ALIGN = 64
_BLOCK = BLOCK_ROWS * BLOCK_COLS
_SUBIAS_MOST = 1e-4  # of a bias that is zero, computed from rounded numbers
_DTYPES = {0: "<f4", 1: "<i4", 2: "i1", 3: "i1"}  # f32, i32, qweight, int8
_WEIGHT_SUFFIXES = ("_weights_int8", "_weights_float", "_weight_float")  # the last: conv2d

Records = dict[str, npt.NDArray[np.generic]]


def read_blob(path: Path, cols: dict[str, int]) -> dict[str, Weights]:
    """Read every layer of a blob.

    `cols` has the input size of each layer of the network, because a blob does not have it for
    sparse layers. Layers that `cols` does not name are left out. Raises InputError with the record
    and offset of the first fault.
    """
    return layers_of(
        read_records(file_bytes(path, "give an Opus 'DNNw' blob"), str(path)), cols, str(path)
    )


def layers_of(records: Records, cols: dict[str, int], where: str) -> dict[str, Weights]:
    """Put together the layers of `cols` whose weights are among `records`; see `read_blob`."""
    layers = {}
    for record in records:
        for suffix in _WEIGHT_SUFFIXES:
            name = record.removesuffix(suffix)
            if name != record and name in cols and name not in layers:
                layers[name] = _layer(records, name, cols[name], where)
    return layers


def read_records(data: bytes, where: str) -> Records:
    """Split a blob into named arrays; raises InputError on anything that is not a whole blob."""
    if not data:
        raise InputError(f"{where}: empty file; expected an Opus 'DNNw' weight blob")
    if not MAGIC.startswith(data[: len(MAGIC)]):
        raise InputError(f"{where}: not an Opus 'DNNw' weight blob (it begins {data[:4]!r})")
    records: Records = {}
    offset = 0
    while offset < len(data):
        if len(data) - offset < _HEADER.size:
            raise InputError(f"{where}: truncated: {len(data) - offset} stray bytes at {offset}")
        magic, version, kind, size, block, raw = _HEADER.unpack_from(data, offset)
        if magic != MAGIC:
            raise InputError(f"{where}: no record at byte {offset} (its magic is {magic!r})")
        name = raw.split(b"\0", 1)[0].decode("ascii", "replace")
        if version != VERSION or kind not in _DTYPES or not name.isidentifier():
            raise InputError(
                f"{where}: record {name!r} at byte {offset}: version {version}, type {kind}; "
                "this reader knows version 0, types 0 to 3"
            )
        if size < 0 or block < size or block % _ALIGN or block - size >= _ALIGN:
            raise InputError(f"{where}: record {name}: sizes {size}/{block} make no sense")
        start = offset + _HEADER.size
        if start + block > len(data):
            raise InputError(
                f"{where}: truncated in record {name}: {block} bytes announced, "
                f"{len(data) - start} left"
            )
        dtype = np.dtype(_DTYPES[kind])
        if size % dtype.itemsize:
            raise InputError(f"{where}: record {name}: {size} bytes are no whole {dtype} array")
        if name in records:
            raise InputError(f"{where}: record {name} appears twice")
        records[name] = np.frombuffer(data, dtype, size // dtype.itemsize, start)
        offset = start + block
    return records


def _layer(records: Records, name: str, cols: int, where: str) -> Weights:
    bias = _bias(records, name, where)
    rows = len(bias)
    # A release built with float weights for debugging keeps them beside the int8 ones.
    is_float = f"{name}_weights_int8" not in records
    if f"{name}_weights_float" in records and is_float:
        floats = _take(records, f"{name}_weights_float", "<f4", where)
        _expect(floats, rows * cols, f"{name}_weights_float", where)
        # Float weights lie column by column: w[in * rows + out] (docs/FORMAT.md, section 7).
        return Weights(name, floats.reshape(cols, rows).T.astype(np.float64), bias)
    if f"{name}_weight_float" in records:
        floats = _take(records, f"{name}_weight_float", "<f4", where)
        _expect(floats, rows * cols, f"{name}_weight_float", where)
        # A conv2d: [out channel][in channel][time][position], row by row.
        return Weights(name, floats.reshape(rows, cols).astype(np.float64), bias)
    stored = _take(records, f"{name}_weights_int8", "i1", where).view(np.int8)
    per_product = _take(records, f"{name}_scale", "<f4", where).astype(np.float64)
    _expect(per_product, rows, f"{name}_scale", where)
    if rows % BLOCK_ROWS or cols % BLOCK_COLS:
        raise InputError(f"{where}: layer {name}: {rows}x{cols} is no multiple of 8x4 blocks")
    if np.any(~np.isfinite(per_product)) or np.any(per_product < 0):
        raise InputError(f"{where}: record {name}_scale holds a negative or non-finite scale")
    scale = per_product * 127.0
    if f"{name}_weights_idx" in records:
        index = _take(records, f"{name}_weights_idx", "<i4", where)
        blocks, matrix = _unpack_sparse(stored, index, rows, cols, name, where)
        return Weights(name, matrix * scale[:, None], bias, matrix, scale, blocks)
    _expect(stored, rows * cols, f"{name}_weights_int8", where)
    tiles = stored.reshape(rows // BLOCK_ROWS, cols // BLOCK_COLS, BLOCK_ROWS, BLOCK_COLS)
    dense = tiles.transpose(0, 2, 1, 3).reshape(rows, cols)
    return Weights(name, dense * scale[:, None], bias, dense, scale)


def _bias(records: Records, name: str, where: str) -> npt.NDArray[np.float64]:
    """Return a layer's bias; zeros where upstream has none, as in the GRUs of FARGAN.

    Such a layer still has a record for inputs without sign, `subias` = bias - 127 scale sum(w).
    """
    scale, weights = records.get(f"{name}_scale"), records.get(f"{name}_weights_int8")
    if f"{name}_subias" not in records or f"{name}_bias" in records or scale is None:
        return _take(records, f"{name}_bias", "<f4", where).astype(np.float64)
    subias = _take(records, f"{name}_subias", "<f4", where).astype(np.float64)
    if weights is not None and len(scale) == len(subias):
        dense = len(weights) % (BLOCK_ROWS * BLOCK_COLS) == 0 and len(subias) % BLOCK_ROWS == 0
        if dense and f"{name}_weights_idx" not in records:
            tiles = weights.astype(np.int64).reshape(len(subias) // BLOCK_ROWS, -1, BLOCK_ROWS, 4)
            sums = tiles.sum(axis=(1, 3)).reshape(-1)
            own = subias + 127 * scale.astype(np.float64) * sums
            if np.abs(own).max() <= _SUBIAS_MOST * max(1.0, float(np.abs(subias).max())):
                return np.zeros(len(subias))
    raise InputError(f"{where}: record {name}_bias is missing; is the file complete?")


def _unpack_sparse(
    flat: npt.NDArray[np.int8],
    index: npt.NDArray[np.generic],
    rows: int,
    cols: int,
    name: str,
    where: str,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int8]]:
    """Walk the index: for each group of 8 outputs a count, then that many input positions."""
    record = f"{where}: record {name}_weights_idx"
    blocks = np.zeros((rows // BLOCK_ROWS, cols // BLOCK_COLS), np.bool_)
    matrix = np.zeros((rows, cols), np.int8)
    stream = [int(v) for v in index]
    at = used = 0
    for group in range(rows // BLOCK_ROWS):
        if at >= len(stream):
            raise InputError(f"{record}: ends before output group {group}")
        count = stream[at]
        positions = stream[at + 1 : at + 1 + max(count, 0)]
        if count < 0 or len(positions) != count:
            raise InputError(f"{record}: entry {at} announces {count} blocks, more than there are")
        at += 1 + count
        for position in positions:
            if position < 0 or position % BLOCK_COLS or position + BLOCK_COLS > cols:
                raise InputError(f"{record}: input position {position} is out of range 0..{cols}")
            if blocks[group, position // BLOCK_COLS]:
                raise InputError(f"{record}: output group {group} names input {position} twice")
            if (used + 1) * _BLOCK > len(flat):
                raise InputError(f"{record}: names more blocks than {name}_weights_int8 holds")
            block = flat[used * _BLOCK : (used + 1) * _BLOCK].reshape(BLOCK_ROWS, BLOCK_COLS)
            top = group * BLOCK_ROWS
            matrix[top : top + BLOCK_ROWS, position : position + BLOCK_COLS] = block
            blocks[group, position // BLOCK_COLS] = True
            used += 1
    if at != len(stream) or used * _BLOCK != len(flat):
        raise InputError(f"{record}: {used} blocks indexed, {len(flat) / _BLOCK:g} stored")
    return blocks, matrix


def _take(records: Records, name: str, kind: str, where: str) -> npt.NDArray[np.generic]:
    record = records.get(name)
    if record is None:
        raise InputError(f"{where}: record {name} is missing; is the file complete?")
    if record.dtype != np.dtype(kind):
        raise InputError(f"{where}: record {name} has type {record.dtype}, not {np.dtype(kind)}")
    return record


def _expect(record: npt.NDArray[np.generic], count: int, name: str, where: str) -> None:
    if len(record) != count:
        raise InputError(
            f"{where}: record {name} has {len(record)} entries, the network needs {count}; "
            "is it from another libopus version?"
        )

# SPDX-License-Identifier: BSD-3-Clause
"""Read libopus' conformance vectors, as its tests/dred_vectors.sh and fargan_demo use them.

NAME_dred.bit and NAME_dred_dec.f32     coded chunks, and the features that they decode to
NAME_features.f32 and NAME_orig.sw      features, and the speech that they were made of
NAME_opus.bit and NAME_orig.sw          Opus packets, some of them lost, and what was sent

A .f32 file has 20 numbers of 32 bits a frame of 10 ms, a .sw file int16 samples at 16 kHz, both
little-endian. A _dred.bit file has blocks: level, steps of 20 ms and bytes, 32 bits each, most
significant byte first; then the range coder's bytes, which hold an initial state and the chunks of
40 ms, all of that level, newest first, without the header of a payload. The features of a block are
oldest first. An _opus.bit file is opus_demo's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from quantize.codec.redundancy import CHUNK_FRAMES
from quantize.features.floats import FEATURES
from quantize.files.reading import file_bytes
from toolkit.common.errors import InputError

DRED, VOICE, SYSTEM = "DRED decoder", "voice", "system"
# What a vector's two files are called, its own and the reference's.
_KINDS: Final = {
    DRED: ("_dred.bit", "_dred_dec.f32"),
    VOICE: ("_features.f32", "_orig.sw"),
    SYSTEM: ("_opus.bit", "_orig.sw"),
}
_ADVICE: Final = "give libopus' DRED vectors (NAME_dred.bit, NAME_features.f32, NAME_opus.bit)"
_HEAD: Final = struct.Struct(">III")
_STEPS_MAX: Final = 52  # 1.04 s: what a payload can hold
_BYTES_MAX: Final = 100_000  # of a block
_FRAMES_MAX: Final = 1_000_000
LEVELS: Final = 16


@dataclass(frozen=True)
class Vector:
    """One comparison: its kind, the file that is decoded, and the reference."""

    kind: str
    file: Path
    reference: Path

    @property
    def name(self) -> str:
        """The name that its files share."""
        return self.file.name.removesuffix(_KINDS[self.kind][0])


@dataclass(frozen=True)
class Block:
    """Coded chunks: their level, how many there are, and the range coder's bytes."""

    level: int
    chunks: int
    data: bytes


def find_vectors(paths: Sequence[Path]) -> list[Vector]:
    """Return the vectors in folders, or those of the files named; in the order of dred_vectors.sh.

    Raises InputError for a file that belongs to no vector or lacks its reference, and for a folder
    without vectors.
    """
    found: dict[Path, Vector] = {}
    for path in paths:
        own = list(_in_folder(path)) if path.is_dir() else [_of_file(path)]
        if not own:
            raise InputError(f"{path}: holds no vectors: {_ADVICE}")
        found |= {vector.file: vector for vector in own}
    order = list(_KINDS)
    return sorted(found.values(), key=lambda v: (order.index(v.kind), v.file))


def _in_folder(folder: Path) -> Iterator[Vector]:
    for own, _ in _KINDS.values():
        for file in sorted(folder.glob(f"*{own}")):
            yield _of_file(file)


def _of_file(file: Path) -> Vector:
    for kind, (own, other) in _KINDS.items():
        if file.name.endswith(own):
            reference = file.with_name(file.name.removesuffix(own) + other)
            if not reference.is_file():
                raise InputError(f"{file}: its reference {reference.name} is missing beside it")
            return Vector(kind, file, reference)
    raise InputError(f"{file}: not a vector: {_ADVICE}")


def read_blocks(path: Path) -> list[Block]:
    """Read a _dred.bit file; raises InputError where it is cut or has an impossible number."""
    data = file_bytes(path, _ADVICE)
    blocks: list[Block] = []
    at = 0
    while at < len(data):
        where = f"{path}: block {len(blocks)}"
        if at + _HEAD.size > len(data):
            raise InputError(f"{where}: the file ends inside it")
        level, steps, size = _HEAD.unpack_from(data, at)
        if level >= LEVELS or steps % 2 or not 2 <= steps <= _STEPS_MAX:
            raise InputError(f"{where}: level {level} and {steps} steps: not a DRED vector")
        start = at + _HEAD.size
        if not 1 <= size <= _BYTES_MAX or start + size > len(data):
            raise InputError(f"{where}: {size} bytes, {len(data) - start} follow: cut or damaged")
        blocks.append(Block(level, steps // 2, data[start : start + size]))
        at = start + size
    if not blocks:
        raise InputError(f"{path}: no blocks")
    return blocks


def frames_of(blocks: Sequence[Block]) -> int:
    """Return how many frames of 10 ms blocks hold."""
    return CHUNK_FRAMES * sum(block.chunks for block in blocks)


def read_features(path: Path) -> npt.NDArray[np.float64]:
    """Read a .f32 file: [frames, 20]; raises InputError unless it holds whole, finite frames."""
    data = file_bytes(path, _ADVICE)
    count, rest = divmod(len(data), 4 * FEATURES)
    if rest or not 1 <= count <= _FRAMES_MAX:
        raise InputError(f"{path}: {len(data)} bytes: want frames of {FEATURES} 32-bit floats")
    frames = np.frombuffer(data, "<f4").reshape(count, FEATURES).astype(np.float64)
    if not np.isfinite(frames).all():
        raise InputError(f"{path}: holds numbers that are not finite")
    return frames


def read_speech_file(path: Path) -> npt.NDArray[np.int16]:
    """Read a .sw file; raises InputError unless it holds whole samples."""
    data = file_bytes(path, _ADVICE)
    if len(data) % 2 or not data:
        raise InputError(f"{path}: {len(data)} bytes: want samples of 16 bits")
    return np.frombuffer(data, "<i2").astype(np.int16)

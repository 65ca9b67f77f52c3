# SPDX-License-Identifier: BSD-3-Clause
"""Prepared speech on disk (see `dredkit train data`) as batches for training."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from quantize.errors import InputError
from quantize.features.floats import FEATURES, FRAME
from quantize.files.array_file import map_array

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]

CURE: Final = "delete it and run `dredkit train data`"  # for a damaged array
_GAIN_TO_C0 = np.sqrt(18.0)  # one decade of power in every band, seen through the DCT


def load_features(folder: Path, part: str) -> dict[str, F32]:
    """Return `<source>/<part>*.features.npy` under `folder`, by "<source>/<stem>".

    `part` is "train" (with all its speeds) or "test". Raises InputError where there is none, and
    for a damaged file.
    """
    found: dict[str, F32] = {}
    for path in sorted(folder.glob(f"*/{part}*.features.npy")):
        name = f"{path.parent.name}/{path.name.removesuffix('.features.npy')}"
        found[name] = map_array(path, np.float32, (None, FEATURES), CURE)
    if not found:
        raise InputError(f"no speech for '{part}' under {folder}: run `dredkit train data` first")
    return found


def load_speech(folder: Path, part: str) -> dict[str, tuple[I16, F32]]:
    """Return samples and features of every recording of a part; see load_features.

    Raises InputError also where the two differ in length.
    """
    found = {}
    for name, features in load_features(folder, part).items():
        path = folder / f"{name}.pcm.npy"
        pcm = map_array(path, np.int16, (None,), CURE)
        if len(features) != len(pcm) // FRAME:
            raise InputError(
                f"{path} has {len(pcm) // FRAME} frames of 10 ms, its features have "
                f"{len(features)}; delete both and run `dredkit train data`"
            )
        found[name] = pcm, features
    return found


class Sampler:
    """Draws random stretches of features, varied a little; the draw depends on the step alone."""

    def __init__(self, arrays: list[F32], frames: int, seed: int) -> None:
        self.arrays = [a for a in arrays if len(a) >= frames]
        if not self.arrays:
            raise InputError(f"no recording is as long as {frames} frames: give more speech")
        self.frames = frames
        self.seed = seed
        room = np.array([len(a) - frames + 1 for a in self.arrays], np.float64)
        self.share = room / room.sum()

    def batch(self, step: int, size: int) -> F32:
        """Return [size, frames, 20]: the same for the same step, run after run."""
        rng = np.random.default_rng((self.seed, step))
        out = np.empty((size, self.frames, FEATURES), np.float32)
        for row, which in enumerate(rng.choice(len(self.arrays), size, p=self.share)):
            array = self.arrays[which]
            start = rng.integers(len(array) - self.frames + 1)
            out[row] = array[start : start + self.frames]
        return vary(out, rng)


def vary(batch: F32, rng: np.random.Generator) -> F32:
    """Change level, tilt and pitch of half of the stretches each: other rooms, other voices."""
    size = len(batch)
    some = rng.random((3, size)) < 0.5
    shift = np.zeros((size, 4), np.float32)
    shift[:, 0] = _GAIN_TO_C0 * rng.uniform(-0.4, 0.6, size) * some[0]
    shift[:, 1:] = rng.normal(0, (0.35, 0.2, 0.12), (size, 3)) * some[1][:, None]
    batch[:, :, :4] += shift[:, None]
    move = (rng.uniform(-0.2, 0.2, size) * some[2]).astype(np.float32)
    batch[:, :, 18] = np.clip(batch[:, :, 18] + move[:, None], -1.5, 1.48)
    return batch

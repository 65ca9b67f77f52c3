# SPDX-License-Identifier: BSD-3-Clause
"""Speech from the float FARGAN, by which its training is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter

from quantize.networks.fargan import AFTER, BEFORE, FRAME, HISTORY, STEPS, Fargan, step_periods

F32 = NDArray[np.float32]

_DEEMPHASIS = 0.85


def synthesise_many(
    model: Fargan,
    utterances: Sequence[F32],
    seed: int = 0,
    note: Callable[[int, int], None] = lambda done, of: None,
) -> list[NDArray[np.int16]]:
    """Speak each of `utterances`, features [frames, 20], from silence: frames * 160 samples each.

    Utterance i draws its noise from seed + i. After each frame of 10 ms `note` gets the
    number of frames done and the number of all.
    """
    longest = max(len(u) for u in utterances)
    told = torch.from_numpy(np.stack([_padded(u, longest) for u in utterances]))
    generators = [np.random.default_rng(seed + i) for i in range(len(utterances))]
    size = (STEPS, model.sizes.noise)
    parts = []
    with torch.no_grad():
        conditioning, period = model.condition(told), step_periods(told)
        memory = model.begin(torch.zeros(len(utterances), HISTORY))
        for frame in range(longest):
            steps = slice(STEPS * frame, STEPS * (frame + 1))
            drawn = np.stack([g.uniform(-1, 1, size) for g in generators]).astype(np.float32)
            noise = torch.from_numpy(drawn)
            spoken, memory = model(conditioning[:, steps], period[:, steps], memory, noise)
            parts.append(spoken.numpy())
            note(frame + 1, longest)
    voice = lfilter([1], [1, -_DEEMPHASIS], np.concatenate(parts, 1).astype(np.float64), axis=1)
    pcm = np.clip(np.rint(32768 * voice), -32768, 32767).astype(np.int16)
    return [row[: len(u) * FRAME] for row, u in zip(pcm, utterances, strict=True)]


def _padded(features: F32, frames: int) -> F32:
    """Repeat the first frame before, and the last to `frames` and beyond."""
    behind = frames - len(features) + AFTER
    parts = [features[:1].repeat(BEFORE, 0), features, features[-1:].repeat(behind, 0)]
    return np.concatenate(parts)

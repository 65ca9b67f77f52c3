# SPDX-License-Identifier: BSD-3-Clause
"""Find the pitch without a network: track the LPC residual's normalised correlation over time.

The pitch feature p lies on the grid of libopus' pitch network: 180 classes of 20 cents,
p = class / 60 - 1.5, period = 256 / 2^(p + 1.5) samples at 16 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

CLASSES = 180
_FRAME = 160
_MAX_PERIOD = 256
_BLOCK = 8192  # frames correlated at once
_SEGMENT = 400  # frames tracked as one path
_OVERLAP = 40  # frames on both sides of a segment, in which the path settles
_REACH = 10  # classes (200 cents) that the pitch may glide in 10 ms
_GLIDE = 0.012  # price of gliding by one class
_JUMP = 0.35  # price of jumping anywhere
_HIGH = 0.0006  # bonus per class, so that one period wins against two


def _moving_sum(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    total = np.cumsum(np.concatenate([np.zeros((len(values), 1)), values], axis=1), axis=1)
    return np.asarray(total[:, length:] - total[:, :-length])


def pitch_scores(excitation: NDArray[np.float64]) -> F32:
    """Return how well each pitch class explains each frame, [frames, 180], within -1..1.

    `excitation` is the LPC residual, 160 samples a frame. Cross products and energies are
    summed over three frames, because 10 ms is less than a long period.
    """
    frames = len(excitation) // _FRAME
    smooth = excitation.copy()
    smooth[1:] += 0.7 * excitation[:-1]
    padded = np.concatenate([np.zeros(_MAX_PERIOD), smooth])
    lags = _MAX_PERIOD - np.arange(_MAX_PERIOD - 30)  # 256 down to 31
    period = _MAX_PERIOD / 2.0 ** (np.arange(CLASSES) / 60)
    place = _MAX_PERIOD - period  # fractional index into lags
    low = np.floor(place).astype(np.int64)
    part = (place - low).astype(np.float32)
    scores = np.empty((frames, CLASSES), np.float32)
    width = _FRAME + _MAX_PERIOD
    for start in range(0, frames, _BLOCK):
        first, last = max(0, start - 1), min(frames, start + _BLOCK + 1)
        at = np.arange(first, last)[:, None] * _FRAME + np.arange(width)
        past = padded[at]
        now = past[:, _MAX_PERIOD:]
        # The circular correlation of 512 points does not wrap for the 257 offsets kept.
        product = np.fft.irfft(
            np.fft.rfft(past, 512, axis=1) * np.conj(np.fft.rfft(now, 512, axis=1)), axis=1
        )
        cross = product[:, : len(lags)]
        energy = _moving_sum(past**2, _FRAME)[:, : len(lags)] + (now**2).sum(axis=1)[:, None]
        cross, energy = _three_frames(cross), _three_frames(energy)
        value = (2 * cross / (1 + energy)).astype(np.float32)
        value = value[start - first : start - first + min(_BLOCK, frames - start)]
        scores[start : start + len(value)] = value[:, low] * (1 - part) + value[:, low + 1] * part
    return scores


def _three_frames(values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = values.copy()
    total[1:] += values[:-1]
    total[:-1] += values[1:]
    return total


def track(scores: F32) -> F32:
    """Return the pitch feature [frames] of the best smooth path through `scores`."""
    frames = len(scores)
    count = -(-frames // _SEGMENT)
    padded = np.zeros((count * _SEGMENT + 2 * _OVERLAP, CLASSES), np.float32)
    padded[_OVERLAP : _OVERLAP + frames] = scores
    at = np.arange(count)[:, None] * _SEGMENT + np.arange(_SEGMENT + 2 * _OVERLAP)
    path = np.empty((count, _SEGMENT), np.int64)
    for start in range(0, count, 64):  # segments side by side, so that numpy has work to do
        chosen = _viterbi(padded[at[start : start + 64]])
        path[start : start + 64] = chosen[:, _OVERLAP : _OVERLAP + _SEGMENT]
    best = path.reshape(-1)[:frames]
    return (((best + _vertex(scores, best)) / 60) - 1.5).astype(np.float32)


def _viterbi(scores: F32) -> NDArray[np.int64]:
    """Return the best class of each frame, [segments, frames], for [segments, frames, 180]."""
    segments, frames, _ = scores.shape
    bonus = (_HIGH * np.arange(CLASSES)).astype(np.float32)
    total = scores[:, 0] + bonus
    back = np.empty((frames, segments, CLASSES), np.int16)
    classes = np.arange(CLASSES, dtype=np.int16)
    for t in range(1, frames):
        peak = total.argmax(axis=1)
        best = np.repeat(total.max(axis=1)[:, None] - np.float32(_JUMP), CLASSES, axis=1)
        source = np.repeat(peak.astype(np.int16)[:, None], CLASSES, axis=1)
        for step in range(-_REACH, _REACH + 1):
            to = slice(max(0, step), CLASSES + min(0, step))
            come = slice(max(0, -step), CLASSES + min(0, -step))
            value = total[:, come] - np.float32(_GLIDE * abs(step))
            better = value > best[:, to]
            np.copyto(best[:, to], value, where=better)
            np.copyto(source[:, to], classes[come], where=better)
        back[t] = source
        total = best + scores[:, t] + bonus
    path = np.empty((segments, frames), np.int64)
    path[:, -1] = total.argmax(axis=1)
    row = np.arange(segments)
    for t in range(frames - 1, 0, -1):
        path[:, t - 1] = back[t, row, path[:, t]]
    return path


def _vertex(scores: F32, best: NDArray[np.int64]) -> F32:
    """Return the offset (-0.5..0.5 classes) of the parabola's top around each best class."""
    middle = np.clip(best, 1, CLASSES - 2)
    row = np.arange(len(best))
    left, top, right = (scores[row, middle + k] for k in (-1, 0, 1))
    bend = left - 2 * top + right
    offset = np.where(bend < -1e-6, 0.5 * (left - right) / np.where(bend < -1e-6, bend, 1), 0)
    return np.asarray(np.where(best == middle, np.clip(offset, -0.5, 0.5), 0), np.float32)

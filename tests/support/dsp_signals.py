# SPDX-License-Identifier: BSD-3-Clause
"""Signals that stress fixed-point arithmetic: silence, extremes, sudden changes, faint sounds."""

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]


def signals(frames: int = 60) -> dict[str, Pcm]:
    """Return int16 PCM of whole 10-ms frames, by name."""
    n = np.arange(160 * frames)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=n.size)
    full = rng.integers(-32768, 32768, n.size)
    steps = np.repeat(rng.choice([0.0, 1.0, 30.0, 1000.0, 12000.0], frames // 4), 640)
    chirp = np.sin(np.cumsum(np.linspace(0.002, 3.1, n.size)))
    shapes: dict[str, npt.NDArray[np.generic]] = {
        "silence": 0 * n,
        "one sample": np.where(n == 800, 1, 0),
        "least significant bit": rng.integers(-1, 2, n.size),
        "quiet noise": 3 * noise,
        "noise": 3000 * noise,
        "full-scale noise": full,
        "upper rail": np.full(n.size, 32767),
        "lower rail": np.full(n.size, -32768),
        "fastest square": np.where(n % 2, 32767, -32768),
        "slow square": np.where(n // 80 % 2, 32767, -32768),
        "rails at random": np.where(full > 0, 32767, -32768),
        "impulses": np.where(n % 500 == 7, -32768, 0),
        "low sine": 32767 * np.sin(0.02 * n),
        "high sine": 32767 * np.sin(2.9 * n),
        "quiet sine": 1.5 * np.sin(0.1 * n),
        "chirp": 32767 * chirp,
        "bursts": steps * noise,
        "loud, then nothing": np.where(n < n.size // 2, full, 0),
        "pulse train": np.where(n % 73 == 0, 30000, 0) - np.where(n % 73 == 1, 20000, 0),
    }
    return {
        name: np.clip(np.round(shape), -32768, 32767).astype(np.int16)
        for name, shape in shapes.items()
    }

# SPDX-License-Identifier: BSD-3-Clause
"""How far speech is from what it should be: spectra at five resolutions, and the wave at a join."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

RESOLUTIONS = ((1024, 256), (512, 128), (256, 64), (128, 32), (64, 16))  # window, hop
_LEAST_POWER = 1e-9
_FLOOR = 1e-3  # of a magnitude, under a logarithm
_JOIN = 80  # samples after real ones whose wave still follows from them


@cache
def _window(length: int, device: str) -> Tensor:
    return torch.hann_window(length, device=device)


def spectrum(signal: Tensor, window: int, hop: int) -> Tensor:
    """Return the complex spectra [batch, bins, frames] of signals [batch, samples].

    Frame i lies around sample i * hop; there are zeros before and after the signal.
    """
    shape = _window(window, str(signal.device))
    return torch.stft(signal, window, hop, window=shape, return_complex=True, pad_mode="constant")


def magnitude(spectra: Tensor) -> Tensor:
    """Return magnitudes whose gradient stays finite at zero."""
    return (spectra.real.square() + spectra.imag.square() + _LEAST_POWER).sqrt()


def frame_weights(frames: int, window: int, hop: int, begin: int, early: int, extra: float) -> Tensor:
    """Return a weight a spectral frame, mean 1.

    Frames that only see samples before `begin` count nothing; those around the `early` samples
    from there on count 1 + extra times as much as later ones.
    """
    centre = torch.arange(frames) * hop
    weight = (centre + window // 2 > begin).float()
    weight = weight * (1 + extra * (centre < begin + early))
    return weight / weight.mean()


def spectral(got: Tensor, want: Tensor, begin: int, early: int = 320, extra: float = 1.0) -> Tensor:
    """Return the mean spectral distance of signals [batch, samples]; see frame_weights.

    At each resolution: relative error of the root magnitude, spectral convergence, and error of
    the logarithm.
    """
    total = got.new_zeros(())
    for window, hop in RESOLUTIONS:
        mine, theirs = (magnitude(spectrum(x, window, hop)) for x in (got, want))
        weight = frame_weights(mine.shape[2], window, hop, begin, early, extra).to(got.device)
        root, root_want = mine.sqrt(), theirs.sqrt()
        roots = ((root - root_want).abs() * weight).mean() / (root_want.mean() + _FLOOR)
        apart = ((mine - theirs).square() * weight).sum().sqrt()
        converged = apart / (theirs.square().sum().sqrt() + _FLOOR)
        logs = ((torch.log(mine + _FLOOR) - torch.log(theirs + _FLOOR)).abs() * weight).mean()
        total = total + roots + 0.3 * converged + 0.3 * logs
    return total / len(RESOLUTIONS)


def wave(got: Tensor, want: Tensor) -> Tensor:
    """Return the error of the wave relative to its power, mean over rows, each at most 2."""
    error = (got - want).square().sum(1) / (want.square().sum(1) + _FLOOR)
    return error.clamp(max=2).mean()


def join(got: Tensor, want: Tensor) -> Tensor:
    """Return `wave` of the first 5 ms of what was spoken, [batch, samples]."""
    return wave(got[:, :_JOIN], want[:, :_JOIN])

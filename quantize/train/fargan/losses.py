# SPDX-License-Identifier: BSD-3-Clause
"""The distance of speech from its target: spectra at five resolutions, and the wave at a join."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from quantize.errors import InputError
from quantize.train.lpcnet.ops import pointer
from quantize.train.native import library

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


def frame_weights(
    frames: int, window: int, hop: int, begin: int, early: int, extra: float
) -> Tensor:
    """Return one weight for each spectral frame; their mean is 1.

    Frames that only see samples before `begin` have weight 0. Frames around the `early` samples
    from there on count 1 + extra times as much as later frames.
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
    one = _Distance.apply if got.device.type == "cpu" else distance
    total = got.new_zeros(())
    for window, hop in RESOLUTIONS:
        weight = frame_weights(1 + got.shape[1] // hop, window, hop, begin, early, extra)
        total = total + one(got, want, weight.to(got.device), window, hop)
    return total / len(RESOLUTIONS)


def distance(got: Tensor, want: Tensor, weight: Tensor, window: int, hop: int) -> Tensor:
    """Return the spectral distance at one resolution, with a weight for each frame."""
    mine, theirs = (magnitude(spectrum(x, window, hop)) for x in (got, want))
    root, root_want = mine.sqrt(), theirs.sqrt()
    roots = ((root - root_want).abs() * weight).mean() / (root_want.mean() + _FLOOR)
    apart = ((mine - theirs).square() * weight).sum().sqrt()
    converged = apart / (theirs.square().sum().sqrt() + _FLOOR)
    logs = ((torch.log(mine + _FLOOR) - torch.log(theirs + _FLOOR)).abs() * weight).mean()
    return roots + 0.3 * converged + 0.3 * logs


class _Distance(Function):
    """`distance` in C, twenty times faster; C computes the gradient at the same time."""

    @staticmethod
    def forward(
        ctx: Any, got: Tensor, want: Tensor, weight: Tensor, window: int, hop: int
    ) -> Tensor:
        signals = [x.detach().contiguous() for x in (got, want, weight)]
        slope = torch.zeros_like(signals[0])
        sizes = (*got.shape, window, hop)
        found = library().spectral_distance(*sizes, *map(pointer, signals), pointer(slope))
        if not math.isfinite(found):
            raise InputError("the spectral distance is not a number: use a smaller --rate")
        ctx.slope = slope
        return torch.tensor(found, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> Any:
        return ctx.slope * scale, None, None, None, None


def wave(got: Tensor, want: Tensor) -> Tensor:
    """Return the error of the wave relative to its power, mean over rows, each at most 2."""
    error = (got - want).square().sum(1) / (want.square().sum(1) + _FLOOR)
    return error.clamp(max=2).mean()


def join(got: Tensor, want: Tensor) -> Tensor:
    """Return `wave` of the first 5 ms of what was spoken, [batch, samples]."""
    return wave(got[:, :_JOIN], want[:, :_JOIN])

# SPDX-License-Identifier: BSD-3-Clause
"""Critics that tell speech from what FARGAN says, each by the spectrum at one resolution.

Least-squares adversarial training. A critic sees the logarithm of the magnitude and how high a
bin lies, and judges each patch of time and frequency by itself. Its matrix products run in
bfloat16, which makes critics of this size affordable on a CPU that has instructions for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from quantize.train.fargan.losses import magnitude, spectrum

RESOLUTIONS = ((1024, 256), (512, 128), (256, 64), (128, 32))  # window, hop
CHANNELS = 32
_FLOOR = 1e-4  # of a magnitude, under the logarithm
_SLOPE = 0.2  # of the leaky rectifier


class Critic(nn.Module):
    """Convolutions over time and frequency at one resolution; frequency shrinks, time stays."""

    def __init__(self, window: int, hop: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.window, self.hop = window, hop
        wide = 2 * channels
        self.layers = nn.ModuleList(
            [
                _convolution(2, channels, (3, 7), 2),
                _convolution(channels, channels, (3, 5), 2),
                _convolution(channels, wide, (3, 5), 2),
                _convolution(wide, wide, (3, 3), 1),
            ]
        )
        self.verdict = _convolution(wide, 1, (3, 3), 1)

    def forward(self, signal: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge signals [batch, samples]: a verdict a patch (1 is real), and the inner values."""
        spectra = magnitude(spectrum(signal, self.window, self.hop))
        x = 0.3 * torch.log(spectra + _FLOOR).transpose(1, 2)[:, None] + 1  # time, frequency
        place = torch.linspace(-1, 1, x.shape[3], device=x.device).expand_as(x)
        x = torch.cat([x, place], 1)
        inner = []
        with torch.autocast(x.device.type, torch.bfloat16):
            for layer in self.layers:
                x = leaky_relu(layer(x), _SLOPE)
                inner.append(x)
            return self.verdict(x).float(), inner


class Critics(nn.Module):
    """One critic a resolution. Only every other critic judges in a step, which halves its cost."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.each = nn.ModuleList(Critic(w, h, channels) for w, h in RESOLUTIONS)

    def forward(self, signal: Tensor, step: int) -> list[tuple[Tensor, list[Tensor]]]:
        """Return what the critics of a step say of signals [batch, samples]."""
        return [critic(signal) for critic in self.each[step % 2 :: 2]]


Inner = list[list[Tensor]]  # by critic, by layer


def judge(critics: Critics, real: Tensor, spoken: Tensor, step: int) -> tuple[Tensor, Inner]:
    """Return the critics' own loss, and their inner values of real speech without gradients.

    Real speech should be 1, spoken 0.
    """
    total, inner = real.new_zeros(()), []
    said = zip(critics(real, step), critics(spoken, step), strict=True)
    for (good, values), (bad, _) in said:
        total = total + (1 - good).square().mean() + bad.square().mean()
        inner.append([value.detach() for value in values])
    return total / len(inner), inner


def persuade(critics: Critics, spoken: Tensor, wanted: Inner, step: int) -> tuple[Tensor, Tensor]:
    """Return how far spoken signals are from passing as real, and how far their inner values are.

    `wanted` is what `judge` returned for real speech. Gradients reach `spoken`, not the critics.
    """
    critics.requires_grad_(False)
    said = critics(spoken, step)
    critics.requires_grad_(True)
    fooled, apart = spoken.new_zeros(()), spoken.new_zeros(())
    for (verdict, inner), want in zip(said, wanted, strict=True):
        fooled = fooled + (1 - verdict).square().mean()
        for mine, theirs in zip(inner, want, strict=True):
            far = (mine.float() - theirs.float()).abs().mean()
            apart = apart + far / (theirs.float().abs().mean() + 1e-3) / len(inner)
    return fooled / len(said), apart / len(said)


def _convolution(inputs: int, outputs: int, kernel: tuple[int, int], stride: int) -> nn.Module:
    padding = (kernel[0] // 2, kernel[1] // 2)
    layer = nn.Conv2d(inputs, outputs, kernel, (1, stride), padding)
    normed: nn.Module = nn.utils.parametrizations.weight_norm(layer)
    return normed

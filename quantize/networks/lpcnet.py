# SPDX-License-Identifier: BSD-3-Clause
"""LPCNet, float: a frame-rate network that conditions a small recurrent one at every sample.

The sample-rate half predicts the mu-law excitation of a linear predictor from the last sample,
the prediction and the last excitation. Its 8 output bits are drawn one after another along a tree
of sigmoids. The three embeddings are kept as what they add to the gates of GRU A, so a sample
costs look-ups in place of a matrix product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from quantize.errors import InputError
from quantize.features.floats import FEATURES, MAX_PERIOD, MIN_PERIOD, PITCH

FRAME = 160
BEFORE, AFTER = 3, 1  # frames that the conditioning of a frame looks back and ahead
LPC_ORDER = 16
CODES = 256  # mu-law steps, 128 is zero
INPUTS = ("signal", "prediction", "excitation")  # of the sample-rate network, as mu-law codes
MOST_UNITS = 1024  # of a layer, in a file that is read


@dataclass(frozen=True)
class Sizes:
    """What a preset chooses.

    Densities are the shares of 8 x 4 blocks that are kept of the recurrent weights of GRU A, per
    gate, and of what GRU B takes from GRU A.
    """

    conditioning: int
    gru_a: int
    gru_b: int
    pitch: int = 32
    embedding: int = 64
    density: tuple[float, float, float] = (0.1, 0.1, 0.23)  # z, r, h
    density_b: float = 0.33


PRESETS = {
    # About 7,000 recurrent weights a sample are left of GRU A: for an M7 or M55.
    "edge": Sizes(conditioning=96, gru_a=128, gru_b=16),
    "full": Sizes(conditioning=128, gru_a=384, gru_b=32, density=(0.05, 0.05, 0.2), density_b=0.2),
}


class Lpcnet(nn.Module):
    """All weights of LPCNet. GRU gates are in the checkpoint's order, z, r, h."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        width, a, b = sizes.conditioning, sizes.gru_a, sizes.gru_b
        self.pitch = nn.Embedding(MAX_PERIOD - MIN_PERIOD + 1, sizes.pitch)
        self.conv1 = nn.Linear(3 * (FEATURES + sizes.pitch), width)
        self.conv2 = nn.Linear(3 * width, width)
        self.dense1 = nn.Linear(width, width)
        self.dense2 = nn.Linear(width, width)
        ramp = torch.linspace(-1.7, 1.7, CODES)[None, :, None]
        self.embedding = nn.Parameter(ramp + 0.1 * torch.randn(3, CODES, sizes.embedding))
        self.embedding_to_a = nn.Parameter(0.5 * torch.randn(3, sizes.embedding, 3 * a) / 8)
        self.cond_to_a = nn.Linear(width, 3 * a)
        self.a = nn.Linear(a, 3 * a)
        self.a_to_b = nn.Linear(a, 3 * b, bias=False)
        self.cond_to_b = nn.Linear(width, 3 * b)
        self.b = nn.Linear(b, 3 * b)
        with torch.no_grad():
            for recurrent in (self.a, self.b):
                for gate in recurrent.weight.chunk(3):
                    nn.init.orthogonal_(gate)
                recurrent.bias.zero_()
        self.tree_weight = nn.Parameter(torch.randn(CODES, 2, b) / b**0.5)
        self.tree_bias = nn.Parameter(torch.zeros(CODES, 2))
        self.tree_scale = nn.Parameter(torch.ones(CODES, 2))

    def tables(self) -> Tensor:
        """Return what each input code adds to the gates of GRU A, [3, 256, 3 units]."""
        return torch.bmm(self.embedding, self.embedding_to_a)

    def condition(self, features: Tensor) -> Tensor:
        """Map features [batch, frames + 4, 20] to conditioning [batch, frames, width].

        Frame i of the result is frame i + 3 of the input: three frames lead in, one looks ahead.
        """
        period = torch.floor(0.5 + 256 / 2.0 ** (features[..., PITCH] + 1.5)).long()
        pitch = self.pitch(period.clamp(MIN_PERIOD, MAX_PERIOD) - MIN_PERIOD)
        x = torch.cat([features, pitch], 2)
        for layer in (self.conv1, self.conv2):
            taps = torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], 2)
            x = torch.tanh(layer(taps))
        x = torch.tanh(self.dense1(x))
        return torch.tanh(self.dense2(x))

    def export(self) -> dict[str, Tensor]:
        """Return the weights by checkpoint name; embeddings folded, matrices [out, in]."""
        tables = self.tables()
        joined = torch.cat([self.a_to_b.weight, self.cond_to_b.weight], 1)
        named = {
            "embed_pitch.weight": self.pitch.weight,
            **{f"embed_{name}.weight": tables[k] for k, name in enumerate(INPUTS)},
            "gru_b_input.weight": joined,
            "gru_b_input.bias": self.cond_to_b.bias,
            "dual_fc.weight": self.tree_weight,
            "dual_fc.bias": self.tree_bias,
            "dual_fc.scale": self.tree_scale,
        }
        dense = {
            "feature_conv1": self.conv1,
            "feature_conv2": self.conv2,
            "feature_dense1": self.dense1,
            "feature_dense2": self.dense2,
            "gru_a_input": self.cond_to_a,
            "gru_a_recurrent": self.a,
            "gru_b_recurrent": self.b,
        }
        for name, layer in dense.items():
            named[f"{name}.weight"], named[f"{name}.bias"] = layer.weight, layer.bias
        return {key: value.detach().float().contiguous() for key, value in named.items()}


def sizes_from(value: object) -> Sizes:
    """Return the sizes that a state or checkpoint carries; InputError if they are not ours."""
    wrong = InputError("the file carries no LPCNet sizes: it is of another network")
    if not isinstance(value, Mapping) or value.keys() != {field.name for field in fields(Sizes)}:
        raise wrong
    numbers = dict(value)
    density, density_b = numbers.pop("density"), numbers.pop("density_b")
    if not isinstance(density, (list, tuple)) or len(density) != len(Sizes.density):
        raise wrong
    if any(type(n) is not int or not 1 <= n <= MOST_UNITS for n in numbers.values()):
        raise wrong
    if any(type(n) not in (int, float) or not 0 < n <= 1 for n in (*density, density_b)):
        raise wrong
    return Sizes(**numbers, density=tuple(density), density_b=density_b)

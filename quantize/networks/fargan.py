# SPDX-License-Identifier: BSD-3-Clause
"""FARGAN, float: a vocoder that speaks 40 samples (2.5 ms) a step from its own past.

A frame-rate network turns features into conditioning, four vectors a frame. A step sees one of
them, a period of the past repeated, the last 40 samples and, in our own preset, some noise. The
signal is pre-emphasised and lies within +-1.

Each feature frame is 10 ms. Frame t's samples begin 80 samples before the middle of its analysis
window; its conditioning sees the features of frames t-1, t and t+1, its period is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from quantize.errors import InputError
from quantize.features.floats import FEATURES, MAX_PERIOD, MIN_PERIOD, PITCH
from quantize.networks.blocks import with_blocks
from quantize.networks.layers import Layer, dense, export_layers, import_layers

FRAME = 160
STEP = 40  # samples spoken at once
STEPS = FRAME // STEP
HISTORY = 256  # past samples that a step can see
AROUND = 2  # samples of the repeated period to each side of those that it predicts
PREDICTED = STEP + 2 * AROUND
BEFORE, AFTER = 1, 1  # feature frames that a frame's conditioning sees beside its own
MOST_UNITS = 1024  # of a layer, in a file that is read
PERIODS = MAX_PERIOD - MIN_PERIOD  # rows of the embedding; the longest period shares the last one

_EMBEDDING = "cond_net_pembed.weight"
_DENSE = "sig_net_sig_dense_out"  # pruning what speaks would save little
_QUIETEST = 1e-5  # added to the gain before the past is divided by it


@dataclass(frozen=True)
class Sizes:
    """What a preset chooses. All inputs and outputs of wide layers are multiples of 4 and 8."""

    conditioning: int  # of each step
    first: int  # units of the layer that sees this step's and the last step's inputs
    gru: tuple[int, int, int]
    skip: int
    noise: int  # uniform values within +-1 that each step draws
    embedding: int = 12
    dense: int = 64
    conv: int = 128

    @property
    def step_inputs(self) -> int:
        """Inputs of the first layer that belong to one step."""
        return self.conditioning + PREDICTED + STEP + self.noise


PRESETS = {
    "edge": Sizes(conditioning=64, first=96, gru=(96, 64, 64), skip=64, noise=8),
    "opus": Sizes(conditioning=80, first=192, gru=(160, 128, 128), skip=128, noise=0),
}


class Memory(NamedTuple):
    """What a step passes on to the next one."""

    history: Tensor  # [batch, 256] signal, newest last
    inputs: Tensor  # [batch, step_inputs], the scaled inputs of the last step
    gru: tuple[Tensor, Tensor, Tensor]  # states [batch, units]


class Fargan(nn.Module):
    """All weights. GRUs are torch's inside, with gates z, r, h in a checkpoint."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.rounded = False  # whether inputs of int8 layers are rounded, as on the device
        first, units, width = sizes.first, sizes.gru, sizes.conditioning
        self.period = nn.Embedding(PERIODS, sizes.embedding)
        self.dense1 = nn.Linear(FEATURES + sizes.embedding, sizes.dense)
        self.conv = nn.Linear(3 * sizes.dense, sizes.conv)
        self.dense2 = nn.Linear(sizes.conv, STEPS * width)
        self.gain = nn.Linear(width, 1)
        self.first = nn.Linear(2 * sizes.step_inputs, first)
        self.first_gate = nn.Linear(first, first)
        self.taps = nn.Linear(first, 4)  # how much of the prediction the four layers below hear
        heard = PREDICTED - 2 * AROUND + STEP
        inputs = (first, units[0], units[1])
        self.gru = nn.ModuleList(
            nn.GRUCell(n + heard, u) for n, u in zip(inputs, units, strict=True)
        )
        self.gate = nn.ModuleList(nn.Linear(u, u) for u in units)
        self.skip = nn.Linear(sum(units) + first + heard, sizes.skip)
        self.skip_gate = nn.Linear(sizes.skip, sizes.skip)
        self.out = nn.Linear(sizes.skip, STEP)
        with torch.no_grad():
            self.gain.bias.fill_(-2.5)
            for cell in self.gru:
                for gate in cell.get_parameter("weight_hh").chunk(3):
                    nn.init.orthogonal_(gate)

    def condition(self, features: Tensor) -> Tensor:
        """Map features [batch, frames + 2, 20] to conditioning [batch, frames * 4, width].

        Frame i of the result is frame i + 1 of the input: one frame leads in, one looks ahead.
        """
        rows = (periods(features[..., PITCH]) - MIN_PERIOD).clamp(max=PERIODS - 1)
        x = torch.tanh(self.dense1(torch.cat([features, self.period(rows)], 2)))
        taps = self.round(torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], 2))
        x = self.round(torch.tanh(self.conv(taps)))
        x = torch.tanh(self.dense2(x))
        return x.view(len(x), -1, self.sizes.conditioning)

    def begin(self, past: Tensor) -> Memory:
        """Return the memory after `past`, signal [batch, up to 256], with nothing spoken yet."""
        rows = len(past)
        history = torch.cat([past.new_zeros(rows, HISTORY - past.shape[1]), past], 1)
        states = [past.new_zeros(rows, n) for n in self.sizes.gru]
        inputs = past.new_zeros(rows, self.sizes.step_inputs)
        return Memory(history, inputs, (states[0], states[1], states[2]))

    def forward(
        self,
        conditioning: Tensor,
        period: Tensor,
        memory: Memory,
        noise: Tensor,
        known: Tensor | None = None,
    ) -> tuple[Tensor, Memory]:
        """Speak `steps` steps: signal [batch, 40 * steps], and the memory after them.

        Takes conditioning [batch, steps, width], periods in samples [batch, steps] and noise
        [batch, steps, sizes.noise]. Where `known` signal [batch, 40 * n] is given, it enters the
        history in place of what the first n steps said.
        """
        gains = torch.exp(self.gain(conditioning))
        places = repeat_places(period)
        count = conditioning.shape[1]
        given = 0 if known is None else known.shape[1] // STEP
        history, before, states = memory
        spoken = []
        for step in range(count):
            gain = gains[:, step]
            scale = 1 / (gain + _QUIETEST)
            predicted = (torch.gather(history, 1, places[:, step]) * scale).clamp(-1, 1)
            last = (history[:, HISTORY - STEP :] * scale).clamp(-1, 1)
            inputs = [conditioning[:, step], predicted, last, noise[:, step]]
            now = self.round(torch.cat(inputs, 1))
            states, shape = self._step(before, now, states)
            said = gain * shape
            spoken.append(said)
            before = now
            if known is not None and step < given:
                said = known[:, STEP * step : STEP * (step + 1)]
            history = torch.cat([history[:, STEP:], said], 1)
        return torch.cat(spoken, 1), Memory(history, before, states)

    def _step(
        self, before: Tensor, now: Tensor, states: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """Run the layers of a step: the new states and the signal before its gain, [batch, 40]."""
        width = self.sizes.conditioning
        predicted = now[:, width + AROUND : width + AROUND + STEP]
        last = now[:, width + PREDICTED : width + PREDICTED + STEP]
        x = torch.tanh(self.first(torch.cat([before, now], 1)))
        first = x = self._gated(x, self.first_gate)
        taps = torch.sigmoid(self.taps(x))
        outs, new = [], []
        for k in range(3):
            heard = self.round(taps[:, k : k + 1] * predicted)
            state = self._recur(self.gru[k], torch.cat([x, heard, last], 1), states[k])
            x = self._gated(state, self.gate[k])
            new.append(state)
            outs.append(x)
        heard = self.round(taps[:, 3:] * predicted)
        x = torch.tanh(self.skip(torch.cat([*outs, first, heard, last], 1)))
        x = self._gated(x, self.skip_gate)
        return (new[0], new[1], new[2]), torch.tanh(self.out(x))

    def _recur(self, cell: nn.Module, x: Tensor, state: Tensor) -> Tensor:
        """Return a GRU's new state. Only what its matrices see is rounded, not what it keeps."""
        if not self.rounded:
            return torch.as_tensor(cell(x, state))
        inputs = functional.linear(
            x, cell.get_parameter("weight_ih"), cell.get_parameter("bias_ih")
        )
        own = functional.linear(
            self.round(state), cell.get_parameter("weight_hh"), cell.get_parameter("bias_hh")
        )
        (xr, xz, xh), (sr, sz, sh) = inputs.chunk(3, 1), own.chunk(3, 1)
        fresh = torch.tanh(xh + torch.sigmoid(xr + sr) * sh)
        return fresh + torch.sigmoid(xz + sz) * (state - fresh)

    def _gated(self, x: Tensor, gate: nn.Module) -> Tensor:
        x = self.round(x)
        return self.round(x * torch.sigmoid(gate(x)))

    def round(self, x: Tensor) -> Tensor:
        """Round to steps of 1/127 where the device does; gradients pass unchanged."""
        return x + (torch.round(127 * x) / 127 - x).detach() if self.rounded else x

    def layers(self) -> dict[str, Layer]:
        """Return the layers by their checkpoint names, which are libopus'."""
        found = {
            "cond_net_fdense1": dense(self.dense1),
            "cond_net_fconv1": dense(self.conv),
            "cond_net_fdense2": dense(self.dense2),
            "sig_net_cond_gain_dense": dense(self.gain),
            "sig_net_fwc0_conv": dense(self.first),
            "sig_net_fwc0_glu_gate": dense(self.first_gate),
            "sig_net_gain_dense_out": dense(self.taps),
            "sig_net_skip_dense": dense(self.skip),
            "sig_net_skip_glu_gate": dense(self.skip_gate),
            "sig_net_sig_dense_out": dense(self.out),
        }
        for k, cell in enumerate(self.gru):
            for name, part in (("input", "ih"), ("recurrent", "hh")):
                weight, bias = (
                    cell.get_parameter(f"weight_{part}"),
                    cell.get_parameter(f"bias_{part}"),
                )
                found[f"sig_net_gru{k + 1}_{name}"] = Layer(weight, bias, len(bias), True)
            found[f"sig_net_gru{k + 1}_glu_gate"] = dense(self.gate[k])  # type: ignore[arg-type]
        return found

    def int8_weights(self) -> dict[str, Tensor]:
        """Return by layer the weights that become int8: their layers have inputs within [-1, 1]."""
        wide = {"cond_net_fdense1", "sig_net_cond_gain_dense", "sig_net_gain_dense_out"}
        return {name: layer.weight for name, layer in self.layers().items() if name not in wide}

    def sparse_weights(self) -> dict[str, Tensor]:
        """Return by layer the weights of which blocks may be dropped: of the wide int8 layers."""
        weights = self.int8_weights()
        return {name: weight for name, weight in weights.items() if name != _DENSE}

    def export(self) -> dict[str, Tensor]:
        """Return the weights by checkpoint name, and which blocks sparse layers keep."""
        embedding = self.period.weight.detach().to("cpu", torch.float32, copy=True)
        weights = with_blocks(export_layers(self.layers()), self.sparse_weights())
        return {_EMBEDDING: embedding, **weights}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights that `export` returned; InputError if they are of another network."""
        embedding = weights.get(_EMBEDDING)
        if embedding is None or embedding.shape != self.period.weight.shape:
            raise InputError(f"the checkpoint lacks {_EMBEDDING}: it is of another network")
        with torch.no_grad():
            self.period.weight.copy_(embedding)
        import_layers(self.layers(), weights)


def periods(pitch: Tensor) -> Tensor:
    """Return the period in samples, 32 .. 256, of pitch features."""
    period = torch.floor(0.5 + MAX_PERIOD / 2.0 ** (pitch + 1.5)).long()
    return period.clamp(MIN_PERIOD, MAX_PERIOD)


def repeat_places(period: Tensor) -> Tensor:
    """Return the places in the history that repeat the last period, [..., 44] of periods [...].

    They begin 2 samples before the period and start again at the history's end.
    """
    place = HISTORY - AROUND - period[..., None] + torch.arange(PREDICTED, device=period.device)
    for _ in range(2):  # a period of 32 repeats within 44 samples
        place = torch.where(place >= HISTORY, place - period[..., None], place)
    return place.clamp(min=0)


def step_periods(features: Tensor) -> Tensor:
    """Return the period of each step, [batch, frames * 4] of features [batch, frames + 2, 20]."""
    return periods(features[:, BEFORE:-AFTER, PITCH]).repeat_interleave(STEPS, 1)


def sizes_from(value: object) -> Sizes:
    """Return the sizes that a state or checkpoint carries; InputError if they are not ours."""
    wrong = InputError("the file carries no FARGAN sizes: it is of another network")
    if not isinstance(value, Mapping) or value.keys() != {field.name for field in fields(Sizes)}:
        raise wrong
    numbers = dict(value)
    gru, noise = numbers.pop("gru"), numbers.pop("noise")
    if not isinstance(gru, (list, tuple)) or len(gru) != 3:
        raise wrong
    for least, group in ((0, [noise]), (1, [*gru, *numbers.values()])):
        if any(type(n) is not int or not least <= n <= MOST_UNITS for n in group):
            raise wrong
    return Sizes(**numbers, gru=(gru[0], gru[1], gru[2]), noise=noise)

# SPDX-License-Identifier: BSD-3-Clause
"""Training of the RDO-VAE: encoder, decoder and the quantiser tables of all 16 levels at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quantize.errors import InputError
from quantize.features.floats import BANDS, CORRELATION, PITCH
from quantize.networks.layers import Layer
from quantize.networks.rdovae import (
    DENSITY,
    LATENTS,
    LEVELS,
    STATE,
    RdovaeDecoder,
    RdovaeEncoder,
)
from quantize.train import trainer
from quantize.train.fake_quant import quantised
from quantize.train.pruning import Pruning, Span
from quantize.train.rdovae.rate import SLOPES, LearnedTable, bits, level_law, squeeze
from quantize.train.recordings import F32, Sampler

KIND = "rdovae"
PACKET = 25  # chunks decoded from one initial state: one second
# Bits a second that the latents of each level are to cost on the training data: what the released
# weights of libopus 1.6 spend on it, so that a level means the same with either.
RATES = (
    *(1937.0, 1751.0, 1568.0, 1384.0, 1198.0, 1006.0, 817.0, 647.0),
    *(558.0, 369.0, 284.0, 208.0, 167.0, 147.0, 128.0, 111.0),
)
# The price of a bit a chunk, in units of distortion, at which training starts: the line through
# what 1216 and 320 b/s cost weights without a set rate.
_PRICE_AT, _RATE_AT, _SLOPE = 8e-4, 1216.0, 2.6


@dataclass
class Settings(trainer.Schedule):
    """How to train. The defaults made the checkpoint that ships."""

    steps: int = 4600
    batch: int = 32
    frames: int = 400  # per sequence; a multiple of 100, one second a packet
    rate: float = 2e-3  # Adam's, at its peak
    warm_up: int = 200  # steps to get there
    price_rate: float = 0.01  # how fast the price of a level's bits follows its rate
    sparse_share: float = 0.5  # of all steps, over which the weakest blocks of weights are dropped
    sparse_every: int = 25  # steps
    pitch_weight: float = 2.0
    correlation_weight: float = 0.5
    hard_share: float = 0.6  # of all steps are run before noise gives way to rounding for good
    int8_share: float = 0.75  # of all steps are run before weights are rounded to int8
    seed: int = 1
    save_every: float = 150.0  # seconds


class Rdovae(nn.Module):
    """Everything that is trained together."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = RdovaeEncoder()
        self.decoder = RdovaeDecoder()
        self.latent_table = LearnedTable(LATENTS)
        self.state_table = LearnedTable(STATE)

    def layers(self) -> dict[str, Layer]:
        """Return the layers of both networks by their checkpoint names."""
        return {**self.encoder.layers(), **self.decoder.layers()}

    def sparse_weights(self) -> dict[str, Tensor]:
        """Return the weights of which only some blocks are kept, by layer."""
        layers = self.layers()
        return {name: layers[name].weight for name in DENSITY}

    def int8_weights(self) -> list[Tensor]:
        """Return the weights that become int8: of layers with inputs inside [-1, 1]."""
        wide = {"enc_dense1", "dec_dense1", "dec_hidden_init"}
        return [layer.weight for name, layer in self.layers().items() if name not in wide]


def distortion(got: Tensor, want: Tensor, settings: Settings) -> Tensor:
    """Return the error of features [..., 20], one number a frame.

    The cepstral part is the mean squared log-spectral error in decades; pitch counts in octaves
    where the frame is voiced.
    """
    error = got - want
    voiced = (want[..., CORRELATION] + 0.5).clamp(0, 1) ** 2
    pitch = torch.sqrt(error[..., PITCH] ** 2 + 4e-4) - 0.02
    return (
        error[..., :BANDS].square().mean(-1)
        + settings.pitch_weight * (voiced + 0.01) * pitch
        + settings.correlation_weight * error[..., CORRELATION].square()
    )


def packets(frames: Tensor, latents: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cut sequences into one-second packets in the order that the decoder works: newest first.

    Takes features [batch, frames, 20], latents and states [batch, frames / 2, n]; returns
    targets [packets, 25, 80], latents [packets, 25, 25] and states [packets, 50].
    """
    batch, count = len(frames), latents.shape[1] // (2 * PACKET)
    # Latent 2c+1 of a packet covers its own two frames and the two before: 4 frames.
    target = frames.reshape(batch * count, PACKET, 4, -1).flip(1, 2).flatten(2)
    second = latents.reshape(batch * count, PACKET, 2, -1)[:, :, 1].flip(1)
    state = states.reshape(batch * count, 2 * PACKET, -1)[:, -1]
    return target, second, state


def first_prices() -> Tensor:
    """Return the prices of a bit at each level at which training starts, as logarithms [16]."""
    return math.log(_PRICE_AT) - _SLOPE * (torch.log(torch.tensor(RATES)) - math.log(_RATE_AT))


def loss_of(
    model: Rdovae,
    features: Tensor,
    prices: Tensor,
    settings: Settings,
    draw: torch.Generator,
    hard: bool,
) -> tuple[Tensor, dict[str, float], Tensor]:
    """Return the loss of a batch [batch, frames, 20], what it is made of, and each level's rate.

    Levels are drawn per packet by the wire's own law. The rate is that of noisy symbols, which
    has a gradient everywhere; the tables of p0 and r are fitted to the rounded ones. `prices` are
    logarithms [16]. Rates are in bits a second [16]; zero for a level that was not drawn.
    """
    device = features.device
    latents, states, _ = model.encoder(features.reshape(len(features), -1, 40))
    target, latents, state = packets(features, latents, states)
    count = len(target)
    first = torch.randint(LEVELS, (count,), generator=draw)
    slope = torch.randint(-4, len(SLOPES), (count,), generator=draw).clamp(min=0)
    level = level_law(first.to(device), slope.to(device), PACKET)
    rounded = torch.ones(count, dtype=torch.bool)
    if not hard:
        rounded = torch.rand(count, generator=draw) < 0.5
    rounded = rounded.to(device)

    decoded, noisy_bits, table_bits = [], [], []
    learned = ((latents, model.latent_table, level), (state, model.state_table, first.to(device)))
    for value, table, rows in learned:
        row = table.table().at(rows)
        soft = squeeze(value, row)
        symbols = torch.round(soft.detach())
        noisy = soft + (torch.rand(soft.shape, generator=draw) - 0.5).to(device)
        fixed = row._replace(r=row.r.detach(), p0=row.p0.detach())
        noisy_bits.append(bits(noisy, fixed).sum(-1))
        table_bits.append(bits(symbols, row).sum(-1))
        pick = rounded.view(-1, *[1] * (soft.dim() - 1))
        decoded.append(torch.where(pick, soft + (symbols - soft).detach(), noisy) / row.scale)

    side = (level / 8 - 1)[..., None]
    output, _ = model.decoder(torch.cat([decoded[0], side], 2), model.decoder.start(decoded[1]))
    output, target = output.view(count, PACKET, 4, -1), target.view(count, PACKET, 4, -1)
    error = distortion(output, target, settings).mean(2)
    price = prices.to(device).exp()[level]
    per_chunk = noisy_bits[0] + noisy_bits[1][:, None] / PACKET
    fit = table_bits[0].mean() + table_bits[1].mean() / PACKET
    loss = (error / price.sqrt() + per_chunk * price.sqrt()).mean() + 0.1 * fit
    with torch.no_grad():
        ceps = (output - target)[..., :BANDS].square().mean(-1)
        parts = {
            "loss": loss.item(),
            "db": 10 * ceps.sqrt().mean().item(),
            "bits_per_s": 25 * table_bits[0].mean().item(),
            "state_bits": table_bits[1].mean().item(),
        }
        each = nn.functional.one_hot(level, LEVELS).float()
        spent = torch.einsum("pc,pcl->l", table_bits[0], each) / each.sum((0, 1)).clamp(min=1)
    return loss, parts, PACKET * spent.cpu()


def _optimiser(model: Rdovae, settings: Settings) -> torch.optim.Adam:
    tables = [*model.latent_table.parameters(), *model.state_table.parameters()]
    nets = [*model.encoder.parameters(), *model.decoder.parameters()]
    groups = [{"params": nets, "scale": 1.0}, {"params": tables, "scale": 5.0}]
    return torch.optim.Adam(groups, lr=settings.rate, betas=(0.9, 0.98))


def learning_rate(step: int, settings: Settings) -> float:
    """Return the rate at a step: a short warm-up, then half a cosine down to 2 %."""
    return trainer.cosine_rate(step, settings.rate, settings.warm_up, settings.steps, 0.02)


class Trainer(trainer.Trainer):
    """The RDO-VAE in training, and how far it is."""

    kind = KIND
    settings: Settings
    model: Rdovae

    def __init__(self, settings: Settings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self.model = Rdovae().to(device)
        self.optimiser = _optimiser(self.model, settings)
        self.prices = first_prices()
        self.pruning = Pruning()

    def state(self) -> dict[str, Any]:
        """Return everything that resuming needs; dropped weights are the ones that are zero."""
        return {**super().state(), "prices": self.prices.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        super().restore(state)
        prices = torch.as_tensor(state["prices"], dtype=torch.float32)
        if prices.shape != self.prices.shape:
            raise ValueError("prices of another number of levels")
        self.prices = prices
        self.pruning.take_up(self.model.sparse_weights())

    def advance(self, batch: F32) -> dict[str, float]:
        """Learn from features [batch, frames, 20]."""
        settings, model, step = self.settings, self.model, self.step
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(step, settings) * group["scale"]
        draw = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        features = torch.from_numpy(batch).to(self.device)
        done = step / settings.steps
        small = model.int8_weights()
        self.optimiser.zero_grad(set_to_none=True)
        with quantised(small if done >= settings.int8_share else []):
            hard = done >= settings.hard_share
            loss, parts, rates = loss_of(model, features, self.prices, settings, draw, hard)
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        span = Span(0, round(settings.sparse_share * settings.steps), settings.sparse_every)
        self.pruning.drop(model.sparse_weights(), DENSITY, self.step, span)
        self._set_prices(rates)
        return parts

    def _set_prices(self, rates: Tensor) -> None:
        """Make bits cost more at levels that spent more than RATES, and less at the others."""
        wanted = torch.tensor(RATES)
        over = (rates / wanted - 1).clamp(-1, 1) * (rates > 0)
        self.prices = self.prices + self.settings.price_rate * over

    def described(self) -> str:
        """Return the distortion and the rate of the last step."""
        return f"{self.parts['db']:.2f} dB  {self.parts['bits_per_s']:.0f} b/s"


def train(
    arrays: list[F32],
    folder: Path,
    settings: Settings,
    device: str = "cpu",
    until: float = math.inf,
    note: Callable[[Trainer], None] = lambda trainer: None,
    begin: Callable[[Rdovae], None] = lambda model: None,
    pack: Path | None = None,
    packed: Path | None = None,
) -> Trainer:
    """Train on feature arrays, resuming from the state in `folder` if there is one.

    Without one, resumes from the state `packed` if given; else `begin` may set the weights to start
    from. `pack` see trainer.run.

    Stops after settings.steps, or once time.monotonic() passes `until`. Raises InputError for a
    state that is damaged or of another training.
    """
    if settings.frames % (4 * PACKET):
        raise InputError(f"{settings.frames} frames a sequence: give a multiple of {4 * PACKET}")
    made = Trainer(settings, device)
    if made.go_on(folder, packed) is None:
        begin(made.model)
    sampler = Sampler(arrays, settings.frames, settings.seed)

    def draw() -> F32:
        return sampler.batch(made.step, settings.batch)

    return trainer.run(made, draw, folder, until, note, pack)

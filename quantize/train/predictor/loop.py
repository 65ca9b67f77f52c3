# SPDX-License-Identifier: BSD-3-Clause
"""Training of the predictor of lost frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quantize.features.floats import BANDS, CORRELATION, PITCH
from quantize.networks.predictor import Predictor
from quantize.train import trainer
from quantize.train.fake_quant import quantised
from quantize.train.predictor.data import Batch, Gaps, Recording
from quantize.train.pruning import Pruning, Span

KIND = "predictor"
_FLOOR = 0.02  # decades squared: a smaller spectral error costs hardly less


@dataclass
class Settings(trainer.Schedule):
    """How to train. The defaults made the checkpoint that ships."""

    steps: int = 2500
    batch: int = 128  # gaps
    rate: float = 3e-3  # Adam's, at its peak
    warm_up: int = 100  # steps to get there
    pitch_weight: float = 1.0
    correlation_weight: float = 0.3
    density: float = 1.0  # share of 8 x 4 blocks of the GRUs' weights that are kept at the end
    sparse_share: float = 0.5  # of all steps, over which the weakest blocks are dropped
    sparse_every: int = 20  # steps
    int8_share: float = 0.75  # of all steps are run before weights are rounded to int8
    seed: int = 1
    save_every: float = 120.0  # seconds


def loss_of(model: Predictor, batch: Batch, settings: Settings) -> tuple[Tensor, dict[str, float]]:
    """Return the mean loss of the lost frames of a batch, and what it is made of.

    The spectral part is the root mean square error of the log bands, in decades: a frame that
    cannot be foretold must not outweigh the others. Pitch counts where the frame is voiced.
    """
    error = model(batch.inputs) - batch.features
    voiced = (batch.features[..., CORRELATION] + 0.5).clamp(0, 1) ** 2
    spectral = (error[..., :BANDS].square().mean(-1) + _FLOOR).sqrt()
    pitch = voiced * error[..., PITCH].abs()
    each = (
        spectral
        + settings.pitch_weight * pitch
        + settings.correlation_weight * error[..., CORRELATION].abs()
    )
    total = batch.lost.sum().clamp(min=1)
    loss = (each * batch.lost).sum() / total
    decibels = 10 * ((spectral.detach() * batch.lost).sum() / total).item()
    return loss, {"loss": loss.item(), "db": decibels}


class Trainer(trainer.Trainer):
    """The predictor in training, and how far it is."""

    kind = KIND
    settings: Settings
    model: Predictor

    def __init__(self, settings: Settings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self.model = Predictor().to(device)
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=settings.rate, betas=(0.9, 0.98)
        )
        self.pruning = Pruning()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        super().restore(state)
        self.pruning.take_up(self.model.sparse_weights())

    def rate(self) -> float:
        """Return the learning rate: a short warm-up, then half a cosine down to 1 %."""
        settings = self.settings
        return trainer.cosine_rate(self.step, settings.rate, settings.warm_up, settings.steps, 0.01)

    def advance(self, batch: Batch) -> dict[str, float]:
        """Learn from gaps."""
        settings, model = self.settings, self.model
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        batch = Batch(*(part.to(self.device) for part in batch))
        layers = model.layers()
        small = [layer.weight for name, layer in layers.items() if name != "plc_dense_in"]
        self.optimiser.zero_grad(set_to_none=True)
        with quantised(small if self.step >= settings.int8_share * settings.steps else []):
            loss, parts = loss_of(model, batch, settings)
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        weights = model.sparse_weights()
        span = Span(0, round(settings.sparse_share * settings.steps), settings.sparse_every)
        self.pruning.drop(weights, dict.fromkeys(weights, settings.density), self.step, span)
        return parts

    def described(self) -> str:
        """Return the loss and the spectral error of the last step."""
        return f"loss {self.parts['loss']:.3f}  {self.parts['db']:.2f} dB"


def train(
    recordings: list[Recording],
    folder: Path,
    settings: Settings,
    device: str = "cpu",
    until: float = math.inf,
    note: Callable[[Trainer], None] = lambda trainer: None,
    pack: Path | None = None,
) -> Trainer:
    """Train on recordings, resuming from the state in `folder` if there is one.

    Stops after settings.steps, or once time.monotonic() passes `until`. Raises InputError for a
    state that is damaged or of another training.
    """
    made = Trainer(settings, device)
    made.go_on(folder)
    data = Gaps(recordings, settings.seed)

    def draw() -> Batch:
        return data.batch(made.step, settings.batch)

    return trainer.run(made, draw, folder, until, note, pack)

# SPDX-License-Identifier: BSD-3-Clause
"""Training of the pitch network: it learns to say at once what the tracker finds with hindsight."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from quantize.networks.pitch import PitchNet
from quantize.nn.topologies import PITCH_CLASSES
from quantize.train import trainer
from quantize.train.fake_quant import quantised
from quantize.train.pitch.data import Batch, Recording, Stretches

KIND = "pitch"
_WIDE = ("conv2d_1", "conv2d_2")  # layers that keep int16 weights


@dataclass
class Settings(trainer.Schedule):
    """How to train. The defaults made the checkpoint that ships."""

    steps: int = 1200
    batch: int = 16
    frames: int = 200  # of a stretch
    stretches: int = 3000  # that the batches are drawn from
    rate: float = 4e-3  # Adam's, at its peak
    warm_up: int = 50  # steps to get there
    spread: float = 1.0  # classes: standard deviation of the answer
    int8_share: float = 0.7  # of all steps are run before weights are rounded to int8
    seed: int = 1
    save_every: float = 60.0  # seconds


def loss_of(model: PitchNet, batch: Batch, spread: float) -> tuple[Tensor, Tensor]:
    """Return the weighted cross-entropy (nats) and the share of weight within 50 cents."""
    logits, _ = model(batch.if_features, batch.xcorr)
    classes = torch.arange(PITCH_CLASSES, device=logits.device)
    distance = classes - batch.place[..., None]
    answer = torch.softmax(-0.5 * (distance / spread) ** 2, 2)
    entropy = -(answer * torch.log_softmax(logits, 2)).sum(2)
    total = batch.weight.sum().clamp(min=1e-6)
    near = (logits.argmax(2) - batch.place).abs() <= 2.5
    return (batch.weight * entropy).sum() / total, (batch.weight * near).sum() / total


def learning_rate(step: int, settings: Settings) -> float:
    """Return the rate at a step: a short warm-up, then half a cosine down to 1 %."""
    return trainer.cosine_rate(step, settings.rate, settings.warm_up, settings.steps, 0.01)


class Trainer(trainer.Trainer):
    """The pitch network in training, and how far it is."""

    kind = KIND
    settings: Settings
    model: PitchNet

    def __init__(self, settings: Settings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self.model = PitchNet().to(device)
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=settings.rate, betas=(0.9, 0.98)
        )

    def advance(self, batch: Batch) -> dict[str, float]:
        """Learn from stretches."""
        settings, model = self.settings, self.model
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, settings)
        batch = Batch(*(part.to(self.device) for part in batch))
        layers = model.layers()
        small = [layer.weight for name, layer in layers.items() if name not in _WIDE]
        model.int8 = self.step >= settings.int8_share * settings.steps
        self.optimiser.zero_grad(set_to_none=True)
        with quantised(small if model.int8 else []):
            loss, near = loss_of(model, batch, settings.spread)
            loss.backward()  # type: ignore[no-untyped-call]
        model.int8 = False
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        return {"nats": loss.item(), "within_50_cents": near.item()}

    def described(self) -> str:
        """Return the cross-entropy of the last step."""
        return f"{self.parts['nats']:.3f} nats"


def train(
    recordings: list[Recording],
    folder: Path,
    settings: Settings,
    device: str = "cpu",
    until: float = math.inf,
    note: Callable[[Trainer], None] = lambda trainer: None,
) -> Trainer:
    """Train on recordings, resuming from the state in `folder` if there is one.

    Stops after settings.steps, or once time.monotonic() passes `until`. Raises InputError for a
    state that is damaged or of another training.
    """
    made = Trainer(settings, device)
    made.go_on(folder)
    data = Stretches(recordings, settings.frames, settings.stretches, settings.seed)
    return trainer.run(made, lambda: data.batch(made.step, settings.batch), folder, until, note)

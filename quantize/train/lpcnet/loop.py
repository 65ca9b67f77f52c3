# SPDX-License-Identifier: BSD-3-Clause
"""Training of LPCNet: teacher forced with noise, made sparse on the way, resumable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from quantize.errors import InputError
from quantize.networks.blocks import block_mask, density_at
from quantize.networks.lpcnet import Lpcnet, Sizes, sizes_from
from quantize.train import trainer
from quantize.train.fake_quant import quantised
from quantize.train.lpcnet.data import Batch, SpeechSampler
from quantize.train.lpcnet.ops import sample_gru, tree_loss
from quantize.train.state import read_state

KIND = "lpcnet"


@dataclass
class Settings(trainer.Schedule):
    """How to train. Steps are meant to add up over many runs."""

    steps: int = 200_000
    batch: int = 32  # sequences; a multiple of 8
    frames: int = 15  # per sequence
    rate: float = 2e-3  # Adam's, at the start
    decay: float = 5e-5  # rate / (1 + decay * step)
    warm_up: int = 100
    anneal: int = 0  # last steps, over which the rate also falls to zero
    sparse_from: int = 8_000  # steps between which the weakest blocks of weights are dropped
    sparse_to: int = 22_000
    sparse_every: int = 100
    int8_from: int = 30_000  # weights are rounded to int8 from here on
    smoothing: float = 0.999  # of the weights that are shipped: a mean over the last steps
    seed: int = 1
    save_every: float = 180.0  # seconds


def loss_of(model: Lpcnet, batch: Batch) -> Tensor:
    """Return the cross-entropy of a batch in nats a sample."""
    if batch.features.is_cuda:
        return _on_gpu()(model, *batch)
    steps = len(batch.target)
    conditioning = model.condition(batch.features).transpose(0, 1).contiguous()
    a = sample_gru(
        model.cond_to_a(conditioning),
        model.a.weight,
        model.a.bias,
        steps,
        tables=model.tables(),
        index=batch.heard,
    )
    b = sample_gru(
        model.cond_to_b(conditioning),
        model.b.weight,
        model.b.bias,
        steps,
        dense=model.a_to_b(a),
    )
    return tree_loss(b, model.tree_weight, model.tree_bias, model.tree_scale, batch.target)


def _on_gpu() -> Callable[..., Tensor]:
    try:
        from quantize.train.lpcnet import cuda as lpcnet_cuda  # a CPU has no triton
    except ImportError:
        raise InputError("cuda: this torch came without triton; take --device cpu") from None
    return lpcnet_cuda.loss_of


class Trainer(trainer.Trainer):
    """LPCNet in training, and how far it is."""

    kind = KIND
    settings: Settings
    model: Lpcnet

    def __init__(self, sizes: Sizes, settings: Settings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        if device != "cpu":
            torch.set_float32_matmul_precision("high")  # 19-bit factors, as good and much faster
        self.model = Lpcnet(sizes).to(device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), betas=(0.9, 0.99), eps=1e-8)
        self.average = math.log(256)  # of the loss, over the last few hundred steps
        self.mask = torch.ones_like(self.model.a.weight)
        self.mask_b = torch.ones_like(self.model.a_to_b.weight)
        self.smooth: dict[str, Tensor] = {}  # weights averaged over steps, by name

    def state(self) -> dict[str, Any]:
        """Return everything that resuming needs."""
        return {
            **super().state(),
            "mask": self.mask,
            "mask_b": self.mask_b,
            "smooth": self.smooth,
            "average": self.average,
            "sizes": asdict(self.model.sizes),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned; packed states lack the averaged weights."""
        if sizes_from(state.get("sizes")) != self.model.sizes:
            raise InputError("it is of other sizes: give the same --preset, or delete it")
        super().restore(state)
        masks = {"mask": self.mask, "mask_b": self.mask_b}
        masks = trainer.restored({name: state[name] for name in masks}, masks, self.device)
        self.mask, self.mask_b = masks["mask"], masks["mask_b"]
        smooth = state.get("smooth", {})
        self.smooth = trainer.restored(smooth, self.model.state_dict(), self.device)
        self.average = float(state["average"])

    def regrow(self) -> None:
        """Let every dropped block of weights grow until blocks are dropped again."""
        self.mask.fill_(1)
        self.mask_b.fill_(1)

    def rate(self) -> float:
        """Return the learning rate of the coming step."""
        settings = self.settings
        warm = min(1.0, (self.step + 1) / settings.warm_up)
        left = settings.steps - self.step
        fall = left / settings.anneal if 0 < left < settings.anneal else 1.0
        return settings.rate * warm * fall / (1 + settings.decay * self.step)

    def advance(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; return its cross-entropy in nats a sample."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        model = self.model
        narrow: list[Tensor] = [model.a.weight, model.b.weight, model.a_to_b.weight]
        self.optimiser.zero_grad(set_to_none=True)
        with quantised(narrow if self.step >= self.settings.int8_from else []):
            loss = loss_of(model, Batch(*(part.to(self.device) for part in batch)))
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._prune()
        with torch.no_grad():
            for weight in narrow:
                weight.clamp_(-1, 1)
        trainer.average(self.smooth, model, self.settings.smoothing)
        value = loss.item()
        self.average += (value - self.average) / min(self.step, 300)
        return {"nats": value}

    def described(self) -> str:
        """Return the cross-entropy of the last few hundred steps."""
        return f"{self.average:.4f} nats"

    def smoothed(self) -> Lpcnet:
        """Return the model with its weights averaged over the last steps, which have less noise."""
        model = Lpcnet(self.model.sizes)
        model.load_state_dict(self.smooth or self.model.state_dict())
        with torch.no_grad():
            model.a.weight.mul_(self.mask.cpu())
            model.a_to_b.weight.mul_(self.mask_b.cpu())
        return model

    def _prune(self) -> None:
        settings, model = self.settings, self.model
        dropping = settings.sparse_from <= self.step <= settings.sparse_to
        if dropping and self.step % settings.sparse_every == 0:
            gates = zip(model.a.weight.chunk(3), model.sizes.density, strict=True)
            span = settings.sparse_from, settings.sparse_to
            masks = [block_mask(w, density_at(self.step, d, *span)) for w, d in gates]
            self.mask = torch.cat(masks)
            kept = density_at(self.step, model.sizes.density_b, *span)
            self.mask_b = block_mask(model.a_to_b.weight, kept)
        with torch.no_grad():
            model.a.weight.mul_(self.mask)
            model.a_to_b.weight.mul_(self.mask_b)


class _Steps(Dataset[Batch]):
    """The batches of steps from `first` on, which workers make ahead of a GPU."""

    def __init__(self, sampler: SpeechSampler, first: int, settings: Settings) -> None:
        self.sampler, self.first, self.settings = sampler, first, settings

    def __len__(self) -> int:
        return max(0, self.settings.steps - self.first)

    def __getitem__(self, index: int) -> Batch:
        return self.sampler.batch(self.first + index, self.settings.batch, self.settings.frames)


def batches(
    sampler: SpeechSampler, first: int, settings: Settings, workers: int = 0
) -> Iterator[Batch]:
    """Yield the batch of every step from `first` on, made by `workers` processes, or here if 0."""
    yield from DataLoader(_Steps(sampler, first, settings), batch_size=None, num_workers=workers)


def train(
    sampler: SpeechSampler,
    folder: Path,
    sizes: Sizes,
    settings: Settings,
    until: float = math.inf,
    note: Callable[[Trainer], None] = lambda trainer: None,
    begin: Path | None = None,
    pack: Path | None = None,
    device: str = "cpu",
    workers: int = 0,
    regrow: bool = False,
) -> Trainer:
    """Train, resuming from the state in `folder`, or where there is none from `begin` if given.

    With `regrow` the weights that `begin` has dropped may grow again. The state is also kept packed
    in `pack`. Stops after settings.steps, or once time.monotonic() passes `until`.
    """
    made = Trainer(sizes, settings, device)
    resumed = made.go_on(folder, begin)
    if regrow and resumed is not None and resumed == begin:
        made.regrow()
    drawn = batches(sampler, made.step, settings, workers)
    return trainer.run(made, lambda: next(drawn), folder, until, note, pack)


def resumed(path: Path) -> Trainer:
    """Return LPCNet's training as a state has it, whatever its sizes; InputError if damaged."""
    state = read_state(path, KIND)
    try:
        sizes = sizes_from(state.get("sizes"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    made = Trainer(sizes, Settings())
    made.take_up(state, path)
    return made


def evaluate(model: Lpcnet, sampler: SpeechSampler, batches: int = 8, size: int = 32) -> float:
    """Return the mean cross-entropy in nats on a sampler of held-out speech, without noise."""
    with torch.no_grad():
        drawn = (sampler.batch(step, size, 15, noise=0.0) for step in range(batches))
        return float(np.mean([loss_of(model, batch).item() for batch in drawn]))

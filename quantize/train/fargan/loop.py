# SPDX-License-Identifier: BSD-3-Clause
"""Training of FARGAN: spectral losses, then critics as well; made sparse and int8 at the end.

Every stretch begins as a gap does and then the voice goes on by itself: in training as in use, it
hears its own speech. A training can be resumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quantize.errors import InputError
from quantize.networks.fargan import FRAME, Fargan, Sizes, sizes_from, step_periods
from quantize.train import trainer
from quantize.train.fake_quant import quantised
from quantize.train.fargan.critics import Critics, Inner, judge, persuade
from quantize.train.fargan.data import PAST, Batch, GapSampler
from quantize.train.fargan.losses import join, spectral, wave
from quantize.train.fargan.ops import can_speak, speak_steps
from quantize.train.pruning import Pruning, Span
from quantize.train.state import read_state, restore_optimiser

KIND = "fargan"
PAIRS = (("model", "optimiser"), ("critics", "critics_optimiser"))
_HEARD = PAST + FRAME  # samples of a stretch that are not spoken


@dataclass
class Settings(trainer.Schedule):
    """How to train. Steps are meant to add up over many runs."""

    steps: int = 200_000
    batch: int = 32  # stretches
    frames: int = 17  # of a stretch, its first is known
    rate: float = 1e-3  # Adam's, at the start
    warm_up: int = 500
    anneal: int = 0  # last steps, over which the rates fall to a fiftieth
    critics_from: int = (
        60_000  # step from which critics learn; the voice learns from them 300 later
    )
    critics_rate: float = 2e-4
    persuaded_rate: float = 1.5e-4  # the voice's rate from critics_from on
    critics_weight: float = 0.4
    matching_weight: float = 0.5  # of the critics' inner values, against those of real speech
    critics_batch: int = 16  # stretches of a step while critics learn, and their frames
    critics_frames: int = 23
    early_weight: float = 1.0  # how much more the first 20 ms after real samples count
    density: float = 1.0  # share of 8 x 4 blocks that are kept at the end
    sparse_from: int = 0
    sparse_to: int = 0
    sparse_every: int = 100
    int8_from: int = 10**9  # from here on weights are rounded to int8 and inputs to 1/127
    smoothing: float = 0.999  # of the weights that are shipped: a mean over the last steps
    seed: int = 1
    save_every: float = 180.0  # seconds


_CRITICS_ALONE = 300


def speak(model: Fargan, batch: Batch) -> Tensor:
    """Have a model speak a batch after its known frame: signal [batch, 160 * frames].

    The first frame is what the model would have said in place of the real samples.
    """
    conditioning, period = model.condition(batch.features), step_periods(batch.features)
    if can_speak(model, len(batch.past)):
        return speak_steps(model, conditioning, period, batch.past, batch.noise, batch.known)
    spoken, _ = model(conditioning, period, model.begin(batch.past), batch.noise, batch.known)
    return torch.as_tensor(spoken)


def losses_of(spoken: Tensor, batch: Batch, settings: Settings) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of what was spoken, its spectral part, and the signal after real samples."""
    target = batch.target
    whole = torch.cat([target[:, :_HEARD], spoken[:, FRAME:]], 1)
    distance = spectral(whole, target, begin=_HEARD, extra=settings.early_weight)
    at_join = join(spoken[:, FRAME:], target[:, _HEARD:])
    taught = wave(spoken[:, :FRAME], target[:, PAST:_HEARD])
    return distance + 0.1 * at_join + 0.05 * taught, distance, whole


class Trainer(trainer.Trainer):
    """FARGAN and its critics in training, and how far they are."""

    kind = KIND
    pairs = PAIRS
    settings: Settings
    model: Fargan

    def __init__(self, sizes: Sizes, settings: Settings, device: str = "cpu") -> None:
        super().__init__(settings, device)
        self.model = Fargan(sizes).to(device)
        self.critics = Critics().to(device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), betas=(0.8, 0.98))
        self.critics_optimiser = torch.optim.Adam(self.critics.parameters(), betas=(0.8, 0.98))
        self.averages: dict[str, float] = {}  # of the losses, over the last few hundred steps
        self.smooth: dict[str, Tensor] = {}  # weights averaged over steps, by name
        self.pruning = Pruning()

    @property
    def listening(self) -> bool:
        """Whether the critics learn in the coming step."""
        return self.step >= self.settings.critics_from

    def shape(self) -> tuple[int, int]:
        """Return how many stretches of how many frames the coming step takes."""
        settings = self.settings
        if self.listening:
            return settings.critics_batch, settings.critics_frames
        return settings.batch, settings.frames

    def state(self) -> dict[str, Any]:
        """Return everything that resuming needs."""
        state = {
            **super().state(),
            "smooth": self.smooth,
            "averages": self.averages,
            "sizes": asdict(self.model.sizes),
        }
        if self.critics_optimiser.state:
            state["critics"] = self.critics.state_dict()
            state["critics_optimiser"] = self.critics_optimiser.state_dict()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned; packed states lack the averaged weights."""
        if sizes_from(state.get("sizes")) != self.model.sizes:
            raise InputError("it is of other sizes: give the same --preset, or delete it")
        super().restore(state)
        if "critics" in state:
            self.critics.load_state_dict(state["critics"])
            restore_optimiser(self.critics_optimiser, state["critics_optimiser"])
        smooth = state.get("smooth", {})
        self.smooth = trainer.restored(smooth, self.model.state_dict(), self.device)
        self.averages = {str(name): float(value) for name, value in state["averages"].items()}
        if self.step > self.settings.sparse_from:
            self.pruning.take_up(self.model.sparse_weights())

    def rate(self) -> tuple[float, float]:
        """Return the learning rates of the coming step: the voice's and the critics'."""
        settings = self.settings
        left = settings.steps - self.step
        fall = max(0.02, left / settings.anneal) if 0 < settings.anneal > left else 1.0
        since = self.step - (settings.critics_from if self.listening else 0)
        warm = min(1.0, (since + 1) / settings.warm_up)
        rate = settings.persuaded_rate if self.listening else settings.rate
        return rate * warm * fall, settings.critics_rate * fall

    def advance(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; returns the parts of its loss."""
        settings, model = self.settings, self.model
        batch = Batch(*(part.to(self.device) for part in batch))
        rate, critics_rate = self.rate()
        for optimiser, value in ((self.optimiser, rate), (self.critics_optimiser, critics_rate)):
            for group in optimiser.param_groups:
                group["lr"] = value
        narrow = list(model.int8_weights().values())
        model.rounded = self.step >= settings.int8_from
        self.optimiser.zero_grad(set_to_none=True)
        with quantised(narrow if model.rounded else []):
            loss, distance, whole = losses_of(speak(model, batch), batch, settings)
            parts = {"spectral": distance.item()}
            if self.listening:
                parts["judge"], inner = self._teach_critics(batch.target, whole.detach())
                if self.step >= settings.critics_from + _CRITICS_ALONE:
                    fooled, apart = persuade(self.critics, whole, inner, self.step)
                    parts |= {"fooled": fooled.item(), "matching": apart.item()}
                    loss = loss + settings.critics_weight * fooled
                    loss = loss + settings.matching_weight * apart
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._prune()
        trainer.average(self.smooth, model, settings.smoothing)
        for name, value in parts.items():
            before = self.averages.get(name, value)
            self.averages[name] = before + (value - before) / min(self.step, 300)
        return parts

    def described(self) -> str:
        """Return the parts of the loss over the last few hundred steps."""
        return "  ".join(f"{name} {value:.4f}" for name, value in self.averages.items())

    def _teach_critics(self, real: Tensor, spoken: Tensor) -> tuple[float, Inner]:
        self.critics_optimiser.zero_grad(set_to_none=True)
        loss, inner = judge(self.critics, real, spoken, self.step)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.critics.parameters(), 5.0)
        self.critics_optimiser.step()
        return loss.item(), inner

    def _prune(self) -> None:
        settings = self.settings
        if settings.density == 1:
            return
        weights = self.model.sparse_weights()
        span = Span(settings.sparse_from, settings.sparse_to, settings.sparse_every)
        self.pruning.drop(weights, dict.fromkeys(weights, settings.density), self.step, span)

    def smoothed(self) -> Fargan:
        """Return the model with its weights averaged over the last steps, which have less noise."""
        model = Fargan(self.model.sizes)
        model.load_state_dict(self.smooth or self.model.state_dict())
        self.pruning.hold(model.sparse_weights())
        return model


def check_shares(others: Sequence[tuple[Fargan, float]]) -> None:
    """Raise InputError if the shares of a mean add up to more than 1."""
    whole = sum(share for _, share in others)
    if whole > 1 + 1e-9:
        raise InputError(f"--blend: the shares add up to {whole:.3g}: want at most 1")


def blended(one: Fargan, others: Sequence[tuple[Fargan, float]]) -> Fargan:
    """Return the mean of models' weights; each other one counts its share, the first the rest.

    Where critics taught the one what spectral losses had taught another, the mean sounds better
    than both. InputError if their sizes differ, or if shares add up to more than 1.
    """
    check_shares(others)
    if any(one.sizes != other.sizes for other, _ in others):
        raise InputError("the models are of different sizes: blend what one training made")
    states = [(other.state_dict(), share) for other, share in others]
    mean = {
        name: w + sum(share * (state[name] - w) for state, share in states)
        for name, w in one.state_dict().items()
    }
    model = Fargan(one.sizes)
    model.load_state_dict(mean)
    return model


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Have this thread take denormal numbers for zero, which is faster, until the block ends."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def train(
    sampler: GapSampler,
    folder: Path,
    sizes: Sizes,
    settings: Settings,
    until: float = math.inf,
    note: Callable[[Trainer], None] = lambda trainer: None,
    begin: Path | None = None,
    voice: dict[str, Tensor] | None = None,
    pack: Path | None = None,
    device: str = "cpu",
) -> Trainer:
    """Train, resuming from the state in `folder`, or where there is none from `begin` if given.

    Without either, training starts with the weights `voice` if given, else with random ones; blocks
    that a sparse voice dropped stay dropped. The state is also kept packed in `pack`. Stops after
    settings.steps, or once time.monotonic() passes `until`.
    """
    made = Trainer(sizes, settings, device)
    if made.go_on(folder, begin) is None and voice is not None:
        made.model.load(voice)
        if settings.density < 1:
            made.pruning.take_up(made.model.sparse_weights())
    return trainer.run(
        made, lambda: sampler.batch(made.step, *made.shape()), folder, until, note, pack
    )


def resumed(path: Path) -> Trainer:
    """Return FARGAN's training as a state has it, whatever its sizes; InputError if damaged."""
    state = read_state(path, KIND, PAIRS)
    try:
        sizes = sizes_from(state.get("sizes"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    made = Trainer(sizes, Settings())
    made.take_up(state, path)
    return made


def evaluate(model: Fargan, sampler: GapSampler, batches: int = 4, size: int = 32) -> float:
    """Return the mean spectral distance on a sampler of held-out speech."""
    settings, total = Settings(), 0.0
    with torch.no_grad():
        for step in range(batches):
            batch = sampler.batch(step, size, settings.frames)
            total += losses_of(speak(model, batch), batch, settings)[1].item()
    return total / batches

# SPDX-License-Identifier: BSD-3-Clause
"""What all trainings share: a trainer that can be saved and resumed, and the loop that runs it."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from quantize.errors import InputError
from quantize.train.state import (
    DAMAGE,
    PAIRS,
    Pairs,
    read_state,
    restore_optimiser,
    save_packed,
    save_state,
)

STATE = "state.pt"  # in the folder of a training


def cosine_rate(step: int, rate: float, warm_up: int, steps: int, last: float) -> float:
    """Return the learning rate at a step: a short warm-up, then half a cosine to rate * last."""
    warm = min(1.0, (step + 1) / warm_up)
    done = min(1.0, step / steps)
    return rate * warm * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass
class Schedule:
    """Settings that every training has."""

    steps: int  # to run in all, over many runs
    seed: int
    save_every: float  # seconds


class Trainer(ABC):
    """A network in training, its optimiser and how far they are."""

    kind: ClassVar[str]  # of the state on disk
    pairs: ClassVar[Pairs] = PAIRS
    settings: Schedule
    model: nn.Module
    optimiser: torch.optim.Optimizer

    def __init__(self, settings: Schedule, device: str = "cpu") -> None:
        """Seed torch; a subclass then makes `model` and `optimiser`."""
        if device != "cpu" and not torch.cuda.is_available():
            raise InputError(f"{device}: torch finds no GPU here; take --device cpu")
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = device
        self.step = 0
        self.parts: dict[str, float] = {}  # of the last step's loss

    @abstractmethod
    def advance(self, batch: Any) -> dict[str, float]:
        """Learn from one batch, count the step, and return the parts of its loss."""

    @abstractmethod
    def described(self) -> str:
        """Return how well the last steps went, as a few words."""

    def state(self) -> dict[str, Any]:
        """Return everything that resuming needs."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "settings": asdict(self.settings),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned; raises one of DAMAGE or InputError if it does not fit."""
        self.model.load_state_dict(state["model"])
        restore_optimiser(self.optimiser, state["optimiser"])
        self.step = int(state["step"])
        if self.step < 0:
            raise ValueError("a negative step")

    def resume(self, path: Path) -> None:
        """Take up a saved or packed state; InputError if it is damaged or of another network."""
        self.take_up(read_state(path, self.kind, self.pairs), path)

    def take_up(self, state: dict[str, Any], path: Path) -> None:
        """Take up the state that was read from `path`; raises InputError as `resume` does."""
        try:
            self.restore(state)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except DAMAGE:
            raise InputError(f"{path} is of another network: delete it to start over") from None

    def go_on(self, folder: Path, begin: Path | None = None) -> Path | None:
        """Resume from `newest_state`; return its path, or None where there is nothing to resume."""
        path = newest_state(folder, begin)
        if begin is None and not path.exists():
            return None
        self.resume(path)
        return path

    def save(self, folder: Path, pack: Path | None = None) -> None:
        """Write the state into `folder` and, once a step was made, packed to the file `pack`."""
        save_state(folder / STATE, self.kind, self.state())
        if pack is not None and self.step:
            save_packed(pack, self.kind, self.state(), self.pairs)


T = TypeVar("T", bound=Trainer)


def newest_state(folder: Path, begin: Path | None = None) -> Path:
    """Return the state in a training's folder or, where that has none, `begin` if given."""
    own = folder / STATE
    return own if begin is None or own.exists() else begin


def run(
    trainer: T,
    draw: Callable[[], Any],
    folder: Path,
    until: float = math.inf,
    note: Callable[[T], None] = lambda trainer: None,
    pack: Path | None = None,
) -> T:
    """Train on what `draw` returns until settings.steps are done or time.monotonic() is `until`.

    `note` hears of each step. The state is saved now and then, and at the end; see Trainer.save.
    """
    settings = trainer.settings
    saved_at = time.monotonic()
    while trainer.step < settings.steps and time.monotonic() < until:
        trainer.parts = trainer.advance(draw())
        note(trainer)
        if time.monotonic() - saved_at > settings.save_every:
            trainer.save(folder, pack)
            saved_at = time.monotonic()
    trainer.save(folder, pack)
    return trainer


def average(mean: dict[str, Tensor], model: nn.Module, smoothing: float) -> None:
    """Move `mean`, a model's weights averaged over steps, towards its weights now."""
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if name in mean:
                mean[name].lerp_(weight, 1 - smoothing)
            else:
                mean[name] = weight.clone()


def restored(saved: dict[str, Tensor], like: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    """Return saved tensors on a device; ValueError unless they have the shapes of `like`."""
    if any(tensor.shape != like[name].shape for name, tensor in saved.items()):
        raise ValueError("a tensor of another shape")
    return {name: tensor.to(device) for name, tensor in saved.items()}

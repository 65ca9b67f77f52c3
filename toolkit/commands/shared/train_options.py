# SPDX-License-Identifier: BSD-3-Clause
"""What the training commands share: options, progress, and the report at the end."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import quantize
from quantize.errors import InputError
from quantize.near import near
from quantize.train.trainer import Trainer
from toolkit.commands.shared.options import Decorator
from toolkit.common.console import emit_json, err
from toolkit.common.option_types import STEPS_MAX, Folder, OutputFile, Real

BATCH_MAX = 65_536
WORKERS_MAX = 256
THREADS_MAX = 256
TIMES_MAX = 1000  # how much more often a source is drawn
TRAINING = "training (without --evaluate)"  # the form of a command that --evaluate is not
DATA = Path("build/speech")
_LINE_EVERY = 60.0  # seconds between lines where there is no terminal to draw a bar on
PACKED_STATE = ".state.safetensors"  # how the name of a packed state ends
CHECKPOINTS = Path(quantize.__file__).parent / "checkpoints"

data_option = click.option(
    "--data",
    type=Folder(),
    default=DATA,
    show_default=True,
    help="Folder that `dredkit train data` filled.",
)
minutes_option = click.option(
    "--minutes",
    type=Real(0, 1e6, min_open=True),
    default=None,
    help="Stop (resumable) after this long; no limit if left out.",
)


def density_option(default: float) -> Decorator:
    """Add --density: how sparse the trained network ends."""
    return click.option(
        "--density",
        type=Real(0, 1, min_open=True),
        default=default,
        show_default=True,
        help="Share of 8 x 4 blocks of weights to keep.",
    )


fresh_option = click.option(
    "--fresh",
    is_flag=True,
    help="Where --state is empty begin with random weights, not with the state that ships.",
)
pack_option = click.option(
    "--pack",
    type=OutputFile(),
    help="Also keep the state packed in this file, small enough to commit.",
)
export_option = click.option(
    "--export",
    type=OutputFile(),
    help="Also write the weights, averaged over the last steps, as a checkpoint to speak with.",
)


def checkpoint_option(network: str) -> Decorator:
    """Return the option --checkpoint of a network's training."""
    return click.option(
        "--checkpoint",
        type=OutputFile(),
        default=CHECKPOINTS / f"{network}.safetensors",
        show_default="the one that ships",
        help="Where the trained network is written, and read by --evaluate.",
    )


def _device(ctx: click.Context, param: click.Parameter, name: str) -> str:
    """Return the device's name; BadParameter for one that torch does not have here."""
    if re.fullmatch(r"cpu|cuda(:\d{1,3})?", name) is None:
        raise click.BadParameter(f"'{name}': want cpu, cuda or cuda:N{near(name, ('cpu', 'cuda'))}")
    if name != "cpu":
        import torch

        if int(name.partition(":")[2] or 0) >= torch.cuda.device_count():
            raise click.BadParameter(f"'{name}': torch finds no such GPU on this machine")
    return name


device_option = click.option(
    "--device", default="cpu", show_default=True, callback=_device, help="cpu or cuda."
)


def stop_at(minutes: float | None) -> float:
    """Return the time.monotonic() to stop at."""
    return math.inf if minutes is None else time.monotonic() + 60 * minutes


def check_span(flag: str, steps: tuple[int, int]) -> None:
    """Raise InputError where the first of two steps comes after the last."""
    if steps[0] > steps[1]:
        raise InputError(f"{flag} {steps[0]} {steps[1]}: the first step comes after the last")


def steps_option(default: int) -> Decorator:
    """Return the option --steps with its default."""
    kind = click.IntRange(1, STEPS_MAX)
    return click.option("--steps", type=kind, default=default, show_default=True)


def state_option(network: str) -> Decorator:
    """Return the option --state of a network's training."""
    return click.option(
        "--state",
        type=Folder(),
        default=Path("build/train") / network,
        show_default=True,
        help="Folder of the resumable training state.",
    )


def progress_bar() -> Progress:
    """Return a progress bar with a text before it."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=err,
    )


@contextmanager
def steps_shown(steps: int) -> Iterator[Callable[[Trainer], None]]:
    """Give a training its `note`, which shows steps as a bar or, without a terminal, as lines."""
    last = time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task("starting", total=steps)

        def note(trainer: Trainer) -> None:
            nonlocal last
            text = _described(trainer)
            bar.update(task, completed=trainer.step, description=text)
            if not err.is_terminal and time.monotonic() - last > _LINE_EVERY:
                last = time.monotonic()
                err.print(time.strftime("%H:%M:%S"), text, markup=False)

        yield note


def shipped_state(network: str, preset: str) -> Path | None:
    """Return the packed state that ships, or None where there is none of this preset."""
    path = CHECKPOINTS / f"{network}-{preset}{PACKED_STATE}"
    return path if path.is_file() else None


def tell_written(checkpoint: Path, trainer: Trainer, json_to: str | None) -> None:
    """Report the checkpoint of a training and how far the training is."""
    err.print(f"{checkpoint}: {trainer.step} of {trainer.settings.steps} steps", markup=False)
    found = {"checkpoint": str(checkpoint), "steps": trainer.step, "last": trainer.parts}
    emit_json(json_to, found)


def tell_score(
    trainer: Trainer, held_out: float, facts: Mapping[str, Any], json_to: str | None
) -> None:
    """Report how far a training is and its loss on held-out speech."""
    err.print(f"{_described(trainer)}  held out {held_out:.4f}", markup=False)
    emit_json(json_to, {**facts, "steps": trainer.step, "held_out": held_out})


def _described(trainer: Trainer) -> str:
    return f"step {trainer.step}  {trainer.described()}"

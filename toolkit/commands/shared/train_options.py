# SPDX-License-Identifier: BSD-3-Clause
"""Options and progress that the training commands share."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import quantize
from quantize.near import near
from toolkit.commands.shared.options import Decorator
from toolkit.common.console import err
from toolkit.common.option_types import STEPS_MAX, Folder, Real

BATCH_MAX = 65_536
WORKERS_MAX = 256
DATA = Path("build/speech")
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

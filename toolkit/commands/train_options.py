# SPDX-License-Identifier: BSD-3-Clause
"""Options and progress that the training commands share."""

from __future__ import annotations

import math
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TimeRemainingColumn

import quantize
from toolkit.commands.options import Decorator
from toolkit.console import err

DATA = Path("build/speech")
CHECKPOINTS = Path(quantize.__file__).parent / "checkpoints"

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=DATA,
    show_default=True,
    help="Folder that `dredkit train data` filled.",
)
minutes_option = click.option(
    "--minutes", type=float, default=math.inf, help="Stop (resumable) after this long."
)
device_option = click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")


def state_option(network: str) -> Decorator:
    """Return the option --state of a network's training."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path),
        default=Path("build/train") / network,
        show_default=True,
        help="Folder of the resumable training state.",
    )


def progress() -> Progress:
    """Return a progress bar with a text before it."""
    return Progress("{task.description}", BarColumn(), TimeRemainingColumn(), console=err)

# SPDX-License-Identifier: BSD-3-Clause
"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from toolkit.importers import SHIPPED
from toolkit.steps import CLIP, STAGES

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

target_option: Decorator = click.option(
    "--target", required=True, help="A board of `dredkit targets`."
)
audio_option: Decorator = click.option(
    "--audio",
    type=click.Path(path_type=Path),
    default=CLIP,
    help="Recorded speech, WAV of any rate; the shipped clip if left out.",
)
weights_option: Decorator = click.option(
    "--weights",
    type=click.Path(path_type=Path),
    default=SHIPPED,
    help="An Opus 'DNNw' blob or a checkpoint; the shipped checkpoint if left out.",
)
stage_option: Decorator = click.option(
    "--stage",
    type=click.Choice(STAGES),
    default=STAGES[0],
    show_default=True,
    help="The whole sender, PCM to payload; or one network, fed with features from the host.",
)
pitch_option: Decorator = click.option(
    "--pitch",
    type=click.Path(path_type=Path),
    default=None,
    help="The pitch network; if left out, that of --weights, or else the shipped one.",
)
tables_option: Decorator = click.option(
    "--tables",
    type=click.Path(path_type=Path),
    default=None,
    help="Entropy tables: a checkpoint or 4800 bytes; those of --weights if left out.",
)


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--stage, --weights, --pitch and --tables."""
    for option in (tables_option, pitch_option, weights_option, stage_option):
        command = option(command)
    return command


model_option: Decorator = click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=None,
    help="A quantised model (.dkq) to take instead of quantising --weights.",
)
port_option: Decorator = click.option(
    "--port",
    metavar="URL",
    default=None,
    help="A flashed board's port, as pyserial names it; an emulated board if left out.",
)
serial_option: Decorator = click.option(
    "--serial",
    metavar="socket|pty|URL",
    default="socket",
    help="What an emulated board's UART is connected to.",
)

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit demo`: the main job on the default board, with the shipped model and speech."""

from pathlib import Path

import click

from toolkit.commands import options
from toolkit.commands.run import run_verification
from toolkit.console import json_option
from toolkit.paths import BUILD
from toolkit.sending import Sending
from toolkit.steps import Sources

BOARD = "mps3-an547"


@click.command("demo")
@options.source_options
@options.audio_option
@options.sending_options
@click.option("--target", default=BOARD, show_default=True, help="A board of `dredkit targets`.")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "demo")
@json_option
def command(
    stage: str,
    weights: Path,
    pitch: Path | None,
    tables: Path | None,
    audio: Path,
    sending: Sending,
    target: str,
    output: Path,
    json_to: str | None,
) -> None:
    """All of it: quantise, generate, build, flash, stream, verify, report."""
    run_verification(
        target=target,
        stage=stage,
        sending=sending,
        sources=Sources(weights, pitch, tables),
        model=None,
        audio=audio,
        port=None,
        serial="socket",
        trace=False,
        output=output,
        junit=None,
        json_to=json_to,
    )

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit verify`: generate, build, flash, stream, compare, judge."""

from pathlib import Path

import click

from toolkit.commands import options
from toolkit.commands.run import run_verification
from toolkit.console import json_option
from toolkit.paths import BUILD
from toolkit.sending import Sending
from toolkit.stage import load_quantised
from toolkit.steps import Sources


@click.command("verify")
@options.target_option
@options.source_options
@options.model_option
@options.audio_option
@options.sending_options
@options.port_option
@options.serial_option
@click.option("--trace", is_flag=True, help="Compare every layer on the board, in a second pass.")
@click.option("--output", type=click.Path(path_type=Path), default=None, help="The report's place.")
@click.option("--junit", type=click.Path(path_type=Path), default=None, help="JUnit XML for CI.")
@json_option
def command(
    target: str,
    stage: str,
    weights: Path,
    pitch: Path | None,
    tables: Path | None,
    model: Path | None,
    audio: Path,
    sending: Sending,
    port: str | None,
    serial: str,
    trace: bool,
    output: Path | None,
    junit: Path | None,
    json_to: str | None,
) -> None:
    """Prove that a board's outputs equal integer.py and host C, within the budget."""
    run_verification(
        target=target,
        stage=stage,
        sending=sending,
        sources=Sources(weights, pitch, tables),
        model=None if model is None else load_quantised(model),
        audio=audio,
        port=port,
        serial=serial,
        trace=trace,
        output=output or BUILD / target / "verify",
        junit=junit,
        json_to=json_to,
    )

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit verify`: generate, build, flash, stream, compare, judge."""

from pathlib import Path

import click

from toolkit.commands.shared import options
from toolkit.commands.shared.kinds import Folder, OutputFile
from toolkit.commands.shared.run import conclude, ready_stage, verify_on_board
from toolkit.commands.shared.taken import PORTS, check_stage, refuse_ignored
from toolkit.common.console import json_option
from toolkit.common.outcome import Telling
from toolkit.common.places import verify_folder
from toolkit.device.pipeline import check_line
from toolkit.measure.budget import clock_of
from toolkit.measure.cycles.estimate import check_countable
from toolkit.models.quantise import Sources, fixed_inputs
from toolkit.stages.sending import Sending
from toolkit.stages.stage import load_quantised
from toolkit.targets.target import load_target


@click.command("verify", cls=Telling)
@options.target_option
@options.stage_option
@options.source_options
@options.model_option
@options.audio_option
@options.sending_options
@options.batch_option
@options.clock_option
@options.cycles_option
@options.port_option
@options.serial_option
@click.option("--trace", is_flag=True, help="Compare every layer on the board, in a second pass.")
@click.option("--output", type=Folder(), default=None, help="The report's place.")
@click.option("--junit", type=OutputFile(), default=None, help="JUnit XML for CI.")
@json_option
def command(
    target: str,
    stage: str,
    sources: Sources,
    model: Path | None,
    audio: Path,
    sending: Sending,
    batch: int,
    clock_hz: int | None,
    cycles: bool,
    port: str | None,
    serial: str,
    trace: bool,
    output: Path | None,
    junit: Path | None,
    json_to: str | None,
) -> None:
    """Prove that a board's outputs equal integer.py and host C, within the budget.

    A receiver is given payloads that the host's sender makes of the audio, one second of packets
    lost in the middle and five bursts of 20 to 100 ms.
    """
    board = load_target(target)
    clock_of(board, clock_hz)
    if port is not None:
        refuse_ignored("a board at --port", PORTS)
    if cycles:
        check_countable(board, port)
    if model is None:
        check_stage(stage)
    check_line(port, serial)
    loaded = None if model is None else load_quantised(model, stage)
    if loaded is not None:
        check_stage(stage, loaded, model)
    made = ready_stage(stage, sources, sending, loaded, batch)
    result = verify_on_board(
        made,
        board,
        audio=audio,
        inputs=fixed_inputs(made, audio),
        clock_hz=clock_hz,
        port=port,
        serial=serial,
        trace=trace,
        cycles=cycles,
    )
    conclude(result, output or verify_folder(target), junit=junit, json_to=json_to)

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit verify`: generate, build, flash, stream, compare, judge."""

from pathlib import Path

import click

from toolkit.commands.shared import options
from toolkit.commands.shared.board_call import (
    Calling,
    Line,
    call_on_board,
    calling_options,
    refuse_without_call,
)
from toolkit.commands.shared.flashing import flasher_of
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import CALL_STAGES, PORTS, check_stage, refuse_ignored
from toolkit.commands.shared.verification import (
    conclude,
    ready_stage,
    require_judge,
    verify_on_board,
)
from toolkit.common.console import json_option
from toolkit.common.option_types import Folder, OutputFile
from toolkit.common.places import verify_folder
from toolkit.device.pipeline import check_line
from toolkit.measure.budget import clock_of
from toolkit.measure.cycles.estimate import check_countable
from toolkit.models.quantise import Sources, for_target
from toolkit.models.saved import load_quantised
from toolkit.stages.sending import Sending
from toolkit.targets.target import load_target


@click.command("verify", cls=Telling)
@options.target_option
@options.board_stage_option
@options.source_options
@options.model_option
@options.audio_option
@options.sending_options
@options.batch_option
@options.clock_option
@options.cycles_option
@calling_options
@options.port_option
@options.server_option
@options.probe_option
@options.serial_option
@click.option("--trace", is_flag=True, help="Compare every layer on the board, in a second pass.")
@click.option(
    "--score",
    is_flag=True,
    help="Also judge what a receiver plays by PLCMOS, with payloads and without.",
)
@click.option(
    "--output",
    type=Folder(),
    default=None,
    help="Folder of the report; build/TARGET/verify if left out.",
)
@click.option("--junit", type=OutputFile(), default=None, help="JUnit XML to write for CI.")
@json_option
def command(
    target: str,
    stage: str,
    sources: Sources,
    model: Path | None,
    audio: Path,
    sending: Sending,
    batch: int,
    calling: Calling,
    clock_hz: int | None,
    cycles: bool,
    port: str | None,
    server: str | None,
    probe: str | None,
    serial: str,
    trace: bool,
    score: bool,
    output: Path | None,
    junit: Path | None,
    json_to: str | None,
) -> None:
    """Prove that a board's outputs equal integer.py and host C, within the budget.

    A receiver gets payloads that the host's sender makes from the audio. One second of packets in
    the middle is lost, and five bursts of 20 to 100 ms.

    In a call (--stage call), Opus packets with LBRR and our payloads are sent and lost in bursts.
    The board plays packet by packet what this machine plays; the page lets you hear both.
    """
    refuse_without_call(stage, trace, score)
    board = load_target(target)
    clock_of(board, clock_hz, cycles)
    if port is not None:
        refuse_ignored("a board at --port", PORTS)
    flasher = flasher_of(board, port, server, probe)
    if cycles:
        check_countable(board, port)
    if model is None or stage == options.CALL_STAGE:
        check_stage(stage, forms=CALL_STAGES)
    check_line(port, serial, board)
    if stage == options.CALL_STAGE:
        line = Line(port, serial, flasher, clock_hz, cycles)
        call = call_on_board(board, for_target(sources, board), audio, model, calling, line)
        call.conclude(output or verify_folder(target), junit, json_to)
        return
    loaded = None if model is None else load_quantised(model, stage)
    if loaded is not None:
        check_stage(stage, loaded, model)
    made = ready_stage(stage, for_target(sources, board), sending, loaded, batch)
    if score:
        require_judge(made)
    result = verify_on_board(
        made,
        board,
        audio=audio,
        inputs=made.inputs(audio),
        clock_hz=clock_hz,
        port=port,
        serial=serial,
        trace=trace,
        cycles=cycles,
        flasher=flasher,
    )
    conclude(result, output or verify_folder(target), junit=junit, json_to=json_to, score=score)

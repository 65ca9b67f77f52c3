# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit demo`: a round trip on the default board with the shipped models and speech."""

from dataclasses import replace
from pathlib import Path

import click

from quantize.codec.sender import HEARD_RATE
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.verification import conclude, verify_on_board
from toolkit.common.console import err, json_option
from toolkit.common.option_types import Folder
from toolkit.common.places import DEMO, PAGE, SENDER
from toolkit.measure.budget import clock_of
from toolkit.models.quantise import Sources, for_target, quantise_decoder, quantise_encoder
from toolkit.report import write_verification
from toolkit.report.roundtrip import receiver_inputs, sender_facts, sent_by
from toolkit.stages.sending import Sending
from toolkit.stages.stage import DecoderStage, EncoderStage
from toolkit.targets.target import load_target

BOARD = "mps3-an547"


@click.command("demo", cls=Telling)
@options.source_options
@options.audio_option
@options.sending_options
@options.clock_option
@click.option("--target", default=BOARD, show_default=True, help=options.TARGET_HELP)
@click.option(
    "--output", type=Folder(), default=DEMO, help="Folder of the report; build/demo if left out."
)
@json_option
def command(
    sources: Sources,
    audio: Path,
    sending: Sending,
    clock_hz: int | None,
    target: str,
    output: Path,
    json_to: str | None,
) -> None:
    """Send speech through a sender's board, lose a second of packets, play a receiver's board.

    Both boards are verified bit for bit. The report plays what went in and what came out.
    """
    board = load_target(target)
    clock_of(board, clock_hz)
    sources = for_target(sources, board)
    with err.status(f"quantising {sources.weights.name}"):
        sender, _ = quantise_encoder(sources)
    first = EncoderStage(sender, sending)
    sent = verify_on_board(first, board, audio=audio, inputs=first.inputs(audio), clock_hz=clock_hz)
    write_verification(sent, output / SENDER)
    same = audio == sources.calibration and sending.input_rate == HEARD_RATE
    with err.status(f"quantising {(sources.decoder or sources.weights).name}"):
        model, _ = quantise_decoder(sources, sender, sent_by(sent) if same else None)
    second = DecoderStage(model, sender, replace(sending, input_rate=HEARD_RATE))
    heard = verify_on_board(
        second,
        board,
        audio=audio,
        inputs=receiver_inputs(second, sent),
        clock_hz=clock_hz,
    )
    heard = replace(heard, sender=sender_facts(sent, Path(SENDER) / PAGE))
    conclude(heard, output, json_to=json_to)

# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit verify --stage call`: a whole call through a board, packet by packet."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from quantize.codec.receiver import STEP
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from toolkit.call.bitfile import Record
from toolkit.call.board.steps import DEPTH, steps_of
from toolkit.call.board.verdict import PACKET_SECONDS, verify_call
from toolkit.call.codec import BITRATE_MAX, BITRATE_MIN
from toolkit.call.losses import LOSS_MAX, bursty
from toolkit.call.play import Decoded, decode_again, decode_call
from toolkit.call.sender import send
from toolkit.commands.shared.board_outcome import BoardCall
from toolkit.commands.shared.options import CALL_STAGE
from toolkit.commands.shared.taken import typed
from toolkit.commands.shared.verification import built_for, streaming
from toolkit.common.console import err
from toolkit.common.errors import InputError
from toolkit.common.option_types import SEED_MAX, Real
from toolkit.device.pipeline import Flasher, connected
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder
from toolkit.models.saved import load_receiver
from toolkit.speech.audio import Pcm, read_speech
from toolkit.stages.calling import CallStage
from toolkit.targets.target import Target

MINUTES_MAX: Final = 600.0
_PACKETS_A_MINUTE: Final = round(60 / PACKET_SECONDS)
# Packets that the integer reference plays too: it is some hundred times slower than C.
_CHECKED: Final = 250
_BITRATE, _LOSS, _DURATION = 48_000, 20, 104  # of the call unless told otherwise


@dataclass(frozen=True)
class Calling:
    """What a call is made of.

    `minutes` is its length, None for that of the recording, which is sent again and again. `depth`
    is the jitter buffer's, in packets. `bitrate` includes the redundancy; `loss` is in percent.
    """

    minutes: float | None
    depth: int
    seed: int
    bitrate: int
    loss: int


@dataclass(frozen=True)
class Line:
    """How the board is reached and flashed, its clock in Hz, and whether cycles are estimated."""

    port: str | None
    serial: str
    flasher: Flasher | None
    clock_hz: int | None
    cycles: bool


def refuse_without_call(stage: str, trace: bool, score: bool) -> None:
    """Raise InputError for an option of calls without --stage call, or for another's with it."""
    if stage == CALL_STAGE:
        if trace:
            raise InputError("--trace: a call has no layers; `--stage decoder` compares them")
        if score:
            raise InputError("--score: `dredkit call --score` judges what is played in a call")
        return
    for name in ("minutes", "depth", "seed"):
        if typed(name):
            raise InputError(f"--{name}: only --stage {CALL_STAGE} takes it")


def calling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --minutes, --depth and --seed; the command gets `calling`, with --bitrate and --loss."""

    @functools.wraps(command)
    def collected(*, minutes: float | None, depth: int, seed: int, **others: Any) -> Any:
        given = click.get_current_context().params
        bitrate, loss = given["bitrate"], given["loss"]
        calling = Calling(
            minutes,
            depth,
            seed,
            _BITRATE if bitrate is None else bitrate,
            _LOSS if loss is None else loss,
        )
        return command(calling=calling, **others)

    wrapped: Callable[..., Any] = collected
    for option in (
        click.option(
            "--seed",
            type=click.IntRange(0, SEED_MAX),
            default=0,
            help="With --stage call: the seed of the losses.",
        ),
        click.option(
            "--depth",
            type=click.IntRange(1, 50),
            default=DEPTH,
            show_default=True,
            help="With --stage call: packets of 20 ms that the jitter buffer holds.",
        ),
        click.option(
            "--minutes",
            type=Real(0, MINUTES_MAX, min_open=True),
            default=None,
            help="With --stage call: how long the call is; the recording is sent again and again. "
            "The recording's length if left out.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


@dataclass(frozen=True)
class SentCall:
    """What was sent and heard, int16 at 16 kHz, and what a receiver is given.

    `sent` is the recording, again and again; `base` is what the base codec alone makes of it.
    """

    sent: Pcm
    base: Pcm
    given: Decoded


def call_on_board(
    target: Target, sources: Sources, audio: Path, model: Path | None, calling: Calling, line: Line
) -> BoardCall:
    """Send a recording, lose packets, and let a board and this machine play the rest.

    Raises InputError for a recording, model or bitrate that cannot be used, and errors of the board
    as `verify_on_board` does.
    """
    if not BITRATE_MIN <= calling.bitrate <= BITRATE_MAX or calling.loss > LOSS_MAX:
        raise InputError(
            f"--bitrate {calling.bitrate} --loss {calling.loss}: a call takes {BITRATE_MIN} to "
            f"{BITRATE_MAX} bit/s and 0 to {LOSS_MAX} percent"
        )
    if line.port is not None:
        target = target.not_run_here()
    with err.status(f"quantising {sources.weights.name}"):
        sender, _ = quantise_encoder(sources)
        receiver = _receiver(model, sources, sender)
    with err.status("calling"):
        call = sent_call(audio, sender, calling)
    stage = CallStage(receiver)
    prepared = built_for(stage, target)
    with err.status("playing the call on this machine"):
        steps = steps_of(call.given, prepared.engine, calling.depth)
    image = prepared.build.elf if prepared.build else prepared.server
    counter = BlockCounter(image) if line.cycles and image else None
    err.print(f"connecting  {line.port or target.name}")
    with (
        connected(
            prepared,
            port=line.port,
            serial=line.serial,
            plugin=counter,
            flasher=line.flasher,
        ) as session,
        streaming() as bar,
    ):
        task = bar.add_task("", total=len(steps.inputs))
        verdict = verify_call(
            session,
            prepared,
            steps,
            checked=_CHECKED,
            clock_hz=line.clock_hz,
            counter=counter,
            progress=lambda: bar.advance(task),
        )
    base = call.given
    gone = int(np.sum(base.gone))
    made = {
        "recorded": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "scheme": stage.scheme,
        "audio": audio.name,
        "call": {
            **vars(calling),
            "lost": gone,
            "recovered": int(np.sum(base.recovers)),
            "lost_percent": round(100 * gone / len(base.gone), 2),
        },
    }
    return BoardCall(verdict, made, call.sent, call.base)


def _receiver(model: Path | None, sources: Sources, sender: EncoderModel) -> DecoderModel:
    if model is None:
        return quantise_decoder(sources, sender)[0]
    loaded = load_receiver(model)
    if loaded.networks.tables.to_bytes() != sender.tables.to_bytes():
        raise InputError(f"{model}: sender and receiver are of two models: give its --weights too")
    return loaded


def sent_call(audio: Path, sender: EncoderModel, calling: Calling) -> SentCall:
    """Send the recording and lose packets; decode the others."""
    speech = read_speech(audio)
    records = send(
        speech,
        sender,
        bitrate=calling.bitrate,
        loss=calling.loss,
        duration=_DURATION,
        lbrr=True,
    ).records
    count = len(records)
    if calling.minutes is not None:
        count = max(1, round(calling.minutes * _PACKETS_A_MINUTE))
    whole: list[Record] = (records * (count // len(records) + 1))[:count]
    lost = bursty(count, calling.loss, calling.seed)
    base = decode_call(whole, lost, lbrr=True)
    sent = np.resize(speech[: STEP * len(records)], STEP * count)
    return SentCall(sent, base.pcm.reshape(-1), decode_again(base, whole, lost, lbrr=True))

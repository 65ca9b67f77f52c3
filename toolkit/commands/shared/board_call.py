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
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.files.write import write_whole
from toolkit.call.board.steps import DEPTH, Steps, steps_of
from toolkit.call.board.verdict import PACKET_SECONDS, CallVerdict, played, verify_call
from toolkit.call.codec import BITRATE_MAX, BITRATE_MIN
from toolkit.call.losses import LOSS_MAX, bursty
from toolkit.call.play import Decoded, decode_call
from toolkit.call.sender import send
from toolkit.commands.shared.options import CALL_STAGE
from toolkit.commands.shared.taken import typed
from toolkit.commands.shared.verification import built_for, streaming
from toolkit.common.console import emit_json, err
from toolkit.common.errors import CheckFailed, InputError
from toolkit.common.option_types import SEED_MAX, Real
from toolkit.common.places import FACTS, JUNIT
from toolkit.device.pipeline import Flasher, connected
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder
from toolkit.models.saved import load_receiver
from toolkit.report.junit import junit as junit_xml
from toolkit.speech.audio import read_speech, write_wav
from toolkit.stages.calling import CallStage
from toolkit.targets.target import Target

MINUTES_MAX: Final = 600.0
_PACKETS_A_MINUTE: Final = round(60 / PACKET_SECONDS)
# Packets that the integer reference plays too: it is some hundred times slower than C.
_CHECKED: Final = 250
_RATE: Final = 16000
_BITRATE, _LOSS, _DURATION = 48_000, 20, 104  # of the call unless told otherwise
FORMAT: Final = "dredkit-call-1"
_PLAYED: Final = "played.wav"


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
class BoardCall:
    """A finished call: the verdict, and the facts of how it was made."""

    verdict: CallVerdict
    made: dict[str, Any]
    rows: Steps

    def conclude(self, folder: Path, junit: Path | None, json_to: str | None) -> None:
        """Write verify.json, junit.xml and what was played; print the verdict.

        Raises CheckFailed if a check failed.
        """
        verdict = self.verdict
        facts = {"format": FORMAT, **self.made, **verdict.as_json()}
        folder.mkdir(parents=True, exist_ok=True)
        write_wav(folder / _PLAYED, played(self.rows, self.rows.rows), _RATE)
        xml = junit_xml(facts, verdict.checks)
        for path in (folder / JUNIT, *([junit] if junit else [])):
            write_whole(path, xml)
        emit_json(str(folder / FACTS), facts)
        emit_json(json_to, facts)
        err.print(_table(verdict, facts))
        err.print(f"results     {folder / FACTS}, {_PLAYED}")
        failed = [check for check in verdict.checks if not check.ok]
        if failed:
            raise CheckFailed(f"{failed[0].name}: {failed[0].text}")


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
        base = _call(audio, sender, calling)
    stage = CallStage(receiver)
    prepared = built_for(stage, target)
    with err.status("playing the call on this machine"):
        steps = steps_of(base, prepared.engine, calling.depth)
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
    return BoardCall(verdict, made, steps)


def _receiver(model: Path | None, sources: Sources, sender: EncoderModel) -> DecoderModel:
    if model is None:
        return quantise_decoder(sources, sender)[0]
    loaded = load_receiver(model)
    if loaded.networks.tables.to_bytes() != sender.tables.to_bytes():
        raise InputError(f"{model}: sender and receiver are of two models: give its --weights too")
    return loaded


def _call(audio: Path, sender: EncoderModel, calling: Calling) -> Decoded:
    """Send the recording and lose packets; return what the base decoder makes of it."""
    records = send(
        read_speech(audio),
        sender,
        bitrate=calling.bitrate,
        loss=calling.loss,
        duration=_DURATION,
        lbrr=True,
    ).records
    count = len(records)
    if calling.minutes is not None:
        count = max(1, round(calling.minutes * _PACKETS_A_MINUTE))
    whole = (records * (count // len(records) + 1))[:count]
    return decode_call(whole, bursty(count, calling.loss, calling.seed), lbrr=True)


def _table(verdict: CallVerdict, facts: dict[str, Any]) -> Group:
    """Return what to print: the checks, and what packets of each state cost."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "check", "result"):
        rows.add_column(heading, overflow="fold")
    for check in verdict.checks:
        mark = Text("✓" if check.ok else "✗", "green" if check.ok else "red")
        rows.add_row(mark, Text(check.name), Text(check.text, "" if check.ok else "red"))
    unit = verdict.budget.unit
    costs = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("20 ms", "packets", f"mean {unit}", "most", "of the limit", "at"):
        left = heading in ("20 ms", "at")
        costs.add_column(heading, justify="left" if left else "right")
    for name, cost in verdict.costs.items():
        share = f"{100 * cost.most / verdict.budget.limit:.1f} %"
        place = f"packet {cost.worst}, {cost.worst * PACKET_SECONDS:.2f} s"
        costs.add_row(
            name, f"{cost.packets:,}", f"{cost.mean:,.0f}", f"{cost.most:,}", share, place
        )
    told = facts["call"]
    head = f"{facts['target']}: {'PASS' if verdict.ok else 'FAIL'}"
    text = (
        f"{facts['packets']:,} packets ({facts['seconds'] / 60:.1f} min) of {facts['audio']}, "
        f"{told['lost_percent']} % lost in bursts, {told['recovered']:,} of these recovered by LBRR"
    )
    return Group(Text(head, "bold green" if verdict.ok else "bold red"), rows, costs, Text(text))

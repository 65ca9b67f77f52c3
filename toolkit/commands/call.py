# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit call`: speech through packets that get lost, as the receiver plays it, and scores."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from quantize.codec.receiver import FADE_MAX, OVER_MAX, SLOT_MS, ReceiverConfig
from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.vocoder.voices import voice_name
from toolkit.call.codec import BITRATE_MAX, BITRATE_MIN, opus_version
from toolkit.call.conditions import Setup
from toolkit.call.library import build_receiver
from toolkit.call.losses import LOSS_MAX
from toolkit.call.one import Call, Losses, run_call
from toolkit.call.sender import PACKET_MS
from toolkit.commands.shared import call_table, options
from toolkit.commands.shared.call_outcome import TAKES, conclude
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.packets import (
    extension_id_option,
    extension_prefix_option,
    framings_of,
)
from toolkit.commands.shared.taken import Forms, refuse_ignored
from toolkit.common.console import err, json_option
from toolkit.common.errors import InputError
from toolkit.common.option_types import SEED_MAX, Folder, InputFile, Kind, Real
from toolkit.common.places import CALL
from toolkit.models.quantise import CLIP, Sources, quantise_decoder, quantise_encoder
from toolkit.models.voice import voice_model
from toolkit.verify.scoring.metrics import PLCMOS_PACKAGES, require

_ONE: Final = ("loss", "pattern", "gilbert", "lbrr", "score", "extension_id", "extension_prefix")
_FORMS: Final[Forms] = {
    "a call of a recording": (*_ONE, "bitrate", "duration", "packet_ms"),
    "a call of packets": _ONE,
    "--table": ("bitrate", "duration", "plain_bitrate", "rates", "against", "jobs"),
}
_PROCESSES_MAX: Final = 256


class _Source(Kind):
    """A recording, a packet file or a folder."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if str(value) == "" or not path.exists():
            self.fail(f"{value}: no such file or folder", param, ctx)
        return path


@click.command("call", cls=Telling)
@click.argument("source", type=_Source(), default=CLIP)
@click.option(
    "--table",
    is_flag=True,
    help="Compare all ways to send and play the recordings in the folder SOURCE, by PLCMOS.",
)
@options.source_options
@click.option(
    "--compare",
    type=options.Voice(),
    multiple=True,
    metavar="pulse|lpcnet|fargan|FILE",
    help="Also let this voice speak; may be repeated.",
)
@click.option(
    "--loss",
    type=click.IntRange(0, LOSS_MAX),
    default=20,
    show_default=True,
    help="Loss in percent: expected by the sender, and drawn in bursts as on real networks.",
)
@click.option(
    "--pattern",
    type=InputFile(),
    default=None,
    help="Lose the packets that have a 1 in this file of 0 and 1; those after its end arrive.",
)
@click.option(
    "--gilbert",
    type=Real(0, 1, min_open=True),
    nargs=2,
    default=None,
    metavar="P R",
    help="Lose packets by a channel of two states: a burst begins with chance P and ends with R.",
)
@click.option(
    "--seed", type=click.IntRange(0, SEED_MAX), default=0, help="Seed of the losses that are drawn."
)
@click.option(
    "--lbrr", is_flag=True, help="The base codec sends in-band FEC (LBRR), and uses it in packets."
)
@click.option(
    "--bitrate",
    type=click.IntRange(BITRATE_MIN, BITRATE_MAX),
    default=48_000,
    show_default=True,
    help="Bit/s of a stream, DRED included.",
)
@click.option(
    "--duration",
    type=click.IntRange(0, 104),
    default=104,
    show_default=True,
    help="Most redundancy in a packet, in units of 10 ms.",
)
@click.option(
    "--packet-ms",
    type=click.Choice([str(ms) for ms in PACKET_MS]),
    default="20",
    show_default=True,
    help="Length of the packets.",
)
@click.option(
    "--depth",
    type=click.IntRange(0, 1000),
    default=50,
    show_default=True,
    help="Packets of the jitter buffer: how far ahead the packet after a gap may be.",
)
@click.option(
    "--over-ms",
    type=click.IntRange(0, OVER_MAX),
    default=ReceiverConfig().over_ms,
    show_default=True,
    help="How long the voice speaks on over good samples after a gap, in steps of 10.",
)
@click.option(
    "--fade-ms",
    type=click.IntRange(1, FADE_MAX),
    default=ReceiverConfig().fade_ms,
    show_default=True,
    help="How long it then fades into them.",
)
@click.option("--score", is_flag=True, help="Also score what is played by PLCMOS.")
@click.option(
    "--plain-bitrate",
    type=click.IntRange(BITRATE_MIN, BITRATE_MAX),
    default=24_000,
    show_default=True,
    help="With --table: bit/s of streams without DRED.",
)
@click.option(
    "--at",
    "rates",
    type=click.IntRange(1, LOSS_MAX),
    multiple=True,
    default=(10, 20, 30),
    show_default=True,
    help="With --table: a loss rate in percent; may be repeated.",
)
@click.option(
    "--against",
    default="plc",
    show_default=True,
    metavar="NAME",
    help="With --table: the condition that all others are compared with.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, _PROCESSES_MAX),
    default=lambda: min(os.cpu_count() or 1, _PROCESSES_MAX),
    show_default="one a core",
    help="With --table: processes side by side.",
)
@extension_id_option
@extension_prefix_option
@click.option(
    "--output", type=Folder(), default=CALL, help="Folder for all results; build/call if left out."
)
@json_option
def command(
    source: Path,
    table: bool,
    sources: Sources,
    compare: tuple[str, ...],
    loss: int,
    pattern: Path | None,
    gilbert: tuple[float, float] | None,
    seed: int,
    lbrr: bool,
    bitrate: int,
    duration: int,
    packet_ms: str,
    depth: int,
    over_ms: int,
    fade_ms: int,
    score: bool,
    plain_bitrate: int,
    rates: tuple[int, ...],
    against: str,
    jobs: int,
    extension_id: int | None,
    extension_prefix: str | None,
    output: Path,
    json_to: str | None,
) -> None:
    """Send speech in packets, lose some, and play what our receiver makes of the rest.

    SOURCE is a recording (WAV, or Ogg with Opus or Vorbis) or packets in opus_demo's format (.bit);
    the shipped clip if left out. The base codec is the system's libopus. The folder of results gets
    what is played, what the base codec alone would play, a timeline, and a page to compare them
    by ear.

    With --table, SOURCE is a folder of recordings. Each is sent and played in every way: without
    loss, with libopus' own concealment, with LBRR, by our receiver without payloads, with DRED, and
    with both. A run that was interrupted goes on where it stopped.
    """
    if over_ms % SLOT_MS:
        raise InputError(f"--over-ms {over_ms}: want a multiple of {SLOT_MS}")
    call = Call(
        source=source,
        losses=Losses(loss, seed, pattern, gilbert),
        bitrate=bitrate,
        duration=duration,
        packet_ms=int(packet_ms),
        lbrr=lbrr,
        depth=depth,
        config=ReceiverConfig(over_ms=over_ms, fade_ms=fade_ms),
        framings=framings_of(extension_id, extension_prefix),
    )
    kind = "--table" if table else f"a call of {'packets' if call.of_packets else 'a recording'}"
    refuse_ignored(kind, _FORMS)
    if source.is_dir() != table:
        raise InputError(f"{source}: want {'a folder with' if table else 'a file, or'} --table")
    if pattern is not None and gilbert is not None:
        raise InputError("--pattern and --gilbert both say what is lost: leave out one of them")
    voices = _voices(sources, compare)
    if table:
        call_table.check(source, voices, against)
    if table or score:
        require(PLCMOS_PACKAGES)
    opus = opus_version()
    with tempfile.TemporaryDirectory(prefix="dredkit-call-") as folder:
        sender, receiver = _models(sources)
        receivers = {}
        for name, voice in voices.items():
            with err.status(f"compiling the receiver with {name}"):
                own = replace(receiver, voice=voice_model(voice))
                receivers[name] = build_receiver(own, Path(folder) / name)
        made = {
            "base codec": opus,
            "sender": f"{sources.weights.name}, {sender.hash[:12]}",
            "receiver": f"{(sources.decoder or sources.weights).name}, {receiver.hash[:12]}",
            "return after a gap": f"{over_ms} ms spoken over, {fade_ms} ms of fade",
        }
        if table:
            setup = Setup(
                sender, receivers, bitrate, plain_bitrate, duration, depth, call.config, seed, opus
            )
            call_table.run(source, setup, rates, against, jobs, made, output, json_to)
            return
        with err.status("calling"):
            outcome = run_call(call, sender, receivers)
    conclude(call, outcome, made, score, output, json_to)


def _voices(sources: Sources, compare: tuple[str, ...]) -> dict[str, str]:
    """Return the voices by the name that results have; InputError if two have the same."""
    first = sources.voice or voice_name(voice_model(None))
    found: dict[str, str] = {}
    for voice in (first, *compare):
        name = Path(voice).stem
        if name in found:
            raise InputError(f"--compare {voice}: {name} speaks already")
        if name in TAKES:
            raise InputError(f"--voice {voice}: {name} names another recording; rename the file")
        found[name] = voice
    return found


def _models(sources: Sources) -> tuple[EncoderModel, DecoderModel]:
    with err.status(f"quantising {sources.weights.name}"):
        sender, _ = quantise_encoder(sources)
    with err.status(f"quantising {(sources.decoder or sources.weights).name}"):
        return sender, quantise_decoder(sources, sender)[0]

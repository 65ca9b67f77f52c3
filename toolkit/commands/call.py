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
from toolkit.call.codec import BITRATE_MAX, BITRATE_MIN, opus_version
from toolkit.call.library import build_receiver
from toolkit.call.losses import LOSS_MAX
from toolkit.call.one import Call, Losses, read_packets, run_call
from toolkit.call.sender import PACKET_MS
from toolkit.commands.shared import call_models, call_table, options
from toolkit.commands.shared.call_outcome import conclude
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
from toolkit.models.quantise import CLIP, Sources
from toolkit.models.voice import voice_model
from toolkit.verify.scoring.metrics import PLCMOS_PACKAGES, require

_ONE: Final = ("loss", "pattern", "gilbert", "lbrr", "score", "extension_id", "extension_prefix")
_TABLE: Final = ("plain_bitrate", "rates", "against", "jobs", "dask", "listen", "data")
_FORMS: Final[Forms] = {
    "a call of a recording": (*_ONE, "bitrate", "duration", "packet_ms"),
    "a call of packets": _ONE,
    "--table": ("bitrate", "duration", *_TABLE),
}
_SPEECH: Final = Path("build/speech")
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
@click.argument("source", type=_Source(), nargs=-1)
@click.option(
    "--table",
    is_flag=True,
    help="Compare all ways to send and play recordings, by PLCMOS.",
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
@click.option(
    "--dask",
    metavar="ADDRESS",
    default=None,
    help="With --table: run on the workers of this dask scheduler instead.",
)
@click.option(
    "--listen",
    type=click.IntRange(0, 100),
    default=3,
    show_default=True,
    help="With --table: of so many recordings the page plays every condition.",
)
@click.option(
    "--data",
    type=Folder(),
    default=_SPEECH,
    show_default=True,
    help="With --table without SOURCE: folder for the held-out speech, as of `dredkit train data`.",
)
@extension_id_option
@extension_prefix_option
@click.option(
    "--output", type=Folder(), default=CALL, help="Folder for all results; build/call if left out."
)
@json_option
def command(
    source: tuple[Path, ...],
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
    dask: str | None,
    listen: int,
    data: Path,
    extension_id: int | None,
    extension_prefix: str | None,
    output: Path,
    json_to: str | None,
) -> None:
    """Send speech in packets, lose some, and play what our receiver makes of the rest.

    SOURCE is a recording (WAV, or Ogg with Opus or Vorbis) or packets in opus_demo's format (.bit);
    the shipped clip if left out. An Ogg Opus file whose packets carry DRED is taken as packets. The
    base codec is the system's libopus. The folder of results gets what is played, what the base
    codec alone would play, a timeline, and a page to compare them by ear.

    With --table, SOURCE are recordings and folders of them; if left out, the 30 utterances that
    `dredkit score` judges, which a Debian mirror has (220 MB, once). Each is sent and played in
    every way: without loss, with libopus' own concealment, with LBRR, by our receiver without
    payloads, with DRED, and with both; by all voices that ship unless --voice or --compare name
    some. A run that was interrupted goes on where it stopped.
    """
    if over_ms % SLOT_MS:
        raise InputError(f"--over-ms {over_ms}: want a multiple of {SLOT_MS}")
    config = ReceiverConfig(over_ms=over_ms, fade_ms=fade_ms)
    framings = framings_of(extension_id, extension_prefix)
    if table:
        refuse_ignored("--table", _FORMS)
        asked = call_table.Asked(_told(source), rates, against, jobs, dask, listen)
        prepared = call_models.prepare(sources, compare, against)
        speech = call_table.recordings(source, data)
        setup = prepared.setup(bitrate, plain_bitrate, duration, depth, config, seed)
        call_table.run(speech, prepared.ways, setup, asked, prepared.made(config), output, json_to)
        return
    call = Call(
        _one(source),
        losses=Losses(loss, seed, pattern, gilbert),
        bitrate=bitrate,
        duration=duration,
        packet_ms=int(packet_ms),
        lbrr=lbrr,
        depth=depth,
        config=config,
        framings=framings,
    )
    packets = read_packets(call.source, framings)
    refuse_ignored(f"a call of {'packets' if packets else 'a recording'}", _FORMS)
    if pattern is not None and gilbert is not None:
        raise InputError("--pattern and --gilbert both say what is lost: leave out one of them")
    voices = call_models.named_voices(sources, compare)
    if score:
        require(PLCMOS_PACKAGES)
    opus = opus_version()
    with tempfile.TemporaryDirectory(prefix="dredkit-call-") as folder:
        sender, receiver = call_models.models_of(sources)
        receivers = {}
        for name, voice in voices.items():
            with err.status(f"compiling the receiver with {name}"):
                own = replace(receiver, voice=voice_model(voice))
                receivers[name] = build_receiver(own, Path(folder) / name)
        made = call_models.told_models(opus, sources, sender, receiver, config)
        with err.status("calling"):
            outcome = run_call(call, packets, sender, receivers)
    conclude(call, outcome, made, score, output, json_to)


def _one(source: tuple[Path, ...]) -> Path:
    """Return the source of one call; InputError for a folder, and for several."""
    if len(source) > 1 or any(path.is_dir() for path in source):
        raise InputError(f"{source[-1]}: want one file, or --table")
    return source[0] if source else CLIP


def _told(source: tuple[Path, ...]) -> str:
    return ", ".join(map(str, source)) or "held-out speech"

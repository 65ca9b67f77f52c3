# SPDX-License-Identifier: BSD-3-Clause
"""Options that several commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from quantize.codec.sender import DEFAULT_BYTES, HEARD_RATE, default_rate
from quantize.dred.levels import LEVEL_MAX
from quantize.dred.policy import BITRATE_MAX
from quantize.near import near
from quantize.nn.batch import MOST_STEPS
from toolkit.common.option_types import InputFile, Kind, Name
from toolkit.models.importers import SHIPPED
from toolkit.models.quantise import CLIP, NO_PREDICTOR, OWN_PREDICTOR, STAGES, Sources
from toolkit.models.voice import VOICES
from toolkit.stages.sending import CHUNK_MS, DURATION_MS, Sending, asked_rate
from toolkit.targets.parts import CLOCK_HZ_MAX, CLOCK_HZ_MIN

INPUT_RATE = click.IntRange(8000, 48_000)  # `step_samples` says which of these are taken
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Voice(Kind):
    """The name of a voice, or a checkpoint that holds one."""

    name = "voice"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word; fails if it names neither a voice nor a file."""
        if value not in VOICES and not Path(value).is_file():
            hint = near(value, VOICES) or f"; say {', '.join(VOICES)} or a checkpoint of one"
            self.fail(f"{value}: no such file{hint}", param, ctx)
        return str(value)


class Predictor(Kind):
    """A file with a predictor, or a word: for the shipped one, or for none."""

    name = "predictor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word; fails if it is neither "own", "none" nor a file."""
        words = (NO_PREDICTOR, OWN_PREDICTOR)
        if value not in words and not Path(value).is_file():
            hint = near(value, words) or f"; say {', '.join(words)} or a file"
            self.fail(f"{value}: no such file{hint}", param, ctx)
        return str(value)


def _checked(check: Callable[[str], None]) -> Callable[..., str | None]:
    """Return a callback for click that checks an option's value before the command begins."""

    def callback(
        _context: click.Context, _option: click.Parameter, value: str | None
    ) -> str | None:
        if value is not None:
            check(value)
        return value

    return callback


TARGET_HELP: Final = "A board of `dredkit targets`, or the path of a board's TOML file."
target_option: Decorator = click.option("--target", required=True, help=TARGET_HELP)
audio_option: Decorator = click.option(
    "--audio",
    type=InputFile(),
    default=CLIP,
    help="Recorded speech, WAV of any rate; the shipped clip if left out.",
)
weights_option: Decorator = click.option(
    "--weights",
    type=InputFile(),
    default=SHIPPED,
    help="An Opus 'DNNw' blob or a checkpoint; the shipped checkpoint if left out.",
)
stage_option: Decorator = click.option(
    "--stage",
    type=Name(STAGES),
    default=STAGES[0],
    show_default=True,
    help="The sender (PCM to payload), the receiver (payload to PCM), or one network of the "
    "sender.",
)
CALL_STAGE: Final = "call"  # a receiver that is called packet by packet
board_stage_option: Decorator = click.option(
    "--stage",
    type=Name((*STAGES, CALL_STAGE)),
    default=STAGES[0],
    show_default=True,
    help="The sender (PCM to payload), the receiver (payload to PCM), the receiver in a call with "
    "lost packets, or one network of the sender.",
)
pitch_option: Decorator = click.option(
    "--pitch",
    type=InputFile(),
    default=None,
    help="The pitch network; if left out, the one in --weights, else the shipped one.",
)
tables_option: Decorator = click.option(
    "--tables",
    type=InputFile(),
    default=None,
    help="Entropy tables: a checkpoint or 4800 bytes; the tables in --weights if left out.",
)


decoder_option: Decorator = click.option(
    "--decoder",
    type=InputFile(),
    default=None,
    help="The RDO-VAE's decoder, if --weights has only the encoder.",
)
voice_option: Decorator = click.option(
    "--voice",
    type=Voice(),
    default=None,
    metavar="pulse|lpcnet|fargan|FILE",
    help="The voice of a receiver; if left out, FARGAN if --weights are an Opus release's with it "
    "and the target speaks it, else the shipped FARGAN.",
)


predictor_option: Decorator = click.option(
    "--predictor",
    type=Predictor(),
    default=None,
    metavar="none|own|FILE",
    help="What continues gaps without a payload: the shipped predictor (own) or a file's. If left "
    "out, the predictor in --weights or --decoder. Without one, the last features are held.",
)


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --weights, --pitch, --tables, --decoder, --voice and --predictor.

    The command gets `sources`.
    """

    @functools.wraps(command)
    def collected(
        *,
        weights: Path,
        pitch: Path | None,
        tables: Path | None,
        decoder: Path | None,
        voice: str | None,
        predictor: str | None,
        **others: Any,
    ) -> Any:
        sources = Sources(weights, pitch, tables, decoder=decoder, voice=voice, predictor=predictor)
        return command(sources=sources, **others)

    wrapped: Callable[..., Any] = collected
    receiver = (predictor_option, voice_option, decoder_option)
    for option in (*receiver, tables_option, pitch_option, weights_option):
        wrapped = option(wrapped)
    return wrapped


model_option: Decorator = click.option(
    "--model",
    type=InputFile(made=True),
    default=None,
    help="A quantised model (.dkq) to take instead of quantising --weights.",
)
batch_option: Decorator = click.option(
    "--batch",
    type=click.IntRange(1, MOST_STEPS),
    default=1,
    show_default=True,
    help="Chunks that a receiver decodes at once: more read weights less often and take longer.",
)
port_option: Decorator = click.option(
    "--port",
    metavar="URL",
    default=None,
    help="The port of a flashed board, as pyserial names it; ssh://USER@HOST for Linux; "
    "rtt://, labgrid://PLACE; if left out, an emulated board.",
)
server_option: Decorator = click.option(
    "--server",
    metavar="NAME",
    default=None,
    help="Flash the board at --port first: openocd, pyocd, jlink, st-util, picotool, cube, "
    "teensy, uf2 or drive.",
)
probe_option: Decorator = click.option(
    "--probe",
    metavar="SERIAL",
    default=None,
    help="Which of several probes: its serial number, or the folder of its drive.",
)
clock_option: Decorator = click.option(
    "--clock",
    "clock_hz",
    type=click.IntRange(CLOCK_HZ_MIN, CLOCK_HZ_MAX),
    default=None,
    metavar="HZ",
    help="Judge costs by this clock. If left out, by the board's own, or for an emulated FPGA by "
    "the clock of a chip with the same core.",
)
cycles_option: Decorator = click.option(
    "--cycles",
    is_flag=True,
    help="Estimate the cycles of an emulated board's core, and judge costs by them.",
)
serial_option: Decorator = click.option(
    "--serial",
    metavar="socket|pty|URL",
    default="socket",
    help="Where an emulated board's UART appears.",
)


input_rate_option: Decorator = click.option(
    "--input-rate",
    type=INPUT_RATE,
    metavar="HZ",
    default=HEARD_RATE,
    show_default=True,
    help="Rate of the PCM that the firmware takes: 8000, 12000, 16000, 24000 or 48000.",
)
_DEFAULT = default_rate()
_RATE_OPTIONS: tuple[tuple[str, int, int, str], ...] = (
    ("--q0", 0, LEVEL_MAX, f"Level of the newest chunk, 0 (fine) to 15; {_DEFAULT.q0} if unset."),
    ("--dq", 0, 7, f"How fast older chunks get coarser, 0 to 7; {_DEFAULT.dq} if left out."),
    ("--qmax", 1, LEVEL_MAX, "The coarsest level, q0 + 1 to 15; 15 if left out."),
    ("--max-bytes", 1, DEFAULT_BYTES, f"Most bytes of a payload; {DEFAULT_BYTES} if left out."),
    ("--duration", CHUNK_MS, DURATION_MS, f"Most redundancy, in ms; {DURATION_MS} if left out."),
    ("--bitrate", 1, BITRATE_MAX, "Bit/s of the whole stream: with --loss, use libopus' policy "
     "in place of --q0."),
    ("--loss", 0, 100, "Expected loss in percent: with --bitrate."),
)  # fmt: skip


def sending_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --input-rate, --vad and the options of the rate; the command gets one `sending`."""

    @functools.wraps(command)
    def collected(*, input_rate: int, vad: bool, **others: Any) -> Any:
        names = [flag.removeprefix("--").replace("-", "_") for flag, *_ in _RATE_OPTIONS]
        rate = asked_rate(**{name: others.pop(name) for name in names})
        return command(sending=Sending(input_rate, rate, vad), **others)

    wrapped: Callable[..., Any] = collected
    for flag, least, most, text in reversed(_RATE_OPTIONS):
        kind = click.IntRange(least, most)
        wrapped = click.option(flag, type=kind, default=None, help=text)(wrapped)
    vad_option: Decorator = click.option(
        "--vad", is_flag=True, help="Treat steps with an RMS of 200 or less as silence."
    )
    return input_rate_option(vad_option(wrapped))

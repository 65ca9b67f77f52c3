# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit stream`: stream speech through a board and keep its outputs in one file."""

import io
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from quantize import integer
from quantize.codec.receiver_model import DecoderModel
from quantize.files.write import write_whole
from toolkit.commands.shared import options
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.receiving import receiver_stage
from toolkit.commands.shared.taken import (
    MODELS,
    PORTS,
    RATE,
    ROLES,
    Forms,
    kind_of,
    refuse_ignored,
)
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import InputError
from toolkit.common.option_types import InputFile, Name, OutputFile, Span
from toolkit.common.paths import BUILD
from toolkit.device.pipeline import check_line, connected, prepare
from toolkit.device.stream import stream
from toolkit.models.saved import load_quantised
from toolkit.speech.audio import write_wav
from toolkit.stages.sending import Sending
from toolkit.stages.stage import HASH_BYTES, Stage, stage_of
from toolkit.targets.target import load_target
from toolkit.verify.compare import split_trace

_MODELS = {role: BUILD / f"{role}.dkq" for role in ("encoder", "decoder")}

_PAYLOADS: Forms = {
    "--payloads": (),
    "a receiver whose payloads are made here (without --payloads)": ("sender", *RATE),
}


@click.command("stream", cls=Telling)
@options.target_option
@click.option(
    "--role",
    type=Name(tuple(_MODELS)),
    default="encoder",
    show_default=True,
    help="What the board does: audio to payloads, or payloads to audio.",
)
@click.option(
    "--model",
    type=InputFile(made=True),
    default=None,
    help="A quantised model; build/ROLE.dkq if left out.",
)
@options.audio_option
@options.sending_options
@click.option(
    "--payloads",
    type=InputFile(),
    default=None,
    help="For a receiver: the file that `stream` wrote for a sender with the same audio.",
)
@click.option(
    "--sender",
    type=InputFile(made=True),
    default=_MODELS["encoder"],
    help="For a receiver: the model that makes payloads on the host; if left out, "
    "build/encoder.dkq.",
)
@click.option(
    "--lose",
    type=Span(),
    metavar="FROM-TO",
    multiple=True,
    help="For a receiver: a span of lost packets in seconds, may be repeated; one second and five "
    "bursts if left out.",
)
@options.port_option
@options.serial_option
@click.option("--trace", is_flag=True, help="Keep every layer's output as well.")
@click.option(
    "--output",
    type=OutputFile(),
    default=None,
    help="The .npz file to write; build/TARGET/stream.npz if left out.",
)
@json_option
def command(
    target: str,
    role: str,
    model: Path | None,
    audio: Path,
    sending: Sending,
    payloads: Path | None,
    sender: Path,
    lose: tuple[tuple[float, float], ...],
    port: str | None,
    serial: str,
    trace: bool,
    output: Path | None,
    json_to: str | None,
) -> None:
    """Stream audio, or payloads, through a board and keep its outputs.

    The file holds `ticks` [steps] and each output [steps, size]. <name>_real holds the real values
    of a fixed-point output, and with --trace trace_<layer> holds each layer. What a receiver plays
    is written as a WAV file beside it.
    """
    board = load_target(target)
    refuse_ignored(f"--role {role}", ROLES)
    if payloads is not None:
        refuse_ignored("--payloads", _PAYLOADS)
    if port is not None:
        refuse_ignored("a board at --port", PORTS)
    check_line(port, serial, board)
    quantised = load_quantised(model or _MODELS[role], role)
    if isinstance(quantised, DecoderModel) != (role == "decoder"):
        raise InputError(f"--role {role}: {model or _MODELS[role]} holds no model for it")
    if kind_of(quantised) == "rdovae_enc":
        refuse_ignored("--model of one network", MODELS)
    if isinstance(quantised, DecoderModel):
        stage: Stage
        stage, inputs = receiver_stage(quantised, audio, sending, payloads, sender, lose)
    else:
        stage = stage_of(quantised, sending)
        inputs = stage.inputs(audio)
    with err.status(f"generating and building for {board.name}"):
        prepared = prepare(stage, board, BUILD)
    with (
        connected(prepared, port=port, serial=serial) as session,
        Progress(console=err) as bar,
    ):
        task = bar.add_task("streaming", total=len(inputs))
        told = session.expect(
            target=board.name,
            stage=stage.name,
            model_hash=bytes.fromhex(stage.hash)[:HASH_BYTES],
        )
        counting = board.counting_cycles() if told.cycles else board
        run = stream(session, inputs, trace=trace, progress=lambda: bar.advance(task))
    arrays: dict[str, npt.NDArray[Any]] = {"ticks": np.array(run.ticks, np.uint32)}
    for name, values in stage.outputs(run.outputs).items():
        arrays[name] = values
        if name in stage.frac:
            arrays[f"{name}_real"] = integer.to_real(values, stage.frac[name])
    if trace:
        layers = split_trace(run.traces, stage.layers)
        arrays |= {f"trace_{name}": values for name, values in layers.items()}
    output = output or BUILD / board.folder / "stream.npz"
    memory = io.BytesIO()
    np.savez_compressed(memory, **arrays)  # type: ignore[arg-type]
    write_whole(output, memory.getvalue())
    err.print(f"{output}: {len(inputs)} steps from {audio.name} through {board.name}")
    playback = stage.playback(inputs, stage.outputs(run.outputs))
    wav = None
    if playback is not None:
        wav = output.with_suffix(".wav")
        write_wav(wav, playback.pcm.astype(np.int16))
        err.print(f"{wav}: {len(playback.pcm)} samples, {len(playback.gaps)} gaps")
    emit_json(
        json_to,
        {
            "output": str(output),
            "wav": wav and str(wav),
            "target": board.name,
            "model_hash": stage.hash,
            "settings": stage.settings,
            "steps": len(inputs),
            "unit": counting.unit,
            "cost": [counting.count(t) for t in run.ticks],
            "link": run.link,
        },
    )

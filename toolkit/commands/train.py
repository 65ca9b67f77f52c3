# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit train`: prepare speech, train the default models, score them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.table import Table

from quantize.errors import InputError
from quantize.features.pitch_inputs import pitch_inputs
from quantize.near import near
from quantize.networks.lpcnet import PRESETS
from quantize.networks.lpcnet_checkpoint import save_lpcnet
from quantize.train.lpcnet import loop as lpcnet
from quantize.train.lpcnet import score as lpcnet_score
from quantize.train.lpcnet.data import SpeechSampler
from quantize.train.pitch import loop as pitch
from quantize.train.pitch import score as pitch_score
from quantize.train.predictor import loop as predictor
from quantize.train.predictor import score as predictor_score
from quantize.train.rdovae import loop as rdovae
from quantize.train.rdovae import score as rdovae_score
from quantize.train.recordings import Sampler, load_features, load_speech
from quantize.train.trainer import newest_state
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import Forms, refuse_ignored
from toolkit.commands.shared.train_options import (
    BATCH_MAX,
    PACKED_STATE,
    TRAINING,
    WORKERS_MAX,
    check_span,
    checkpoint_option,
    data_option,
    density_option,
    device_option,
    export_option,
    fresh_option,
    minutes_option,
    pack_option,
    progress_bar,
    shipped_state,
    state_option,
    steps_option,
    steps_shown,
    stop_at,
    tell_score,
    tell_written,
)
from toolkit.commands.shared.usage import SuggestingGroup
from toolkit.commands.train_all import all_command
from toolkit.commands.train_fargan import fargan_command
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.option_types import STEPS_MAX, InputFile, Name, Real
from toolkit.speech import kokoro
from toolkit.speech import recordings as speechdata

_RDOVAE: Forms = {
    "--evaluate": (),
    TRAINING: ("state", "steps", "batch", "begin", "minutes", "device", "pack"),
}
_PITCH: Forms = {"--evaluate": (), TRAINING: ("state", "steps", "minutes", "device")}
_PREDICTOR: Forms = {
    "--evaluate": (),
    TRAINING: ("state", "steps", "density", "minutes", "device", "pack"),
}
_LPCNET: Forms = {
    "--evaluate": (),
    TRAINING: (
        *("steps", "batch", "rate", "anneal", "sparse", "int8", "regrow", "minutes", "device"),
        *("workers", "pack", "export"),
    ),
}
_REGROWING: Forms = {"--fresh": (), "training from what ships (without --fresh)": ("regrow",)}
_SPEAKING: Forms = {"recorded speech": (), f"--source {kokoro.NAME}": ("minutes_per_voice",)}


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Prepare speech data, train and score the default models."""


command.add_command(all_command)
command.add_command(fargan_command)


@command.command(cls=Telling)
@data_option
@click.option("--source", "names", multiple=True, help="Only this source; may be repeated.")
@click.option(
    "--minutes-per-voice",
    type=Real(0, 1000, min_open=True),
    default=kokoro.MINUTES,
    show_default=True,
    help="How long each voice of the source kokoro speaks.",
)
@json_option
def data(data: Path, names: tuple[str, ...], minutes_per_voice: float, json_to: str | None) -> None:
    """Fetch recorded speech from Debian packages and compute its features.

    With --source kokoro, make synthetic speech of some fifty voices; a second takes about a second.
    """
    known = {source.name: source for source in speechdata.sources()}
    choices = [*known, kokoro.NAME]
    unknown = sorted(set(names) - set(choices))
    if unknown:
        hint = near(unknown[0], choices)
        raise click.BadParameter(f"no source {unknown[0]}: choose from {', '.join(choices)}{hint}")
    refuse_ignored(
        f"--source {kokoro.NAME}" if kokoro.NAME in names else "recorded speech", _SPEAKING
    )
    table = Table("source", "speaker", "licence", "minutes", "at other speeds", "held out")
    rows: list[dict[str, Any]] = []
    for name in [n for n in choices if n in (names or known)]:
        if name == kokoro.NAME:
            row, minutes = kokoro.described(), _speak(data, minutes_per_voice)
        else:
            row, minutes = asdict(known[name]), speechdata.prepare(known[name], data, _say)
        rows.append({**row, "minutes": minutes})
        plain, held_out = minutes.get("train", 0.0), minutes["test"]
        lengths = (plain, sum(minutes.values()) - plain - held_out, held_out)
        table.add_row(name, row["speaker"], row["licence"], *(f"{n:.1f}" for n in lengths))
    err.print(table)
    emit_json(json_to, {"sources": rows})


def _say(text: str) -> None:
    err.print(text, markup=False)


def _speak(data: Path, minutes: float) -> dict[str, float]:
    with progress_bar() as progress:
        task = progress.add_task("starting", total=None)

        def step(done: float, total: float) -> None:
            text = f"{done:.1f} of {total:.0f} minutes"
            progress.update(task, completed=done, total=total, description=text)

        return kokoro.prepare(data, minutes, _say, step)


@command.command("rdovae", cls=Telling)
@data_option
@state_option("rdovae")
@steps_option(rdovae.Settings.steps)
@click.option(
    "--batch", type=click.IntRange(1, BATCH_MAX), default=rdovae.Settings.batch, show_default=True
)
@click.option(
    "--begin",
    type=InputFile(),
    help="Where --state is empty start from this checkpoint, or go on from this packed state "
    "(.state.safetensors); from random weights if left out.",
)
@minutes_option
@device_option
@checkpoint_option("rdovae")
@pack_option
@click.option("--evaluate", is_flag=True, help="Score the checkpoint on held-out speech only.")
@json_option
def rdovae_command(
    data: Path,
    state: Path,
    steps: int,
    batch: int,
    begin: Path | None,
    minutes: float | None,
    device: str,
    checkpoint: Path,
    pack: Path | None,
    evaluate: bool,
    json_to: str | None,
) -> None:
    """Train the RDO-VAE, resuming from --state, and write the checkpoint."""
    refuse_ignored("--evaluate" if evaluate else TRAINING, _RDOVAE)
    torch.set_num_threads(1)  # two threads run many times slower beside another busy process
    if evaluate:
        emit_json(json_to, _evaluate(checkpoint, data))
        return
    settings = rdovae.Settings(steps=steps, batch=batch)
    arrays = [*load_features(data, "train").values(), *load_features(data, speechdata.FAR).values()]
    packed = begin if begin is not None and begin.name.endswith(PACKED_STATE) else None
    first = None if begin is None or packed else rdovae_score.load_checkpoint(begin)

    def start(model: rdovae.Rdovae) -> None:
        if first is not None:
            rdovae_score.thaw(model, first)

    with steps_shown(steps) as note:
        until = stop_at(minutes)
        trainer = rdovae.train(arrays, state, settings, device, until, note, start, pack, packed)
    sampler = Sampler(arrays, settings.frames, settings.seed)
    frozen = rdovae_score.freeze(trainer.model, sampler)
    rdovae_score.save_checkpoint(checkpoint, frozen, {"steps": str(trainer.step)})
    tell_written(checkpoint, trainer, json_to)


@command.command("pitch", cls=Telling)
@data_option
@state_option("pitch")
@steps_option(pitch.Settings.steps)
@minutes_option
@device_option
@checkpoint_option("pitch")
@click.option("--evaluate", is_flag=True, help="Score the checkpoint on held-out speech only.")
@json_option
def pitch_command(
    data: Path,
    state: Path,
    steps: int,
    minutes: float | None,
    device: str,
    checkpoint: Path,
    evaluate: bool,
    json_to: str | None,
) -> None:
    """Train the pitch network, resuming from --state, and write the checkpoint."""
    refuse_ignored("--evaluate" if evaluate else TRAINING, _PITCH)
    torch.set_num_threads(1)
    if evaluate:
        emit_json(json_to, _evaluate_pitch(checkpoint, data))
        return
    recordings = list(load_speech(data, "train").values())
    settings = pitch.Settings(steps=steps)
    with steps_shown(steps) as note:
        trainer = pitch.train(recordings, state, settings, device, stop_at(minutes), note)
    pitch_score.save_checkpoint(checkpoint, trainer.model, {"steps": str(trainer.step)})
    tell_written(checkpoint, trainer, json_to)


def _evaluate_pitch(path: Path, data: Path) -> dict[str, Any]:
    """Score a pitch network on every held-out recording, in int8 on its first ten seconds."""
    model = pitch_score.load_checkpoint(path)
    found, table = {}, Table("recording", *pitch_score.COLUMNS.values())
    for name, recording in load_speech(data, "test").items():
        inputs = pitch_inputs(recording[0], delay=0)
        found[name] = pitch_score.evaluate(model, recording, inputs, integer_frames=1000)
        table.add_row(name, *(f"{100 * found[name][key]:.1f}" for key in pitch_score.COLUMNS))
    table.caption = "per cent of voiced frames; corr: mean correlation feature times 100"
    err.print(table)
    mean = {key: float(np.mean([f[key] for f in found.values()])) for key in pitch_score.COLUMNS}
    return {"checkpoint": str(path), "mean": mean, "recordings": found}


@command.command("predictor", cls=Telling)
@data_option
@state_option("predictor")
@steps_option(predictor.Settings.steps)
@density_option(predictor.Settings.density)
@minutes_option
@device_option
@checkpoint_option("predictor")
@pack_option
@click.option("--evaluate", is_flag=True, help="Score the checkpoint on held-out speech only.")
@json_option
def predictor_command(
    data: Path,
    state: Path,
    steps: int,
    density: float,
    minutes: float | None,
    device: str,
    checkpoint: Path,
    pack: Path | None,
    evaluate: bool,
    json_to: str | None,
) -> None:
    """Train the predictor of lost frames, resuming from --state, and write the checkpoint."""
    refuse_ignored("--evaluate" if evaluate else TRAINING, _PREDICTOR)
    torch.set_num_threads(1)
    if evaluate:
        emit_json(json_to, _evaluate_predictor(checkpoint, data))
        return
    recordings = list(load_speech(data, "train").values())
    settings = predictor.Settings(steps=steps, density=density)
    with steps_shown(steps) as note:
        trainer = predictor.train(recordings, state, settings, device, stop_at(minutes), note, pack)
    predictor_score.save_checkpoint(checkpoint, trainer.model, {"steps": str(trainer.step)})
    tell_written(checkpoint, trainer, json_to)


def _evaluate_predictor(path: Path, data: Path) -> dict[str, Any]:
    """Score a predictor on gaps of all held-out recordings, beside holding the last features."""
    model = predictor_score.load_checkpoint(path)
    rows = predictor_score.evaluate(model, list(load_speech(data, "test").values()))
    table = Table("frames lost", "LSD dB", "held", "pitch errors %", "held")
    for row in rows:
        shares = (100 * row["pitch_errors"], 100 * row["held_pitch_errors"])
        cells = (row["db"], row["held_db"], *shares)
        table.add_row(str(row["distance"]), *(f"{cell:.2f}" for cell in cells))
    err.print(table)
    return {"checkpoint": str(path), "rows": rows}


@command.command("lpcnet", cls=Telling)
@data_option
@click.option("--preset", type=Name(sorted(PRESETS)), default="edge", show_default=True)
@state_option("lpcnet")
@fresh_option
@steps_option(lpcnet.Settings.steps)
@click.option(
    "--batch",
    type=click.IntRange(8, BATCH_MAX),
    default=lpcnet.Settings.batch,
    show_default=True,
    help="Sequences a step; a multiple of 8, on a GPU of 16 (256 keep one busy).",
)
@click.option(
    "--rate",
    type=Real(0, 1, min_open=True),
    default=lpcnet.Settings.rate,
    show_default=True,
    help="Learning rate at the start.",
)
@click.option(
    "--anneal",
    type=click.IntRange(0, STEPS_MAX),
    default=lpcnet.Settings.anneal,
    show_default=True,
    help="The last steps, over which the learning rate falls to zero.",
)
@click.option(
    "--sparse",
    type=click.IntRange(0, STEPS_MAX),
    nargs=2,
    default=(lpcnet.Settings.sparse_from, lpcnet.Settings.sparse_to),
    show_default=True,
    help="First and last step at which the weakest blocks of weights are dropped.",
)
@click.option(
    "--int8",
    type=click.IntRange(0, STEPS_MAX),
    default=lpcnet.Settings.int8_from,
    show_default=True,
    help="Step from which weights are rounded to int8.",
)
@click.option(
    "--regrow", is_flag=True, help="Where --state is empty let dropped weights grow again first."
)
@minutes_option
@device_option
@click.option(
    "--workers",
    type=click.IntRange(0, WORKERS_MAX),
    default=0,
    show_default=True,
    help="Processes that prepare batches; a GPU keeps about ten busy.",
)
@pack_option
@export_option
@click.option(
    "--evaluate",
    is_flag=True,
    help="Report the held-out cross-entropy only, of the integer voice too.",
)
@json_option
def lpcnet_command(
    data: Path,
    preset: str,
    state: Path,
    fresh: bool,
    steps: int,
    batch: int,
    rate: float,
    anneal: int,
    sparse: tuple[int, int],
    int8: int,
    regrow: bool,
    minutes: float | None,
    device: str,
    workers: int,
    pack: Path | None,
    export: Path | None,
    evaluate: bool,
    json_to: str | None,
) -> None:
    """Train LPCNet on one CPU core or a GPU, resuming from --state."""
    refuse_ignored("--evaluate" if evaluate else TRAINING, _LPCNET)
    if fresh:
        refuse_ignored("--fresh", _REGROWING)
    check_span("--sparse", sparse)
    if batch % 8:
        raise InputError(f"--batch {batch}: want a multiple of 8")
    torch.set_num_threads(1)
    settings = lpcnet.Settings(
        steps=steps,
        batch=batch,
        rate=rate,
        anneal=anneal,
        sparse_from=sparse[0],
        sparse_to=sparse[1],
        int8_from=int8,
    )
    sizes, begin = PRESETS[preset], None if fresh else shipped_state("lpcnet", preset)
    held_out = SpeechSampler(list(load_speech(data, "test").values()), seed=2)
    if evaluate:
        trainer = lpcnet.Trainer(sizes, settings)
        trainer.resume(newest_state(state, begin))
        losses = lpcnet_score.compare(trainer.smoothed(), held_out.recordings)
        err.print(
            f"as integers: {losses.integers:.4f} nats on stretches where floats have "
            f"{losses.floats:.4f}, {losses.cost_percent:+.2f} %"
        )
        integers = {"floats": losses.floats, "integers": losses.integers}
        _report(trainer, held_out, {"preset": preset, **integers}, json_to)
        return
    sampler = SpeechSampler(list(load_speech(data, "train").values()), settings.seed)
    with steps_shown(steps) as note:
        until = stop_at(minutes)
        trainer = lpcnet.train(
            sampler, state, sizes, settings, until, note, begin, pack, device, workers, regrow
        )
    if export is not None:
        save_lpcnet(export, trainer.smoothed(), {"steps": str(trainer.step)})
    _report(trainer, held_out, {"preset": preset}, json_to)


def _report(
    trainer: lpcnet.Trainer,
    held_out: SpeechSampler,
    facts: Mapping[str, Any],
    json_to: str | None,
) -> None:
    score = lpcnet.evaluate(trainer.smoothed(), held_out)
    tell_score(trainer, score, {**facts, "nats": trainer.average}, json_to)


def _evaluate(path: Path, data: Path) -> dict[str, Any]:
    """Score a checkpoint on every held-out recording and print the mean over them."""
    checkpoint = rdovae_score.load_checkpoint(path)
    results = {
        name: rdovae_score.evaluate(checkpoint, array)
        for name, array in load_features(data, "test").items()
    }
    keys = ("bits_per_s", "state_bits", "db", "pitch_errors")
    table = Table("recording", "level", "bits/s", "state bits", "LSD dB", "pitch errors %")
    for name, rows in results.items():
        for row in rows[::3]:
            cells = [f"{row[k]:.2f}" for k in keys[:3]] + [f"{100 * row['pitch_errors']:.1f}"]
            table.add_row(name, str(row["level"]), *cells)
    err.print(table)
    mean = [
        {
            "level": level,
            **{k: float(np.mean([r[level][k] for r in results.values()])) for k in keys},
        }
        for level in range(len(next(iter(results.values()))))
    ]
    return {"checkpoint": str(path), "mean": mean, "recordings": results}

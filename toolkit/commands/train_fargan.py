# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit train fargan`: train our own small neural voice, or score its training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import torch

from quantize.networks.fargan import PRESETS
from quantize.networks.fargan_checkpoint import read_fargan, save_fargan
from quantize.train.fargan import loop as fargan
from quantize.train.fargan.data import GapSampler, load_recordings
from quantize.train.trainer import newest_state
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import Forms, refuse_ignored
from toolkit.commands.shared.train_options import (
    BATCH_MAX,
    CHECKPOINTS,
    THREADS_MAX,
    TIMES_MAX,
    TRAINING,
    check_span,
    data_option,
    density_option,
    device_option,
    export_option,
    fresh_option,
    minutes_option,
    pack_option,
    shipped_state,
    state_option,
    steps_option,
    steps_shown,
    stop_at,
    tell_score,
)
from toolkit.common.console import json_option
from toolkit.common.option_types import STEPS_MAX, InputFile, Name, Real

_STEP = click.IntRange(0, STEPS_MAX)
_RATE = Real(0, 1, min_open=True)
_FORMS: Forms = {
    "--evaluate": (),
    TRAINING: (
        *("voice", "draw", "steps", "batch", "rate", "anneal", "critics", "persuaded_rate"),
        *("density", "sparse", "int8", "minutes", "device", "pack", "export", "blend"),
    ),
}


@click.command("fargan", cls=Telling)
@data_option
@click.option("--preset", type=Name(sorted(PRESETS)), default="edge", show_default=True)
@state_option("fargan")
@fresh_option
@click.option(
    "--voice",
    type=InputFile(made=True),
    help="Where --state is empty begin with the weights of this checkpoint.",
)
@click.option(
    "--rdovae",
    type=InputFile(made=True),
    default=CHECKPOINTS / "rdovae.safetensors",
    show_default="the one that ships",
    help="Checkpoint that codes features.",
)
@click.option(
    "--draw",
    type=(str, Real(0, TIMES_MAX, min_open=True)),
    multiple=True,
    metavar="SOURCE TIMES",
    help="Draw the recordings of a source TIMES as often; may be repeated.",
)
@steps_option(fargan.Settings.steps)
@click.option(
    "--batch",
    type=click.IntRange(1, BATCH_MAX),
    default=fargan.Settings.batch,
    show_default=True,
    help="Stretches a step, before critics learn.",
)
@click.option(
    "--rate",
    type=_RATE,
    default=fargan.Settings.rate,
    show_default=True,
    help="Learning rate at the start.",
)
@click.option(
    "--anneal",
    type=_STEP,
    default=fargan.Settings.anneal,
    show_default=True,
    help="The last steps, over which the learning rates fall.",
)
@click.option(
    "--critics",
    type=_STEP,
    default=fargan.Settings.critics_from,
    show_default=True,
    help="Step from which critics learn; 300 steps later the voice learns from them.",
)
@click.option(
    "--persuaded-rate",
    type=_RATE,
    default=fargan.Settings.persuaded_rate,
    show_default=True,
    help="Learning rate of the voice from --critics on.",
)
@density_option(fargan.Settings.density)
@click.option(
    "--sparse",
    type=_STEP,
    nargs=2,
    default=(fargan.Settings.sparse_from, fargan.Settings.sparse_to),
    show_default=True,
    help="First and last step at which the weakest blocks of weights are dropped.",
)
@click.option("--int8", type=_STEP, help="Step from which weights are rounded to int8.")
@click.option(
    "--threads",
    type=click.IntRange(1, THREADS_MAX),
    default=1,
    show_default=True,
    help="Threads of torch. One is fastest wherever another process is busy too.",
)
@minutes_option
@device_option
@pack_option
@export_option
@click.option(
    "--blend",
    type=(InputFile(made=True), Real(0, 1)),
    multiple=True,
    metavar="CHECKPOINT SHARE",
    help="--export the mean of the weights and this checkpoint's, which count SHARE; may be "
    "repeated.",
)
@click.option("--evaluate", is_flag=True, help="Report the held-out spectral distance only.")
@json_option
def fargan_command(
    data: Path,
    preset: str,
    state: Path,
    fresh: bool,
    voice: Path | None,
    rdovae: Path,
    draw: tuple[tuple[str, float], ...],
    steps: int,
    batch: int,
    rate: float,
    anneal: int,
    critics: int,
    persuaded_rate: float,
    density: float,
    sparse: tuple[int, int],
    int8: int | None,
    threads: int,
    minutes: float | None,
    device: str,
    pack: Path | None,
    export: Path | None,
    blend: tuple[tuple[Path, float], ...],
    evaluate: bool,
    json_to: str | None,
) -> None:
    """Train FARGAN on one CPU core or a GPU, resuming from --state.

    Spectral losses come first. From --critics on, networks that tell real speech from the voice
    are trained with it.
    """
    refuse_ignored("--evaluate" if evaluate else TRAINING, _FORMS)
    check_span("--sparse", sparse)
    torch.set_num_threads(threads)
    sizes = PRESETS[preset]
    settings = fargan.Settings(
        steps=steps,
        batch=batch,
        rate=rate,
        anneal=anneal,
        critics_from=critics,
        persuaded_rate=persuaded_rate,
        density=density,
        sparse_from=sparse[0],
        sparse_to=sparse[1],
        int8_from=fargan.Settings.int8_from if int8 is None else int8,
    )
    begin = None if fresh or voice is not None else shipped_state("fargan", preset)
    held_out = GapSampler(load_recordings(data, "test", rdovae), 2, sizes.noise)
    if evaluate:
        trainer = fargan.Trainer(sizes, settings)
        trainer.resume(newest_state(state, begin))
        _report(trainer, held_out, json_to)
        return
    recordings = load_recordings(data, "train", rdovae, dict(draw))
    sampler = GapSampler(recordings, settings.seed, sizes.noise)
    weights = None if voice is None else read_fargan(voice, sizes).export()
    others = [(read_fargan(path, sizes), share) for path, share in blend]
    fargan.check_shares(others)
    with steps_shown(steps) as note, fargan.denormals_flushed():
        until = stop_at(minutes)
        trainer = fargan.train(
            sampler, state, sizes, settings, until, note, begin, weights, pack, device
        )
    if export is not None:
        made = fargan.blended(trainer.smoothed(), others)
        save_fargan(export, made, {"steps": str(trainer.step)})
    _report(trainer, held_out, json_to)


def _report(trainer: fargan.Trainer, held_out: GapSampler, json_to: str | None) -> None:
    facts = {"sizes": asdict(trainer.model.sizes), "averages": trainer.averages}
    tell_score(trainer, fargan.evaluate(trainer.smoothed(), held_out), facts, json_to)

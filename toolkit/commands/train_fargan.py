# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit train fargan`: train our own small neural voice, or score its training."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.commands.shared.train_options import (
    CHECKPOINTS,
    data_option,
    device_option,
    minutes_option,
    progress_bar,
    state_option,
)
from toolkit.common.console import emit_json, err, json_option

if TYPE_CHECKING:
    from quantize.train.fargan.loop import Trainer

_LINE_EVERY = 60.0  # seconds between lines where there is no terminal to draw a bar on
_PATH = click.Path(path_type=Path)
_STEP = click.IntRange(0)


@click.command("fargan")
@data_option
@click.option("--preset", type=click.Choice(["edge", "opus"]), default="edge", show_default=True)
@state_option("fargan")
@click.option(
    "--fresh", is_flag=True, help="Where --state is empty do not go on from the state that ships."
)
@click.option(
    "--voice", type=_PATH, help="Where --state is empty begin with this checkpoint's weights."
)
@click.option(
    "--rdovae",
    type=_PATH,
    default=CHECKPOINTS / "rdovae.safetensors",
    show_default="the one that ships",
    help="Checkpoint that codes features.",
)
@click.option(
    "--draw",
    type=(str, float),
    multiple=True,
    metavar="SOURCE TIMES",
    help="Draw a source's recordings so many times more often; may be repeated.",
)
@click.option("--steps", type=click.IntRange(1), default=200_000, show_default=True)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Stretches a step, before there are critics.",
)
@click.option("--rate", default=1e-3, show_default=True, help="Learning rate at the start.")
@click.option(
    "--anneal",
    type=_STEP,
    default=0,
    show_default=True,
    help="The last steps, over which the learning rates fall.",
)
@click.option(
    "--critics",
    type=_STEP,
    default=60_000,
    show_default=True,
    help="Step from which critics learn, and soon are listened to.",
)
@click.option(
    "--persuaded-rate",
    default=1.5e-4,
    show_default=True,
    help="Learning rate of the voice from then on.",
)
@click.option(
    "--density",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of 8 x 4 blocks of weights to keep.",
)
@click.option(
    "--sparse",
    type=_STEP,
    nargs=2,
    default=(0, 0),
    show_default=True,
    help="First and last step at which the weakest blocks are dropped.",
)
@click.option("--int8", type=_STEP, help="Step from which weights are rounded to int8.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@minutes_option
@device_option
@click.option(
    "--pack", type=_PATH, help="Also keep the state packed in this file, small enough to commit."
)
@click.option(
    "--export",
    type=_PATH,
    help="Also write the weights, averaged over the last steps, as a checkpoint to speak with.",
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
    minutes: float,
    device: str,
    pack: Path | None,
    export: Path | None,
    evaluate: bool,
    json_to: str | None,
) -> None:
    """Train FARGAN, resuming from --state, on one CPU core or a GPU.

    Spectral losses come first; from --critics on networks that tell speech from what the voice
    says are trained with it. One thread is fastest wherever another process is busy too.
    """
    import torch

    from quantize.networks.fargan import PRESETS
    from quantize.networks.fargan_checkpoint import read_fargan, save_fargan
    from quantize.train.fargan import loop as fargan
    from quantize.train.fargan.data import GapSampler, load_recordings

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
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
    shipped = CHECKPOINTS / f"fargan-{preset}.state.safetensors"
    begin = shipped if shipped.is_file() and not fresh and voice is None else None
    held_out = GapSampler(load_recordings(data, "test", rdovae), 2, sizes.noise)
    if evaluate:
        trainer = fargan.Trainer(sizes, settings, device)
        trained = state / "state.pt"
        trainer.resume(begin if begin is not None and not trained.is_file() else trained)
        _report(trainer, fargan.evaluate(trainer.smoothed(), held_out), json_to)
        return
    recordings = load_recordings(data, "train", rdovae, dict(draw))
    sampler = GapSampler(recordings, settings.seed, sizes.noise)
    weights = None if voice is None else read_fargan(voice, sizes).export()
    last = time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task("starting", total=steps)

        def note(trainer: Trainer, _: dict[str, float]) -> None:
            nonlocal last
            bar.update(task, completed=trainer.step, description=_described(trainer))
            if not err.is_terminal and time.monotonic() - last > _LINE_EVERY:
                last = time.monotonic()
                err.print(time.strftime("%H:%M:%S"), _described(trainer), markup=False)

        until = time.monotonic() + 60 * minutes
        trainer = fargan.train(
            sampler, state, sizes, settings, until, note, begin, weights, pack, device
        )
    if export is not None:
        save_fargan(export, trainer.smoothed(), {"steps": str(trainer.step)})
    _report(trainer, fargan.evaluate(trainer.smoothed(), held_out), json_to)


def _described(trainer: Trainer) -> str:
    parts = "  ".join(f"{name} {value:.4f}" for name, value in trainer.averages.items())
    return f"step {trainer.step}  {parts}"


def _report(trainer: Trainer, held_out: float, json_to: str | None) -> None:
    err.print(f"{_described(trainer)}  held out {held_out:.4f}", markup=False)
    found = {"sizes": asdict(trainer.model.sizes), "steps": trainer.step}
    emit_json(json_to, {**found, "averages": trainer.averages, "held_out": held_out})

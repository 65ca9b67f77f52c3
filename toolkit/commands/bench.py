# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit bench`: what every layer and part of a step costs on a board."""

from pathlib import Path
from typing import Any

import click

from quantize.files.write import remove_old, write_whole
from toolkit.commands.shared import options
from toolkit.commands.shared.bench_table import bench_table, figures_table
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import PORTS, Forms, check_stage, refuse_ignored
from toolkit.commands.shared.verification import ready_stage
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import CheckFailed, InputError
from toolkit.common.option_types import InputFile, OutputFile
from toolkit.common.paths import BUILD
from toolkit.common.places import latest_path
from toolkit.device.pipeline import check_line
from toolkit.measure.bench.figures import (
    OPUS,
    Figure,
    check_against,
    figures,
    read_figures,
)
from toolkit.measure.bench.goals import TABLE, table
from toolkit.measure.bench.measure import measure, measure_figure
from toolkit.measure.bench.shipped import opus_folder
from toolkit.measure.cycles.estimate import check_countable
from toolkit.models.quantise import Sources, for_target
from toolkit.models.saved import load_quantised
from toolkit.report.bench_plot import write_plot
from toolkit.stages.sending import Sending
from toolkit.targets.target import load_target

_FORMS: Forms = {
    "--all": ("write",),
    "one measurement (without --all)": (
        *("stage", "weights", "pitch", "tables", "decoder", "voice", "model", "audio", "batch"),
        *("cycles", "port", "serial", "steps", "layers", "baseline", "plot"),
    ),
}


@click.command("bench", cls=Telling)
@click.option("--target", default=None, help=options.TARGET_HELP)
@options.stage_option
@options.source_options
@options.model_option
@options.audio_option
@options.batch_option
@options.cycles_option
@options.port_option
@options.serial_option
@click.option(
    "--steps",
    type=click.IntRange(1, 180_000),
    default=50,
    show_default=True,
    help="Steps of 20 ms, counted once payloads have full length; a receiver does all their ops.",
)
@click.option("--layers", is_flag=True, help="Show every layer, not only the parts.")
@click.option(
    "--baseline",
    type=InputFile(),
    default=None,
    help="Earlier figures (from --json): fail if one has grown by more than 2 %.",
)
@click.option(
    "--plot",
    type=OutputFile(),
    default=None,
    metavar="FILE.svg",
    help="Draw each part's layers as a stack, and below it the ISA's limit.",
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Measure the shipped weights on every emulated board, or on --target alone: fail if a "
    "committed figure has grown by more than 2 %.",
)
@click.option("--write", is_flag=True, help="With --all: write new committed figures.")
@json_option
def command(
    target: str | None,
    stage: str,
    sources: Sources,
    model: Path | None,
    audio: Path,
    batch: int,
    cycles: bool,
    port: str | None,
    serial: str,
    steps: int,
    layers: bool,
    baseline: Path | None,
    plot: Path | None,
    every: bool,
    write: bool,
    json_to: str | None,
) -> None:
    """Measure the cost of a step by part and by layer, with the board's own timer.

    Builds a separate image whose layer traces hold times. The limit is what the ISA's instructions
    need at least: toolkit/data/isa_limits.toml.
    """
    refuse_ignored("--all" if every else "one measurement (without --all)", _FORMS)
    if every:
        _all(target, write, json_to)
        return
    if target is None:
        raise InputError("bench: give --target NAME, or --all")
    board = load_target(target)
    if not board.is_board:
        raise InputError(f"{board.name} is not a board: other programs share its time")
    if port is not None:
        refuse_ignored("a board at --port", PORTS)
    if cycles:
        check_countable(board, port)
    if plot is not None and plot.suffix != ".svg":
        raise InputError(f"--plot {plot}: the drawing is an .svg file")
    earlier = None if baseline is None else read_figures(baseline)
    check_line(port, serial, board)
    loaded = None if model is None else load_quantised(model, stage)
    check_stage(stage, loaded, model)
    made = ready_stage(stage, for_target(sources, board), Sending(), loaded, batch)
    remove_old(latest_path(BUILD, board.folder, made.name))
    found = measure(
        made, board, BUILD, audio=audio, steps=steps, port=port, serial=serial, cycles=cycles
    )
    facts = found.as_json()
    emit_json(json_to, facts)
    emit_json(str(latest_path(BUILD, board.folder, made.name)), facts)
    if plot is not None:
        write_plot(facts, plot)
    err.print(bench_table(facts, layers))
    if earlier is not None:
        check_against(facts, earlier)


def _all(only: str | None, write: bool, json_to: str | None) -> None:
    """Measure every committed figure; write all, or compare and report each that has grown."""
    measured: dict[Figure, dict[str, Any]] = {}
    failures = []
    opus = opus_folder() is not None
    for figure in figures(only):
        if figure.run.startswith(OPUS) and not opus:
            err.print(f"left out    {figure.target}, {figure.run}: no weights of an Opus release")
            continue
        err.print(f"measuring   {figure.target}, {figure.run}")
        facts = measure_figure(figure, BUILD, err.print).as_json()
        measured[figure] = facts
        if write:
            figure.write(facts)
            continue
        try:
            check_against(facts, figure.read())
        except (CheckFailed, InputError) as error:
            err.print(str(error))
            failures.append(str(error))
    if not measured:
        raise InputError(
            f"--all --target {only}: no emulated board of targets/, so no figures are kept"
        )
    if write:
        write_whole(TABLE, table().encode())
    emit_json(json_to, {"figures": [vars(figure) | facts for figure, facts in measured.items()]})
    err.print(figures_table(measured))
    if failures:
        raise CheckFailed(f"{len(failures)} figures: {failures[0]}")

# SPDX-License-Identifier: BSD-3-Clause
"""Measure a stage on a target: generate, build to measure, flash and run over a recording."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from rich.progress import Progress

from toolkit.common.console import err
from toolkit.common.errors import BoardError, LinkError
from toolkit.device.pipeline import connected, prepare_to_measure
from toolkit.measure.bench.bench import Bench, bench, bench_inputs
from toolkit.measure.bench.figures import Figure
from toolkit.measure.bench.shipped import run_stage
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.measure.cycles.estimate import check_countable
from toolkit.models.quantise import CLIP
from toolkit.stages.stage import Stage
from toolkit.targets.target import Target, load_target

_TRIES = 3  # of a figure: on a busy machine an emulated board may not answer in time


def measure(
    made: Stage,
    target: Target,
    build_root: Path,
    *,
    audio: Path = CLIP,
    steps: int,
    port: str | None = None,
    serial: str = "socket",
    cycles: bool = False,
    quiet: bool = False,
) -> Bench:
    """Measure `steps` times 20 ms of a recording once the stage has settled, with a progress bar.

    With `cycles`, estimate cycles too; InputError for a board where that is impossible.
    """
    if cycles:
        check_countable(target, port)
    inputs = bench_inputs(made, audio, steps)
    with nullcontext() if quiet else err.status(f"generating and building for {target.name}"):
        prepared = prepare_to_measure(made, target, build_root)
    counter = BlockCounter(prepared.build.elf) if cycles and prepared.build else None
    with (
        connected(prepared, port=port, serial=serial, plugin=counter) as session,
        Progress(console=err, transient=True, disable=quiet) as bar,
    ):
        task = bar.add_task("streaming", total=2 * len(inputs))
        return bench(
            session,
            target=target,
            stage=made,
            manifest=prepared.manifest,
            build_id=prepared.build.build_id if prepared.build else None,
            inputs=inputs,
            counter=counter,
            progress=lambda: bar.advance(task),
        )


def measure_figure(
    figure: Figure,
    build_root: Path,
    tell: Callable[[str], None] = lambda text: None,
) -> Bench:
    """Measure the target and run of a committed figure."""
    made, target = run_stage(figure.run), load_target(figure.target)
    for left in reversed(range(_TRIES)):
        try:
            return measure(made, target, build_root, steps=figure.steps, quiet=True)
        except (BoardError, LinkError) as error:
            if not left:
                raise
            tell(f"once more: {error}")
    raise AssertionError("the last try returns or raises")

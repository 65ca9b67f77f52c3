# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit bench`: what every layer and part of a step costs on a board."""

import json
from pathlib import Path

import click
from rich import box
from rich.progress import Progress
from rich.table import Table

from toolkit.bench import Bench, bench, check_against
from toolkit.commands import options
from toolkit.console import emit_json, err, json_option
from toolkit.errors import InputError
from toolkit.paths import BUILD
from toolkit.pipeline import connected, prepare
from toolkit.stage import load_quantised, stage_of
from toolkit.steps import Sources, fixed_inputs, quantise_stage
from toolkit.targets import load_target


@click.command("bench")
@options.target_option
@options.stage_option
@options.source_options
@options.model_option
@options.audio_option
@options.port_option
@options.serial_option
@click.option("--steps", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--layers", is_flag=True, help="Show every layer, not the parts alone.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    default=None,
    help="Earlier figures (--json): fail where one has grown by over 2 %.",
)
@json_option
def command(
    target: str,
    stage: str,
    sources: Sources,
    model: Path | None,
    audio: Path,
    port: str | None,
    serial: str,
    steps: int,
    layers: bool,
    baseline: Path | None,
    json_to: str | None,
) -> None:
    """Measure the cost of a step by part and by layer, with the board's own timer.

    An image of its own is built for it, in which layer traces hold times.
    """
    board = load_target(target)
    if stage == "decoder":
        raise InputError("--stage decoder: `dredkit verify` tells what each op of a receiver costs")
    if model is None:
        with err.status(f"quantising {sources.weights.name}"):
            made, _ = quantise_stage(stage, sources)
    else:
        made = load_quantised(model)
    inputs = fixed_inputs(made, audio)[:steps]
    with err.status(f"generating and building for {board.name}"):
        prepared = prepare(made, board, BUILD, profile=True)
    with (
        connected(prepared, port=port, serial=serial) as session,
        Progress(console=err) as bar,
    ):
        task = bar.add_task("streaming", total=2 * len(inputs))
        found = bench(
            session,
            target=board,
            stage=stage_of(made),
            manifest=prepared.manifest,
            build_id=prepared.build.build_id if prepared.build else None,
            inputs=inputs,
            progress=lambda: bar.advance(task),
        )
    facts = found.as_json()
    emit_json(json_to, facts)
    err.print(_table(found, layers))
    if baseline is not None:
        try:
            committed = json.loads(baseline.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{baseline}: no figures of `dredkit bench --json`: {error}") from None
        check_against(facts, committed)


def _table(found: Bench, with_layers: bool) -> Table:
    budget = found.budget
    estimate = " (one cycle an instruction: an estimate)" if budget.estimated else ""
    rows = Table(
        box=box.SIMPLE_HEAD,
        title=f"{found.target.name}, {found.stage.name}: {budget.unit} a step of 20 ms",
        caption=f"limit {budget.limit:,}: {budget.used_percent:.1f} % used{estimate}",
    )
    for heading in ("", "mean", "max", "share", "MACs", "a MAC", "weight bytes"):
        rows.add_column(heading, justify="left" if heading == "" else "right")
    for part in found.parts:
        of_part = [layer for layer in found.layers if layer.part == part.name]
        macs = sum(layer.macs for layer in of_part)
        read = sum(layer.weight_bytes for layer in of_part)
        rows.add_row(f"[bold]{part.name}", *_figures(part.mean, part.max, budget.mean, macs, read))
        for layer in of_part if with_layers and len(of_part) > 1 else ():
            name = f"  {layer.name}" + (f" x{layer.times}" if layer.times > 1 else "")
            read = layer.weight_bytes
            rows.add_row(name, *_figures(layer.mean, layer.max, budget.mean, layer.macs, read))
    rows.add_section()
    rows.add_row("[bold]step", f"{budget.mean:,.0f}", f"{budget.max:,}", "100.0 %", "", "", "")
    return rows


def _figures(mean: float, top: float, whole: float, macs: int, read: int) -> tuple[str, ...]:
    per_mac = f"{mean / macs:.2f}" if macs else ""
    share = f"{100 * mean / whole:.1f} %"
    return (
        f"{mean:,.0f}", f"{top:,.0f}", share, f"{macs:,}" if macs else "", per_mac,
        f"{read:,}" if read else "",
    )  # fmt: skip

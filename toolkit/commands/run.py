# SPDX-License-Identifier: BSD-3-Clause
"""What `verify` and `demo` share: the whole way, with a word to the user at each step."""

import shutil
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from toolkit.console import emit_json, err
from toolkit.errors import CheckFailed
from toolkit.paths import BUILD
from toolkit.pipeline import connected, prepare
from toolkit.report import write_verification
from toolkit.report.checks import checks
from toolkit.report.table import table
from toolkit.sending import Sending
from toolkit.stage import Model, stage_of
from toolkit.steps import Sources, fixed_inputs, quantise_stage
from toolkit.targets import load_target
from toolkit.verify import verify


def run_verification(
    *,
    target: str,
    stage: str,
    sending: Sending,
    sources: Sources,
    model: Model | None,
    audio: Path,
    port: str | None,
    serial: str,
    trace: bool,
    output: Path,
    junit: Path | None,
    json_to: str | None,
) -> None:
    """Run every step from quantise to report; raises CheckFailed when the verdict is no.

    `model` saves quantising `sources`; `sending` is what a sender is asked for. The report is
    written to `output` in either case.
    """
    board = load_target(target)
    if model is None:
        with err.status(f"quantising {sources.weights.name}"):
            model, _ = quantise_stage(stage, sources)
        model.save(BUILD / f"{stage}.dkq")
    made = stage_of(model, sending)
    err.print(f"quantised   {made.name}, {made.scheme}, hash {made.hash[:12]}")
    inputs = fixed_inputs(made, audio)
    with err.status(f"generating and building for {board.name}"):
        prepared = prepare(made, board, BUILD)
    if prepared.build is not None:
        built = prepared.build
        err.print(f"built       {built.elf.name}, flash {built.flash}, RAM {built.ram} bytes")
    err.print(f"connecting  {port or board.name}")
    with (
        connected(prepared, port=port, serial=serial) as session,
        Progress(
            TextColumn("streaming  "),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            console=err,
        ) as bar,
    ):
        task = bar.add_task("", total=len(inputs) * (2 if trace else 1))
        result = verify(
            session,
            target=board,
            model=made,
            manifest=prepared.manifest,
            build=prepared.build,
            engine=prepared.engine,
            audio=audio,
            inputs=inputs,
            trace=trace,
            progress=lambda: bar.advance(task),
        )
    record = write_verification(result, output)
    if junit is not None:
        junit.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(output / "junit.xml", junit)
    emit_json(json_to, record.facts)
    err.print(table(record.facts))
    err.print(f"report      {output / 'index.html'}")
    failed = [check for check in checks(record.facts) if not check.ok]
    if failed:
        raise CheckFailed(f"{failed[0].name}: {failed[0].text}")

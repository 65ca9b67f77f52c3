# SPDX-License-Identifier: BSD-3-Clause
"""What `verify`, `demo` and `soak` share: from weights to the verdict, a line for each step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from quantize.codec.receiver import STEP
from quantize.codec.receiver_model import DecoderModel
from toolkit.common.console import emit_json, err
from toolkit.common.errors import CheckFailed, InputError
from toolkit.common.paths import BUILD
from toolkit.device.pipeline import Flasher, Prepared, connected, prepare
from toolkit.measure.cycles.counter import BlockCounter
from toolkit.measure.cycles.estimate import check_countable
from toolkit.models.quantise import Sources, quantise_decoder, quantise_encoder, quantise_stage
from toolkit.models.saved import Model
from toolkit.report import write_verification
from toolkit.report.history import SHOWN, entry_of, keep, past
from toolkit.report.junit import write_junit
from toolkit.report.record import facts_of
from toolkit.report.table import table
from toolkit.speech.audio import read_speech
from toolkit.stages.sending import Sending
from toolkit.stages.stage import DecoderStage, Int16s, Stage, stage_of
from toolkit.targets.target import Target
from toolkit.verify.checks import checks
from toolkit.verify.verify import Verification, verify, without_payloads


def ready_stage(
    stage: str, sources: Sources, sending: Sending, model: Model | None, batch: int = 1
) -> Stage:
    """Return the stage of a `model`, or of one quantised from `sources` and saved under build/.

    A receiver's payloads are made by a sender that is also quantised from `sources`. A receiver
    decodes `batch` chunks at once.
    """
    sender = None
    given = model is not None
    with err.status(f"quantising {sources.weights.name}"):
        if stage == "decoder" or isinstance(model, DecoderModel):
            sender, _ = quantise_encoder(sources)
            model = model or quantise_decoder(sources, sender)[0]
        else:
            model = model or quantise_stage(stage, sources)[0]
    if not given:
        model.save(BUILD / f"{stage}.dkq")
    return stage_of(model, sending, sender, batch)


def built_for(made: Stage, target: Target) -> Prepared:
    """Generate and build a stage for a target; say what was quantised, and what was built."""
    err.print(f"quantised   {made.name}, {made.scheme}, hash {made.hash[:12]}")
    with err.status(f"generating and building for {target.name}"):
        prepared = prepare(made, target, BUILD)
    if prepared.build is not None:
        built = prepared.build
        err.print(f"built       {built.elf.name}, flash {built.flash}, RAM {built.ram} bytes")
    return prepared


def streaming(what: str = "streaming", counted: str = "steps") -> Progress:
    """Return the bar that counts the steps of a board, or what else is `counted`."""
    return Progress(
        TextColumn(f"{what:<11}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(counted, markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
    )


def verify_on_board(
    made: Stage,
    target: Target,
    *,
    audio: Path,
    inputs: Int16s,
    clock_hz: int | None = None,
    port: str | None = None,
    serial: str = "socket",
    trace: bool = False,
    cycles: bool = False,
    flasher: Flasher | None = None,
) -> Verification:
    """Generate, build, flash, stream `inputs`, compare and judge.

    With `cycles`, judge by estimated cycles; raises as `check_countable` does if it cannot.
    """
    if cycles:
        check_countable(target, port)
    if port is not None:
        target = target.not_run_here()
    prepared = built_for(made, target)
    image = prepared.build.elf if prepared.build else prepared.server
    counter = BlockCounter(image) if cycles and image else None
    err.print(f"connecting  {port or target.name}")
    with (
        connected(prepared, port=port, serial=serial, plugin=counter, flasher=flasher) as session,
        streaming() as bar,
    ):
        task = bar.add_task("", total=len(inputs) * (2 if trace else 1))
        found = verify(
            session,
            target=target,
            stage=made,
            manifest=prepared.manifest,
            build=prepared.build,
            engine=prepared.engine,
            audio=audio,
            inputs=inputs,
            trace=trace,
            clock_hz=clock_hz,
            counter=counter,
            progress=lambda: bar.advance(task),
        )
    if not isinstance(made, DecoderStage) or found.playback is None:
        return found
    packets = len(found.playback.pcm) // STEP
    return replace(
        found, without=without_payloads(prepared.engine, made, read_speech(audio), packets)
    )


def require_judge(made: Stage) -> None:
    """Raise ToolError without PLCMOS' packages, InputError for a stage that plays nothing."""
    from toolkit.verify.scoring.metrics import PLCMOS_PACKAGES, require

    if not isinstance(made, DecoderStage):
        raise InputError("--score: only a receiver plays something; say --stage decoder")
    require(PLCMOS_PACKAGES)


def conclude(
    result: Verification,
    output: Path,
    *,
    junit: Path | None = None,
    json_to: str | None = None,
    score: bool = False,
) -> None:
    """Write the report and print the verdict; raises CheckFailed if a check failed.

    The run joins the history in build/. With `score`, judge what a receiver played by PLCMOS.
    """
    entry = entry_of(facts_of(result, read_speech(result.audio)))
    runs = [*past(BUILD, entry), entry][-SHOWN:]
    more = {"history": runs, "score": _scores(result) if score else None}
    record = write_verification(result, output, more)
    keep(BUILD, entry)
    if junit is not None:
        write_junit(record.facts, junit)
    emit_json(json_to, record.facts)
    err.print(table(record.facts))
    err.print(f"report      {output / 'index.html'}")
    failed = [check for check in checks(record.facts) if not check.ok]
    if failed:
        raise CheckFailed(f"{failed[0].name}: {failed[0].text}")


def _scores(result: Verification) -> dict[str, float] | None:
    """Return PLCMOS, 1 to 5, of what was played, with payloads and without, and of the speech."""
    playback = result.playback
    if playback is None:
        return None
    from toolkit.verify.scoring.metrics import Plcmos

    with err.status("scoring"):
        judge = Plcmos()
        takes = {"with DRED": playback.pcm.astype(np.int16), "without DRED": result.without}
        takes["the speech itself"] = read_speech(result.audio)
        return {name: round(judge.score(pcm), 3) for name, pcm in takes.items() if pcm is not None}

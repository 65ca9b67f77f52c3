# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit soak`: a long run in real time; how long a frame takes, and how often too long."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import click

from quantize.files.write import write_whole
from toolkit.commands.shared import options
from toolkit.commands.shared.flashing import flasher_of
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import PORTS, check_stage, refuse_ignored
from toolkit.commands.shared.verification import built_for, ready_stage, streaming
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import CheckFailed, InputError
from toolkit.common.option_types import Folder, InputFile, Real
from toolkit.common.places import PAGE, SOAK_FACTS, soak_folder
from toolkit.device.build.hostlib import HostEngine
from toolkit.device.pipeline import check_line, connected
from toolkit.measure.budget import clock_of
from toolkit.measure.energy import Energy, read_energy
from toolkit.measure.soak import WORST, Feed, Run, run_soak, soak_facts
from toolkit.models.quantise import Sources, for_target
from toolkit.models.saved import load_quantised
from toolkit.report.soak import soak_table, soak_verdict, write_soak_page
from toolkit.stages.sending import Sending
from toolkit.stages.stage import HASH_BYTES, Int16s, Stage
from toolkit.targets.target import Target, load_target

_FRAMES_A_MINUTE: Final = 3000
_HOUR: Final = 60.0
_MINUTES_MAX: Final = 10_080.0
_VOLTS: Final = 3.3
FRAMES: Final = "frames.csv"  # ms and energy of each frame, beside the page


@click.command("soak", cls=Telling)
@options.target_option
@options.stage_option
@options.source_options
@options.model_option
@options.audio_option
@options.sending_options
@options.batch_option
@options.clock_option
@options.port_option
@options.server_option
@options.probe_option
@options.serial_option
@click.option(
    "--minutes",
    type=Real(0, _MINUTES_MAX, min_open=True),
    default=None,
    help="How much speech, the audio again and again; 60 on silicon, the audio once in emulation, "
    "if left out.",
)
@click.option(
    "--energy",
    type=InputFile(),
    default=None,
    help="CSV of a PPK2 or Joulescope recorded during an earlier soak: energy between the edges "
    "of the board's [mark] pin.",
)
@click.option(
    "--volts",
    type=Real(0, 60, min_open=True),
    default=_VOLTS,
    show_default=True,
    help="Supply of the board where the CSV has no voltage.",
)
@click.option(
    "--output",
    type=Folder(),
    default=None,
    help="Folder of the report; build/TARGET/soak if left out.",
)
@json_option
def command(
    target: str,
    stage: str,
    sources: Sources,
    model: Path | None,
    audio: Path,
    sending: Sending,
    batch: int,
    clock_hz: int | None,
    port: str | None,
    server: str | None,
    probe: str | None,
    serial: str,
    minutes: float | None,
    energy: Path | None,
    volts: float,
    output: Path | None,
    json_to: str | None,
) -> None:
    """Run speech through a board in real time for an hour; judge every frame of 20 ms.

    The page has a histogram of ms a frame, the tail, the deadline misses. Every output is compared
    with host C. An emulated board gets frames as fast as it takes them; its ms are instructions.
    """  # fmt: skip
    board = load_target(target)
    clock = clock_of(board, clock_hz)
    if port is not None:
        refuse_ignored("a board at --port", PORTS)
    if model is None:
        check_stage(stage)
    check_line(port, serial, board)
    flasher = flasher_of(board, port, server, probe)
    measured = None if energy is None else read_energy(energy, volts)
    loaded = None if model is None else load_quantised(model, stage)
    made = ready_stage(stage, for_target(sources, board), sending, loaded, batch)
    inputs = made.inputs(audio)
    if port is not None:
        board = board.not_run_here()
    prepared = built_for(made, board)
    feed = Feed(inputs, _frames(made, inputs, prepared.engine))
    paced = port is not None
    count = (
        feed.length
        if minutes is None and not paced
        else round((minutes or _HOUR) * _FRAMES_A_MINUTE)
    )
    if count < 1:
        raise InputError("--minutes: less than one frame of 20 ms")
    said: list[str] = []
    build_id = prepared.build.build_id if prepared.build else None
    with (
        connected(
            prepared, port=port, serial=serial, flasher=flasher, real_time=not board.is_board,
            tell=said.append,
        ) as session,
        streaming("soaking", "frames") as bar,
    ):  # fmt: skip
        told = session.expect(
            target=board.name, stage=made.name,
            model_hash=bytes.fromhex(made.hash)[:HASH_BYTES],
            build_id=bytes.fromhex(build_id) if build_id else None,
        )  # fmt: skip
        board = board.counting_cycles() if told.cycles else board
        if clock_hz is None:
            clock = clock_of(board, None)
        task = bar.add_task("", total=count)
        run = run_soak(
            session, prepared.engine, feed, count, paced=paced,
            progress=lambda: bar.advance(task),
        )  # fmt: skip
        link = vars(session.counts).copy()
    facts = {
        "format": "dredkit-soak-1",
        "recorded": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "target": board.name,
        "stage": made.name,
        "model_hash": made.hash,
        "build_id": build_id,
        "audio": audio.name,
        **soak_facts(run, board, clock, paced=paced),
        "notes": [f"{board.name} says: {line}" for line in said],
        "energy": None if measured is None or energy is None else measured.as_json(energy.name),
        "link": link,
    }
    folder = output or soak_folder(target)
    if measured is not None:
        facts["energy"]["joined"] = _joined(measured, run, board, facts, folder)
    emit_json(str(folder / SOAK_FACTS), facts)
    write_soak_page(facts, folder / PAGE)
    emit_json(json_to, facts)
    err.print(soak_table(facts))
    for line in facts["notes"]:
        err.print(line)
    err.print(f"report      {folder / PAGE}")
    if not facts["ok"]:
        raise CheckFailed(soak_verdict(facts))


def _frames(made: Stage, inputs: Int16s, engine: HostEngine) -> list[int]:
    """Return the frame of 20 ms of each step; a receiver's steps are told by what host C plays."""
    engine.reset()
    rows = [engine.step(row.astype("<i2").tobytes())[0] for row in inputs]
    playback = made.playback(inputs, made.outputs(rows))
    return list(range(len(inputs))) if playback is None else playback.slots


def _joined(
    measured: Energy, run: Run, board: Target, facts: dict[str, Any], folder: Path
) -> dict[str, Any] | None:
    """Write ms and energy of each frame beside the page; return its facts, or None if none fit."""
    frames = measured.by_frame(run.frames)
    if frames is None:
        facts["notes"].append(
            f"the recording has {len(measured.joules):,} pulses and this run {len(run.frames):,} "
            "steps, so energy is not told frame by frame: record a run of the same length"
        )
        return None
    ms = [1000.0 * board.count(ticks) / facts["clock_hz"] for ticks in run.ticks]
    lines = [f"{n},{a:.6f},{1e6 * b:.4f}" for n, (a, b) in enumerate(zip(ms, frames, strict=True))]
    write_whole(folder / FRAMES, ("\n".join(["frame,ms,uJ", *lines]) + "\n").encode())
    worst = sorted(range(len(ms)), key=lambda n: -frames[n])[:WORST]
    return {
        "file": FRAMES,
        "mean_uj": round(1e6 * float(frames.mean()), 4),
        "worst": [
            {"frame": n, "uj": round(1e6 * float(frames[n]), 4), "ms": round(ms[n], 6)}
            for n in worst
        ],
    }

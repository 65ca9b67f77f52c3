# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit boards`: what is plugged in, a hardware map of it, and all boards of a map verified."""

from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from quantize.files.write import write_whole
from toolkit.commands.shared.outcome import Telling
from toolkit.commands.shared.taken import Forms, refuse_ignored
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.errors import BoardsFailed, CheckFailed, InputError
from toolkit.common.option_types import Folder, InputFile, OutputFile, Real
from toolkit.common.places import BOARDS, BOARDS_FACTS, JUNIT
from toolkit.device.desk.asking import ask_all
from toolkit.device.desk.hardware_map import MappedBoard, map_text, read_map
from toolkit.device.desk.plugged import Plugged, mapped, plugged
from toolkit.report.farm import farm_facts, farm_table, write_farm_junit
from toolkit.targets.target import load_target, target_names
from toolkit.verify.farm import ERROR, FAILED, PASSED, Outcome, Plan, counts, verify_all

_FORMS: Final[Forms] = {
    "--map": ("retries", "timeout", "jobs", "output", "junit", "verify"),
    "the list of what is plugged in (without --map)": ("port", "wait", "write"),
}
_JOBS_MAX: Final = 256
_DAY_S: Final = 86_400.0


@click.command("boards", cls=Telling)
@click.option(
    "--port",
    multiple=True,
    metavar="URL",
    help="Also ask this port, as pyserial names it; may be repeated.",
)
@click.option(
    "--wait",
    type=Real(0, 600, min_open=True),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds for an answer at each rate of a port.",
)
@click.option("--write", type=OutputFile(), default=None, help="Hardware map to write.")
@click.option(
    "--map",
    "map_file",
    type=InputFile(),
    default=None,
    help="Hardware map whose boards are all verified at once.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="Further attempts after an error of board, link or time. A wrong value is never retried.",
)
@click.option(
    "--timeout",
    type=Real(0, _DAY_S, min_open=True),
    default=3600.0,
    show_default=True,
    metavar="S",
    help="Seconds for one attempt on one board, builds included.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, _JOBS_MAX),
    default=_JOBS_MAX,
    show_default="all",
    help="Boards that are verified at once.",
)
@click.option(
    "--output",
    type=Folder(),
    default=None,
    help="Folder of the reports, one a board; build/boards if left out.",
)
@click.option("--junit", type=OutputFile(), default=None, help="JUnit XML to write for CI.")
@json_option
@click.argument("verify", nargs=-1, type=click.UNPROCESSED, metavar="[-- VERIFY OPTIONS]")
def command(
    port: tuple[str, ...],
    wait: float,
    write: Path | None,
    map_file: Path | None,
    retries: int,
    timeout: float,
    jobs: int,
    output: Path | None,
    junit: Path | None,
    json_to: str | None,
    verify: tuple[str, ...],
) -> None:
    """List what is plugged in, or verify every board of a hardware map at once.

    The list has probe, port, chip and the firmware that answers; --write makes a map of it. With
    --map each board gets `dredkit verify` and one status: passed, failed, error or skipped. Options
    after `--` are for every `dredkit verify`.
    """  # fmt: skip
    refuse_ignored("--map" if map_file else list(_FORMS)[1], _FORMS)
    if map_file is None:
        _list(port, wait, write, json_to)
        return
    boards = read_map(map_file)
    _check(boards)
    folder = output or BOARDS
    outcomes = verify_all(boards, Plan(folder, timeout, retries, jobs, verify), _say)
    facts = farm_facts(outcomes, map_file)
    for path in (folder / JUNIT, *([] if junit is None else [junit])):
        write_farm_junit(outcomes, path)
    emit_json(str(folder / BOARDS_FACTS), facts)
    emit_json(json_to, facts)
    err.print(farm_table(outcomes))
    err.print(f"reports     {folder}/BOARD/index.html")
    _judge(outcomes)


def _check(boards: list[MappedBoard]) -> None:
    """Refuse a map that cannot be right before any board is touched."""
    from toolkit.device.boards.probe import check_server

    for board in boards:
        if board.connected:
            load_target(board.platform)
        if board.runner:
            check_server(board.runner)


def _say(outcome: Outcome) -> None:
    err.print(f"{outcome.board.id}: {outcome.status}: {outcome.text}")


def _judge(outcomes: list[Outcome]) -> None:
    found = counts(outcomes)
    told = ", ".join(f"{count} {status}" for status, count in found.items() if count)
    bad = [outcome for outcome in outcomes if outcome.status in (FAILED, ERROR)]
    if found[FAILED]:
        raise CheckFailed(f"{told}; first {bad[0].board.id}: {bad[0].text}")
    if found[ERROR]:
        raise BoardsFailed(f"{told}; first {bad[0].board.id}: {bad[0].text}")
    if not found[PASSED]:
        raise BoardsFailed("no board was verified: none of the map is connected")


def _list(ports: tuple[str, ...], wait: float, write: Path | None, json_to: str | None) -> None:
    with err.status("looking for boards"):
        rows = [row for row in plugged() if row.port not in ports]
        rows += [Plugged("", "asked by --port", port) for port in ports]
        rows = ask_all(rows, wait)
    if rows:
        err.print(_table(rows))
    else:
        err.print("nothing is plugged in: no USB port, no probe and no drive of a board")
    if write is not None:
        if not rows:
            raise InputError(f"{write}: nothing is plugged in, so there is nothing to write")
        write_whole(write, map_text(mapped(rows, target_names())).encode())
        err.print(f"map         {write}")
    emit_json(json_to, [_as_json(row) for row in rows])


def _table(rows: list[Plugged]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("probe", "board", "port", "chip", "firmware"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        where = row.port or row.drive
        table.add_row(row.serial or "-", row.product, where, row.chip or "-", _firmware(row))
    return table


def _firmware(row: Plugged) -> str:
    board = row.firmware
    if board is None:
        return row.silent
    return f"{board.stage} for {board.target}, build {board.build_id.hex()[:12]}"


def _as_json(row: Plugged) -> dict[str, Any]:
    board = row.firmware
    return {
        "serial": row.serial or None,
        "product": row.product,
        "port": row.port or None,
        "drive": row.drive or None,
        "chip": row.chip or None,
        "runner": row.runner or None,
        "firmware": board
        and {
            "target": board.target,
            "stage": board.stage,
            "build_id": board.build_id.hex(),
            "model_hash": board.model_hash.hex(),
        },
        "why": row.silent or None,
    }

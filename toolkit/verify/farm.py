# SPDX-License-Identifier: BSD-3-Clause
"""Verify many boards at once: a process of `dredkit verify` for each, with time-out and retries.

Processes keep boards apart: one that hangs or crashes takes nothing with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from toolkit.device.boards import patience
from toolkit.device.desk.hardware_map import MappedBoard

PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"
STATUSES: Final = (PASSED, FAILED, ERROR, SKIPPED)
RESULT: Final = "result.json"  # of one board, in its folder
LOG: Final = "log.txt"
_BOARD_OR_LINK: Final = 3  # the exit code that trying again may change
Note = Callable[["Outcome"], None]


@dataclass(frozen=True)
class Plan:
    """How boards are verified.

    `timeout_s` is for one attempt. `retries` are further attempts after an error of the board, the
    link or the time; a wrong value is never tried again. `jobs` run at once. `words` are further
    options of every `dredkit verify`.
    """

    folder: Path
    timeout_s: float
    retries: int
    jobs: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one board: its status, the reason in a line, attempts, seconds in all."""

    board: MappedBoard
    status: str
    text: str
    attempts: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        return {
            "id": self.board.id,
            "platform": self.board.platform,
            "serial": self.board.serial or None,
            "status": self.status,
            "text": self.text,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
        }


@dataclass
class _Running:
    """One attempt under way."""

    board: MappedBoard
    attempt: int
    began: float  # of the first attempt
    deadline: float
    process: "subprocess.Popen[bytes]"
    late: bool = field(default=False)


def verify_all(
    boards: Sequence[MappedBoard], plan: Plan, note: Note = lambda outcome: None
) -> list[Outcome]:
    """Verify all boards that are connected; return outcomes in the order of `boards`.

    `note` is told each outcome when it is known. Whatever happens, no process is left running.
    """
    waiting = deque((board, 1, 0.0) for board in boards if board.connected)
    running: list[_Running] = []
    done: dict[str, Outcome] = {}

    def end(outcome: Outcome) -> None:
        done[outcome.board.id] = outcome
        note(outcome)

    for board in boards:
        if not board.connected:
            end(Outcome(board, SKIPPED, board.notes or "not connected", 0, 0.0))
    try:
        while waiting or running:
            while waiting and len(running) < plan.jobs:
                running.append(_start(*waiting.popleft(), plan))
            time.sleep(patience.LOOK_S)
            for one in list(running):
                if not _ended(one):
                    continue
                running.remove(one)
                outcome = _outcome(one, plan)
                if outcome.status == ERROR and _again(one, plan):
                    waiting.append((one.board, one.attempt + 1, one.began))
                else:
                    end(outcome)
    finally:
        for one in running:
            _stop(one.process)
    return [done[board.id] for board in boards]


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many boards have each status."""
    return {status: sum(o.status == status for o in outcomes) for status in STATUSES}


def _start(board: MappedBoard, attempt: int, began: float, plan: Plan) -> _Running:
    folder = plan.folder / board.id
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        (folder / RESULT).unlink()
    command = [
        sys.executable, "-m", "toolkit.cli", "verify", *board.words(), *plan.words,
        "--output", str(folder), "--json", str(folder / RESULT),
    ]  # fmt: skip
    with (folder / LOG).open("ab" if attempt > 1 else "wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    now = time.monotonic()
    return _Running(board, attempt, began or now, now + plan.timeout_s, process)


def _ended(one: _Running) -> bool:
    """Return whether an attempt has ended; end one that is late."""
    if one.process.poll() is not None:
        return True
    if time.monotonic() < one.deadline:
        return False
    one.late = True
    _stop(one.process)
    return True


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Let a process clean up after itself; kill it and all that it started if it does not."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience.STOP_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _again(one: _Running, plan: Plan) -> bool:
    may = one.late or one.process.returncode == _BOARD_OR_LINK
    return may and one.attempt <= plan.retries


def _outcome(one: _Running, plan: Plan) -> Outcome:
    seconds = time.monotonic() - one.began
    status = {0: PASSED, 1: FAILED}.get(one.process.returncode, ERROR)
    if one.late:
        status, text = ERROR, f"not done within {plan.timeout_s:g} s; --timeout changes this"
    else:
        text = _text(plan.folder / one.board.id, one.process.returncode)
    return Outcome(one.board, status, text, one.attempt, seconds)


def _text(folder: Path, code: int) -> str:
    """Return one line on how `dredkit verify` ended: its error, else the end of its log."""
    try:
        told = json.loads((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        told = {}
    if told.get("status") == "error":
        return str(told["error"])
    lines = [line.strip() for line in _log(folder).splitlines() if line.strip()]
    if code == 0:
        frames, unit = told.get("frames"), told.get("budget", {})
        return f"{frames} steps equal; at most {unit.get('max')} {unit.get('unit')} a step"
    said = [line.removeprefix("dredkit: ") for line in lines if line.startswith("dredkit: ")]
    return (said or lines or [f"ended with exit code {code}"])[-1]


def _log(folder: Path) -> str:
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

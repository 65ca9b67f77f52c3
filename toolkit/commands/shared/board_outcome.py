# SPDX-License-Identifier: BSD-3-Clause
"""What `dredkit verify --stage call` writes and says of a call on a board."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from quantize.files.write import write_whole
from toolkit.call.board.verdict import CallVerdict, answers_of, played
from toolkit.common.console import emit_json, err
from toolkit.common.errors import CheckFailed
from toolkit.common.places import (
    CALL_TIMELINE,
    FACTS,
    JUNIT,
    NO_DRED_WAV,
    PAGE,
    PLAYED_HOST_WAV,
    PLAYED_WAV,
    SENT_WAV,
)
from toolkit.report.board_call import (
    FIGURES,
    HEADINGS,
    board_timeline,
    call_text,
    cost_rows,
    summary_rows,
    write_board_call_page,
)
from toolkit.report.call import RATE, Take
from toolkit.report.junit import junit as junit_xml
from toolkit.report.record import CALL_FORMAT
from toolkit.report.table import check_table
from toolkit.speech.audio import Pcm, write_wav


@dataclass(frozen=True)
class BoardCall:
    """A finished call: the verdict, and the facts of how it was made.

    `sent` is the recording, `base` what the base codec alone makes of it, int16 at 16 kHz.
    """

    verdict: CallVerdict
    made: dict[str, Any]
    sent: Pcm
    base: Pcm

    def conclude(self, folder: Path, junit: Path | None, json_to: str | None) -> None:
        """Write verify.json, junit.xml, the page and what was played; print the verdict.

        Raises CheckFailed if a check failed.
        """
        verdict, takes = self.verdict, self.takes()
        facts = {"format": CALL_FORMAT, **self.made, **verdict.as_json()}
        facts["files"] = {take.name: take.file for take in takes}
        folder.mkdir(parents=True, exist_ok=True)
        for take in takes:
            write_wav(folder / take.file, take.pcm, RATE)
        xml = junit_xml(facts, verdict.checks)
        for path in (folder / JUNIT, *([junit] if junit else [])):
            write_whole(path, xml)
        drawing = board_timeline(verdict)
        write_whole(folder / CALL_TIMELINE, drawing.encode())
        emit_json(str(folder / FACTS), facts)
        write_board_call_page(folder / PAGE, facts, verdict.checks, takes, drawing)
        emit_json(json_to, facts)
        err.print(_table(verdict, facts))
        err.print(f"page        {folder / PAGE}")
        failed = [check for check in verdict.checks if not check.ok]
        if failed:
            raise CheckFailed(f"{failed[0].name}: {failed[0].text}")

    def takes(self) -> list[Take]:
        """Return all recordings that a listener compares; the host's if it is not the board's."""
        steps, name = self.verdict.steps, self.verdict.prepared.target.name
        board, host = (played(answers_of(steps, rows)) for rows in (self.verdict.rows, steps.rows))
        takes = [Take("board", f"what {name} played", PLAYED_WAV, board)]
        if not np.array_equal(board, host):
            takes.append(Take("host", "what C on this machine played", PLAYED_HOST_WAV, host))
        takes.append(Take("no-dred", "the base codec alone conceals", NO_DRED_WAV, self.base))
        takes.append(Take("sent", "the recording", SENT_WAV, self.sent))
        return takes


def _table(verdict: CallVerdict, facts: dict[str, Any]) -> Group:
    """Return what to print: the checks, and what packets of each state cost."""
    summary = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for n, heading in enumerate(("a packet", facts["budget"]["unit"], "ms", "of the deadline")):
        summary.add_column(heading, justify="right" if n else "left")
    for name, *amounts in summary_rows(facts):
        summary.add_row(name, *amounts)
    costs = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for n, heading in enumerate(HEADINGS, 1):
        costs.add_column(heading, justify="right" if n in FIGURES else "left")
    for row in cost_rows(facts):
        costs.add_row(*row)
    head = f"{facts['target']}: {'PASS' if verdict.ok else 'FAIL'}"
    style = "bold green" if verdict.ok else "bold red"
    parts = Text(head, style), check_table(verdict.checks), summary, costs
    return Group(*parts, Text(call_text(facts)))

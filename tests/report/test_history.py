# SPDX-License-Identifier: BSD-3-Clause
"""Runs over time: kept as lines, read whatever else is in the file, drawn on the page."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.verifications import verification
from toolkit.common.errors import InputError
from toolkit.report.history import NAME, SHOWN, entry_of, keep, past, trends
from toolkit.report.page import render
from toolkit.report.record import facts_of, save_record


def run(ms: float, target: str = "a", flash: int | None = 100) -> dict[str, Any]:
    return {
        "recorded": "2026-01-02T03:04:05+00:00", "target": target, "stage": "encoder",
        "unit": "instructions", "model_hash": "0", "ok": True, "ms": ms, "flash": flash, "ram": 10,
    }  # fmt: skip


def test_runs_of_the_same_kind_come_back_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "build"
    assert past(folder, run(1.0)) == []
    for one in (run(1.0), run(9.0, "b"), run(2.0)):
        keep(folder, one)
    assert past(folder, run(0.0)) == [run(1.0), run(2.0)]


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", "{}", '{"ms": "x"}', "\x00", '{"ms": 1, "flash": "much"}']
)
def test_lines_that_are_no_runs_are_left_out(tmp_path: Path, line: str) -> None:
    keep(tmp_path, run(1.0))
    with (tmp_path / NAME).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    keep(tmp_path, run(2.0))
    assert past(tmp_path, run(0.0)) == [run(1.0), run(2.0)]


def test_only_the_latest_are_shown(tmp_path: Path) -> None:
    for n in range(SHOWN + 5):
        keep(tmp_path, run(float(n)))
    assert [one["ms"] for one in past(tmp_path, run(0.0))] == [
        float(n) for n in range(5, SHOWN + 5)
    ]


def test_a_folder_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file") as caught:
        keep(tmp_path / "file", run(1.0))
    assert "\n" not in str(caught.value)


def test_a_trend_goes_from_the_first_run_to_the_last() -> None:
    assert trends([run(1.0)]) == []
    found = trends([run(2.0, flash=None), run(1.0), run(4.0)])
    assert [trend.name for trend in found] == ["ms of the most expensive step", "bytes of RAM"]
    assert found[0].path == "M0.00 65.00L50.00 95.00L100.00 5.00"
    assert (found[0].first, found[0].last) == ("2.000", "4.000")
    assert (found[0].low, found[0].high) == ("1.000", "4.000")
    assert found[1].path == "M0.00 95.00L50.00 95.00L100.00 95.00"


def test_the_page_draws_earlier_runs(clip: Path, tmp_path: Path) -> None:
    found = verification(clip, tmp_path)
    facts = facts_of(found, found.inputs[:, 0])
    entry = entry_of(facts)
    assert entry["ms"] == pytest.approx(1000 * found.budget.max / found.budget.limit * 0.02)
    assert "Earlier runs" not in render(save_record(found, tmp_path / "one", {"history": [entry]}))
    two = [{**entry, "ms": entry["ms"] / 2}, entry]
    page = render(save_record(found, tmp_path / "two", {"history": two}))
    assert "Earlier runs" in page
    assert f"{entry['ms']:.3f} now" in page
    assert f"{entry['ms']:.2f} of 20" in page


def test_a_score_is_shown(clip: Path, tmp_path: Path) -> None:
    found = verification(clip, tmp_path)
    page = render(save_record(found, tmp_path / "out", {"score": {"with DRED": 3.456}}))
    assert "with DRED <strong>3.46</strong>" in page

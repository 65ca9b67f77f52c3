# SPDX-License-Identifier: BSD-3-Clause
"""What makes a board of silicon verified: the record of a run on it, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from toolkit.cli import group
from toolkit.common.errors import InputError
from toolkit.targets.target import TARGETS, load_target
from toolkit.targets.verified import FORMAT, places, read_record, record_path

LIKE = "nucleo_u575zi"
FACTS: dict[str, Any] = {
    "format": FORMAT,
    "ok": True,
    "target": "mine",
    "recorded": "2026-12-01T10:00:00+00:00",
    "link": {"core_counts_cycles": True},
    "board": {"core": "cortex-m33", "isa": "simd32", "clock_hz": 160_000_000},
}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text((TARGETS / f"{LIKE}.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def verification(folder: Path, **changes: Any) -> Path:
    path = folder / "verify.json"
    path.write_text(json.dumps({**FACTS, **changes}), encoding="utf-8")
    return path


def told(board: Path) -> list[str]:
    """Return what the record makes of a board."""
    return places(load_target(str(board)))


def test_a_record_makes_a_board_verified(board: Path, tmp_path: Path) -> None:
    assert told(board) == []
    made = verification(tmp_path)
    done = CliRunner().invoke(
        group, ["targets", "record", str(made), "--target", str(board), "--json", "-"]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine.verified.json").read_bytes() == made.read_bytes()
    assert told(board) == ["silicon, 2026-12-01"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ok": False}, "that verification failed"),
        ({"ok": 1}, "that verification failed"),
        ({"target": "other"}, "is of other, not of mine"),
        ({"link": {"core_counts_cycles": False}}, "no board of silicon"),
        ({"link": {}}, "no board of silicon"),
        ({"link": []}, "damaged"),
        ({"format": "x"}, "not a dredkit-verification-1 file"),
        ({"board": {**FACTS["board"], "clock_hz": 1}}, "has changed since: clock_hz was 1"),
    ],
)
def test_what_proves_nothing_is_refused(
    board: Path, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    made = verification(tmp_path, **changes)
    with pytest.raises(InputError, match=why) as caught:
        read_record(made, load_target(str(board)))
    assert str(caught.value).startswith(f"{made}: ")
    done = CliRunner().invoke(group, ["targets", "record", str(made), "--target", str(board)])
    assert isinstance(done.exception, InputError)
    assert told(board) == []


def test_a_record_of_an_older_board_file_does_not_count(board: Path, tmp_path: Path) -> None:
    verification(tmp_path).rename(tmp_path / "mine.verified.json")
    assert told(board) == ["silicon, 2026-12-01"]
    text = board.read_text(encoding="utf-8")
    board.write_text(text.replace("clock_hz = 160_000_000", "clock_hz = 80_000_000", 1))
    with pytest.raises(InputError, match="has changed since: clock_hz was 160000000"):
        told(board)


def test_shipped_boards_have_their_records_in_one_folder() -> None:
    assert record_path(load_target(LIKE)) == TARGETS / "verified" / f"{LIKE}.json"
    names = {path.stem for path in (TARGETS / "verified").glob("*.json")}
    for name in names:
        assert places(load_target(name))

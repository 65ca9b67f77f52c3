# SPDX-License-Identifier: BSD-3-Clause
"""The published schemas are current, and fit what is written."""

import json
from pathlib import Path

from tests.support.json_schema import faults
from tests.support.verifications import mismatching, verification
from toolkit.device.desk.hardware_map import MappedBoard
from toolkit.report.farm import farm_facts
from toolkit.report.json_schema import FOLDER, boards_schema, texts, verify_schema
from toolkit.report.record import save_record
from toolkit.verify.farm import Outcome


def test_the_files_are_current() -> None:
    for name, text in texts().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, name


def test_a_verification_fits(clip: Path, tmp_path: Path) -> None:
    found = verification(clip, tmp_path)
    for one, folder in ((found, "good"), (mismatching(found), "bad")):
        save_record(one, tmp_path / folder)
        facts = json.loads((tmp_path / folder / "verify.json").read_text())
        assert faults(facts, verify_schema()) == []
        del facts["budget"]["limit"]
        facts["ok"] = "yes"
        assert faults(facts, verify_schema()) == [".ok: no boolean", ".budget.limit: missing"]


def test_a_run_over_many_boards_fits() -> None:
    outcomes = [
        Outcome(MappedBoard("a", "host", serial="/dev/x"), "passed", "fine", 1, 2.5),
        Outcome(MappedBoard("b", "host", False), "skipped", "away", 0, 0.0),
    ]
    facts = json.loads(json.dumps(farm_facts(outcomes, Path("map.toml"))))
    assert faults(facts, boards_schema()) == []
    facts["boards"][0]["status"] = "perhaps"
    assert faults(facts, boards_schema()) == [".boards[0].status: enum"]

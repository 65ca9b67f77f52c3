# SPDX-License-Identifier: BSD-3-Clause
"""Checks, JUnit and the terminal agree, and a claim that was not proved does not pass."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from tests.support.verifications import mismatching, over_budget, verification
from toolkit.report.junit import junit
from toolkit.report.record import facts_of
from toolkit.report.table import table
from toolkit.verify.checks import checks
from toolkit.verify.compare import compare
from toolkit.verify.verify import Verification


@pytest.fixture(scope="module")
def good(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Verification:
    return verification(clip, tmp_path_factory.mktemp("audio"))


def printed(facts: dict[str, Any]) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(table(facts))
    return capture.get()


def cases(verification: Verification) -> tuple[ElementTree.Element, list[ElementTree.Element]]:
    root = ElementTree.fromstring(junit(facts_of(verification, np.zeros(1, np.int16))))
    return root, list(root.iter("testcase"))


def test_junit_has_a_case_for_each_check(good: Verification) -> None:
    root, found = cases(good)
    assert [case.get("name") for case in found] == [
        "integer.py = host C",
        "integer.py = mps3-an547",
        "every frame within 640,000 instructions",
        "flash fits",
        "RAM fits",
        "stack fits",
    ]
    assert found[0].get("classname") == "dredkit.mps3-an547.comparison"
    for element in (root, root[0]):
        assert (element.get("tests"), element.get("failures")) == ("6", "0")
    assert not list(root.iter("failure"))


def test_junit_failures_name_the_first_mismatch_and_the_costliest_frame(good: Verification) -> None:
    root, found = cases(over_budget(mismatching(good)))
    for element in (root, root[0]):
        assert (element.get("tests"), element.get("failures")) == ("6", "2")
    failed = {
        case.get("name"): case.find("failure") for case in found if len(case.findall("failure"))
    }
    assert list(failed) == ["integer.py = mps3-an547", "every frame within 640,000 instructions"]
    messages = [str(f.get("message")) for f in failed.values() if f is not None]
    assert "first: layer gru2, step 17, element 3: got" in messages[0]
    assert "frame 24, takes 700,000 of 640,000 instructions (109.4 %)" in messages[1]


def test_the_terminal_shows_the_same_checks(good: Verification) -> None:
    text = printed(good.as_json())
    assert text.startswith("mps3-an547: Bit-exact and within budget")
    assert text.count("✓") == 6
    assert "per frame: max 265,168, p99 265,168, mean 265,084 instructions" in text
    assert "one cycle per instruction" in text
    text = printed(over_budget(mismatching(good)).as_json())
    assert text.startswith("mps3-an547: Not bit-exact, over budget")
    assert text.count("✗") == 2
    assert "first: layer gru2, step 17, element 3" in text


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"comparisons": {}}, ["integer.py = ?"]),
        ({"comparisons": {"x": {"values": 0, "mismatches": 0, "first": None}}}, ["integer.py = x"]),
        ({"memory": {"flash": 2_621_441}}, ["flash fits"]),
        ({"memory": {"ram": 524_289}}, ["RAM fits"]),
        ({"memory": {"stack_worst": 16_385}}, ["stack fits"]),
        ({"memory": {"stack_used": 1305}}, ["stack fits"]),  # more than the call graph allows
        ({"memory": {"stack_used": None}}, []),
        ({"budget": {"per_frame": []}}, ["every frame within 640,000 instructions"]),
    ],
)
def test_what_was_not_shown_does_not_pass(
    good: Verification, change: dict[str, Any], failed: list[str]
) -> None:
    facts = good.as_json()
    for key, value in change.items():
        facts[key] = value if key == "comparisons" else {**facts[key], **value}
    assert [check.name for check in checks(facts) if not check.ok] == failed


def test_a_value_that_is_missing_is_told_as_nothing(good: Verification) -> None:
    want = good.stage.reference(good.inputs).layers
    short = {name: values[:-1] for name, values in want.items()}
    found = replace(good, comparisons={"board": compare("board", ["out"], short, want)})
    text = checks(found.as_json())[0].text
    assert "5 of 125 values differ; first: layer out, step 24, element 0: got nothing, want" in text

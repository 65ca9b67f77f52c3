# SPDX-License-Identifier: BSD-3-Clause
"""A verification that judges estimated cycles says so in every report."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.verifications import STEPS, verification
from toolkit.measure.budget import ONE_EACH, budget_of, clock_of
from toolkit.measure.cycles.estimate import Estimate, FunctionCost
from toolkit.report import write_verification
from toolkit.report.record import load_record
from toolkit.report.table import table
from toolkit.targets.target import load_target
from toolkit.verify.checks import checks
from toolkit.verify.verify import Verification

CLOCK = load_target("mps3-an547").clock_source
GUESS = Estimate(
    model="LLVM's model of a core",
    errors=("no caches", "no wait states"),
    instructions=[100_000] * STEPS,
    cycles=[140_000, *[120_000 + i for i in range(1, STEPS)]],
    functions=[FunctionCost("dk_matvec8", 2_000_000, 2_400_000.0)],
    sections=[],
    jumps=60_500,
)


@pytest.fixture
def estimated(clip: Path, tmp_path: Path) -> Verification:
    good = verification(clip, tmp_path)
    ticks = [round(32.768 * 100_024)] * STEPS
    budget = budget_of(good.target, ticks, estimate=GUESS)
    return replace(good, budget=budget, estimate=GUESS)


def test_verdict_table_and_page_name_the_model_and_what_it_leaves_out(
    estimated: Verification, tmp_path: Path
) -> None:
    write_verification(estimated, tmp_path / "report")
    facts = load_record(tmp_path / "report").facts
    (judged,) = [check for check in checks(facts) if check.kind == "budget"]
    assert judged.name == "every frame within 640,000 cycles"
    assert judged.text.endswith(
        f"140,000 of 640,000 cycles (21.9 %), LLVM's model of a core, at 32 MHz ({CLOCK})"
    )
    console = Console(width=400, record=True, file=StringIO())
    console.print(table(facts))
    said = console.export_text()
    assert "first after a cold start 140,000" in said
    assert "estimated at 1.21 cycles an instruction by LLVM's model of a core" in said
    assert "it assumes: no caches; no wait states" in said
    assert "a cycle more for each jump would add 2.0 %" in said
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    for text in (
        "estimated from what the emulator ran",
        "after a cold start took 140,000, the most expensive of the others 120,024.",
        "It assumes: no caches; no wait states.",
        "<td>dk_matvec8</td>",
    ):
        assert text in page, text


def test_instructions_are_kept_beside_the_cycles(estimated: Verification) -> None:
    facts = estimated.as_json()
    assert facts["budget"]["instructions"] == [100_024] * STEPS
    assert facts["cycles"]["functions"] == [
        {"name": "dk_matvec8", "share_percent": 79.5, "per_instruction": 1.2}
    ]


def test_without_an_estimate_the_verdict_says_one_cycle_an_instruction(
    clip: Path, tmp_path: Path
) -> None:
    facts = verification(clip, tmp_path).as_json()
    (judged,) = [check for check in checks(facts) if check.kind == "budget"]
    assert judged.text.endswith(f"%), one cycle an instruction, at 32 MHz ({CLOCK})")
    assert facts["cycles"] is None


def test_the_verdict_says_whose_clock_an_emulated_fpga_is_judged_by(
    clip: Path, tmp_path: Path
) -> None:
    good = verification(clip, tmp_path)
    # Too much for the FPGA's 640,000 instructions in 20 ms, not for a chip's 8,000,000.
    budget = budget_of(good.target, [round(32.768 * 700_000)] * STEPS, clock_of(good.target, None))
    write_verification(replace(good, budget=budget), tmp_path / "report")
    facts = load_record(tmp_path / "report").facts
    (judged,) = [check for check in checks(facts) if check.kind == "budget"]
    assert judged.ok
    assert good.target.product is not None
    chip = good.target.product.source
    assert judged.text.endswith(f"8,000,000 instructions (8.8 %), {ONE_EACH}, at 400 MHz ({chip})")
    console = Console(width=400, record=True, file=StringIO())
    console.print(table(facts))
    said = console.export_text()
    assert "judged at 400 MHz; at the board's own 32 MHz" in said
    assert "the most expensive takes 109 %" in said
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "That clock: Alif Ensemble E3" in page

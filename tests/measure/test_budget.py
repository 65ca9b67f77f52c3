# SPDX-License-Identifier: BSD-3-Clause
"""The budget judges every single step, and says how its figures were obtained."""

import json
from dataclasses import replace

import pytest

from toolkit.common.errors import InputError
from toolkit.measure.budget import (
    MEASURED,
    ONE_EACH,
    Budget,
    Clock,
    budget_of,
    by_kind,
    clock_of,
    own_clock,
)
from toolkit.measure.cycles.estimate import Estimate
from toolkit.targets.target import load_target, target_names


def budget(costs: list[int], limit: int = 1000) -> Budget:
    return Budget("cycles", costs, limit, estimated=False, clock_hz=50 * limit)


def test_one_step_over_the_limit_is_enough() -> None:
    assert budget([1000] * 99).holds
    assert not budget([10] * 999 + [1001]).holds


def test_p99_is_a_cost_that_occurred() -> None:
    assert budget(list(range(1, 101))).p99 == 99
    assert budget(list(range(1, 102))).p99 == 100
    assert budget([5, 7]).p99 == 7
    assert budget([42]).p99 == 42


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 230, 1000])
def test_p99_covers_99_percent_and_is_the_least_that_does(count: int) -> None:
    costs = [(7919 * i) % 10007 for i in range(count)]
    found = budget(costs).p99
    assert sum(cost <= found for cost in costs) >= 0.99 * count
    assert sum(cost < found for cost in costs) < 0.99 * count


def test_json_has_the_derived_figures() -> None:
    value = json.loads(json.dumps(budget([100, 200, 301]).as_json()))
    assert value == {
        "unit": "cycles",
        "per_frame": [100, 200, 301],
        "limit": 1000,
        "estimated": False,
        "clock_hz": 50_000,
        "clock_source": "",
        "model": MEASURED,
        "errors": [],
        "instructions": None,
        "first": 100,
        "max_warm": 301,
        "max": 301,
        "p99": 301,
        "mean": 200.3,
        "used_percent": 30.1,
        "judged": True,
        "holds": True,
    }


def test_an_emulated_board_counts_instructions_and_says_that_it_estimates() -> None:
    # 32.768 ticks of the M55's timer are one instruction; the timer itself rounds down.
    found = budget_of(load_target("mps3-an547"), [32768, 32767, 0])
    assert found.unit == "instructions"
    assert found.estimated
    assert found.model == ONE_EACH
    assert found.per_frame == [1000, 1000, 0]
    assert found.limit == 640_000  # 20 ms at 32 MHz


def test_a_real_board_counts_cycles_of_its_own_clock() -> None:
    real = replace(load_target("netduinoplus2"), emulator=None)
    found = budget_of(real, [500])
    assert (found.unit, found.estimated, found.model) == ("cycles", False, MEASURED)
    assert found.per_frame == [1000]  # its timer runs at half the clock
    assert found.limit == 3_360_000


def test_the_host_has_the_length_of_a_frame() -> None:
    found = budget_of(load_target("host"), [20_000_000])
    assert (found.unit, found.limit, found.holds) == ("nanoseconds", 20_000_000, True)


def test_a_run_of_no_steps_is_refused() -> None:
    with pytest.raises(InputError, match="no step was run"):
        budget_of(load_target("host"), [])


def test_the_first_step_after_a_cold_start_counts_and_is_told_apart() -> None:
    cold = budget([1001, 10, 20])
    assert not cold.holds
    assert (cold.max, cold.first, cold.max_warm) == (1001, 1001, 20)
    assert budget([7]).max_warm is None


CHIPS = {"mps2-an500": 480_000_000, "mps2-an505": 160_000_000, "mps3-an547": 400_000_000}


@pytest.mark.parametrize("name", target_names())
def test_an_emulated_fpga_is_judged_by_the_clock_of_a_chip_with_its_core(name: str) -> None:
    board = load_target(name)
    found = clock_of(board, None)
    measures_time = board.unit == "nanoseconds"
    assert found.hz == (10**9 if measures_time else CHIPS.get(name, board.clock_hz))
    assert (board.product is not None) == (name in CHIPS)
    # A real board is judged by its own clock, or by another clock if one is asked for.
    assert clock_of(replace(board, emulator=None), None) == own_clock(board)
    if not measures_time:
        assert clock_of(board, 123_000_000).hz == 123_000_000
    judged = budget_of(board, [1], found)
    assert (judged.clock_hz, judged.clock_source) == (found.hz, found.source)


@pytest.mark.parametrize("hz", [-1, 0, 1, 999_999, 10_000_000_001, 2**63])
def test_a_clock_out_of_range_is_refused(hz: int) -> None:
    with pytest.raises(InputError, match=f"--clock {hz}: want 1000000 to 10000000000 Hz"):
        clock_of(load_target("mps3-an547"), hz)


def estimated() -> Budget:
    guess = Estimate("a model", ("no caches",), [100, 200, 300], [150, 301, 450], [], [])
    return budget_of(
        load_target("netduinoplus2"), [124, 224, 324], Clock(50_000, "a slow clock"), guess
    )


def test_estimated_cycles_are_judged_and_named_and_the_instructions_kept() -> None:
    found = estimated()
    assert (found.unit, found.estimated, found.model) == ("cycles", True, "a model")
    assert found.errors == ("no caches",)
    assert found.per_frame == [150, 301, 450]
    assert found.instructions == [124, 224, 324]
    assert found.limit == 1000
    assert found.used_percent == pytest.approx(45.0)


def test_kinds_keep_their_own_instructions() -> None:
    parts = by_kind(estimated(), ["hear", "speak", "hear"])
    assert parts["hear"].per_frame == [150, 450]
    assert parts["hear"].instructions == [124, 324]
    assert parts["speak"].first == 301

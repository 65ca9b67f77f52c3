# SPDX-License-Identifier: BSD-3-Clause
"""A short run of the packets' fuzzer; `python -m tests.fuzz.packets` runs it longer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fuzz.packets import fuzz
from tests.fuzz.run import find_clang

RUNS = 20_000


def test_fuzzing_the_packets_finds_nothing(tmp_path: Path) -> None:
    clang = find_clang()
    if clang is None:
        pytest.skip("no clang with libFuzzer: apt-get install clang libclang-rt-dev")
    done = fuzz(tmp_path, clang, f"-runs={RUNS}")
    assert done.returncode == 0, done.stderr[-3000:]
    runs = re.search(r"stat::number_of_executed_units: +(\d+)", done.stderr)
    assert runs is not None
    assert int(runs[1]) >= RUNS

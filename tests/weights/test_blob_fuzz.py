# SPDX-License-Identifier: BSD-3-Clause
"""A short run of the blob's fuzzer; `python -m tests.fuzz.weights` runs it longer."""

import re
from pathlib import Path

import pytest

from tests.fuzz.weights import quick
from toolkit.codegen.blob.parts import ISAS

RUNS = {"c": 1500}


@pytest.mark.parametrize("isa", ISAS)
def test_mutated_blobs_are_harmless(isa: str, tmp_path: Path) -> None:
    """Many mutations open, since most weights may have any value; then they run."""
    runs = RUNS.get(isa, 800)
    told = re.fullmatch(r"(\d+) runs, (\d+) opened\n", quick(isa, tmp_path, runs))
    assert told is not None
    assert int(told[1]) == runs
    assert runs // 8 < int(told[2]) < runs * 7 // 8

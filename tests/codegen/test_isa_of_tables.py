# SPDX-License-Identifier: BSD-3-Clause
"""Tables packed for one instruction set do not compile for the kernels of another."""

import subprocess
from pathlib import Path

import pytest

from tests.support.small_models import small_model
from toolkit.codegen.network.tables import weight_header, weight_tables
from toolkit.codegen.packing.pack import pack_network
from toolkit.targets.isas import ISAS
from toolkit.targets.sources import INCLUDES


@pytest.mark.parametrize("isa", ISAS)
def test_tables_refuse_the_kernels_of_another_core(isa: str, tmp_path: Path) -> None:
    model = small_model()
    (tmp_path / "small_weights.h").write_text(weight_header(model))
    source = tmp_path / "small_weights.c"
    source.write_text(weight_tables(pack_network(model, isa)))
    folders = [f"-I{path}" for path in (*INCLUDES, tmp_path)]
    done = subprocess.run(
        ["gcc", "-std=c11", "-DDK_ISA_PORTABLE", *folders, "-fsyntax-only", str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == (isa == "c"), done.stderr
    assert isa == "c" or f"packed for {isa}" in done.stderr

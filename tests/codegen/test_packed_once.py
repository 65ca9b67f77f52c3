# SPDX-License-Identifier: BSD-3-Clause
"""Generating packs each matrix once; the C text and the manifest read the same `Packed`."""

from collections import Counter
from pathlib import Path

import pytest

from quantize.nn.model import QuantisedMatrix
from tests.support.stand_ins import stand_in_stage
from toolkit.codegen.generate import generate
from toolkit.codegen.packing import pack
from toolkit.stages.receiver import DecoderStage
from toolkit.targets.target import load_target


@pytest.mark.parametrize("name", ["encoder", "decoder-batch"])
def test_each_matrix_is_packed_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stand_in_stage(name)
    packed: Counter[int] = Counter()
    tables = pack.tables

    def counted(matrix: QuantisedMatrix, isa: str) -> pack.Tables:
        packed[id(matrix)] += 1
        return tables(matrix, isa)

    monkeypatch.setattr(pack, "tables", counted)
    generate(stage, load_target("netduinoplus2"), tmp_path)
    networks = list(stage.networks)
    if isinstance(stage, DecoderStage):
        assert not isinstance(stage.model.voice, str)
        networks.append(stage.model.voice.condition)
    matrices = [matrix for network in networks for matrix in network.matrices.values()]
    assert packed == Counter(id(matrix) for matrix in matrices)

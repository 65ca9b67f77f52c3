# SPDX-License-Identifier: BSD-3-Clause
"""The figures of a package's README: measured with the package itself, and equal to `bench`'s."""

import json
from pathlib import Path

import pytest

from tests.support.packages import product, write
from toolkit.codegen.package.readme import NO_BOARD
from toolkit.common.errors import BoardError
from toolkit.measure.package.figures import DOES, _costs, measure_package
from toolkit.measure.package.image import flash_of
from toolkit.targets.cores import cores, load_core

ROOT = Path(__file__).resolve().parents[2]
MAP = """\
Discarded input sections

 .text.dk_unused
                0x00000000       0x64 dir/dredkit/src/nn/gru.c.obj

Linker script and memory map

 .text.dk_gru   0x00000100       0x30 dir/dredkit/src/nn/gru.c.obj
                0x00000100                dk_gru
 .text.dk_a_long_name_of_a_function
                0x00000130       0x08 dir/dredkit/src/nn/gru.c.obj
 .text.main     0x00000138       0x99 dir/app/main.c.obj
 .rodata        0x00000200      0x100 dir/dredkit/src/generated/pitch_weights.c.obj
 .debug_info    0x00000000      0x777 dir/dredkit/src/nn/gru.c.obj
"""


def test_flash_is_what_the_linker_kept_of_the_package() -> None:
    assert flash_of(MAP, Path("dir/dredkit")) == (0x38, 0x100)


def test_boards_have_the_cores_that_they_measure() -> None:
    for core in cores().values():
        board = core.measuring_board()
        assert board is None or (board.core, board.isa) == (core.name, core.isa)
    measured = {core.name for core in cores().values() if core.board}
    assert {"cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"} <= measured


def test_a_core_without_a_board_says_so(tmp_path: Path) -> None:
    write(tmp_path / "out", "cortex-m0plus", "sender", measure_package)
    assert NO_BOARD in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_words_of_a_fault_end_the_measurement() -> None:
    board = load_core("cortex-m4").measuring_board()
    assert board is not None
    assert _costs(["dk_sender_hear 256", "dk_sender_hear 512", "end"], board) == {
        "dk_sender_hear": [10, 20]
    }
    with pytest.raises(BoardError, match="mps2-an386: the measuring program says 'dredkit fault"):
        _costs(["dredkit fault: pc 0"], board)


@pytest.mark.slow
def test_the_readme_has_the_costs_of_every_call(tmp_path: Path) -> None:
    """The sender's step costs what `bench` committed for the same core and options."""
    write(tmp_path / "out", "cortex-m4", "duplex", measure_package)
    manifest = json.loads((tmp_path / "out" / "dredkit.json").read_text(encoding="utf-8"))
    figures = manifest["figures"]
    calls = {call["name"]: call for call in figures["calls"]}
    assert calls.keys() == DOES.keys()
    assert all(0 < call["mean"] <= call["most"] for call in calls.values())
    assert all(400 < call["stack"] < 8192 for call in calls.values())
    assert figures["code_bytes"] > 20_000
    committed = json.loads((ROOT / "targets/figures/netduinoplus2.encoder.json").read_text())
    made = product("cortex-m4", "sender").sender
    assert made is not None
    assert committed["model_hash"] == made.hash
    step = calls["dk_sender_hear"]["most"] + calls["dk_sender_payload"]["most"]
    assert step == pytest.approx(committed["step"]["max"], rel=0.02)
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for call in calls.values():
        assert f"| `{call['name']}` | {call['does']} | {call['mean']:,} |" in text

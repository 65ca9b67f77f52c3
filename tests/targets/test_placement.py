# SPDX-License-Identifier: BSD-3-Clause
"""Tables lie where a target's file says, also in RAM after start-up; their reads are reported."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.small_models import small_model
from toolkit.codegen.generate import GENERATED, describe, generate
from toolkit.common.errors import InputError, ToolError
from toolkit.device.build import elf
from toolkit.device.build.build import build_firmware
from toolkit.device.pipeline import Firmware, connected
from toolkit.device.stream import stream
from toolkit.stages.stage import stage_of
from toolkit.targets.placement import memory_of, placed_in, section_of, wait_cycles
from toolkit.targets.target import TARGETS, Target, read_target

NAME = small_model().graph.name
PLACED = """
[[placement]]
tables = ["{pattern}"]
memory = "{memory}"
"""
# A board for each kind of start-up, and one of its memories other than rodata's.
ROOMS = [("netduinoplus2", "sram"), ("mps2-an500", "psram"), ("virt-a53", "ram")]


def target_with(folder: Path, name: str, pattern: str, memory: str) -> Target:
    text = (TARGETS / f"{name}.toml").read_text(encoding="utf-8")
    path = folder / f"{name}.toml"
    path.write_text(text + PLACED.format(pattern=pattern, memory=memory), encoding="utf-8")
    return read_target(path)


@pytest.mark.parametrize(("name", "memory"), ROOMS)
def test_tables_in_ram_are_filled_and_compute_the_same(
    name: str, memory: str, tmp_path: Path
) -> None:
    target = target_with(tmp_path, name, "*_recurrent", memory)
    stage = stage_of(small_model())
    manifest = generate(stage, target, tmp_path)
    image = build_firmware(target, tmp_path / GENERATED, tmp_path)
    room = next(m for m in target.memories if m.name == memory)
    placed = [s for s in elf.symbols(image.elf) if "_recurrent_" in s.name and s.size]
    assert placed
    assert all(room.origin <= s.address and s.address + s.size <= room.end for s in placed)
    others = [s for s in elf.symbols(image.elf) if "_input_" in s.name and s.size]
    assert others
    assert not any(room.origin <= s.address < room.end for s in others)
    stored = {row["memory"]: row["table_bytes"] for row in manifest["memories"]}
    assert stored[memory] == sum(s.size for s in placed)
    assert sum(stored.values()) == manifest["table_bytes"]

    rng = np.random.default_rng(5)
    inputs = rng.integers(-3000, 3000, (3, stage.input_bytes // 2)).astype(np.int16)
    with connected(Firmware(target, stage, manifest, image, None), port=None, serial="socket") as s:
        got = stage.outputs(stream(s, inputs).outputs)
    want = stage.reference(inputs).outputs
    assert all(np.array_equal(got[key], want[key]) for key in want)


def test_the_first_placement_that_fits_counts(tmp_path: Path) -> None:
    target = target_with(tmp_path, "mps3-an547", "pitch/*", "itcm")
    assert memory_of(target, "pitch/gru_1_recurrent") == "dtcm"
    assert memory_of(target, "pitch/dense_1") == "itcm"
    assert memory_of(target, "rdovae_enc/enc_dense1") == "sram"
    assert [memory.name for memory in placed_in(target)] == ["itcm", "dtcm"]
    assert 'section(".in_itcm.dense_1_bias")' in section_of(target, "pitch/dense_1", "bias")
    assert section_of(target, "rdovae_enc/enc_dense1", "bias") == ""


def test_tables_that_do_not_fit_are_refused_by_the_build(tmp_path: Path) -> None:
    target = target_with(tmp_path, "mps2-an500", "*", "psram")
    text = target.path.read_text(encoding="utf-8").replace("0x0001_0000", "0x0000_4100")
    target.path.write_text(text, encoding="utf-8")
    target = read_target(target.path)
    generate(stage_of(small_model()), target, tmp_path)
    with pytest.raises(ToolError, match=r"psram"):
        build_firmware(target, tmp_path / GENERATED, tmp_path)


def test_a_memory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"placement\[0\]\.memory: must be one of flash, sram"):
        target_with(tmp_path, "netduinoplus2", "*", "ccm")


def test_waiting_is_estimated_where_the_memory_says_how_long(tmp_path: Path) -> None:
    target = target_with(tmp_path, "netduinoplus2", "none", "sram")
    assert wait_cycles(target, "flash", 0) == 0
    assert wait_cycles(target, "flash", 33) == 3 * 5
    assert wait_cycles(target, "sram", 1000) == 0
    assert wait_cycles(read_target(TARGETS / "virt-a53.toml"), "flash", 1000) is None


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("small/gru2_recurent", "; did you mean 'small/gru2_recurrent'?"),
        ("small/embedding*", "; small has no such table"),
    ],
)
def test_a_placement_of_no_table_is_refused_with_the_nearest(
    pattern: str, says: str, tmp_path: Path
) -> None:
    model = small_model()
    target = target_with(tmp_path, "netduinoplus2", pattern.replace("small", NAME), "sram")
    with pytest.raises(InputError) as caught:
        describe(stage_of(model), target)
    assert f"placement: no table is '{pattern.replace('small', NAME)}'" in str(caught.value)
    assert says.replace("small", NAME) in str(caught.value)


def test_a_placement_of_another_network_is_let_be(tmp_path: Path) -> None:
    target = target_with(tmp_path, "netduinoplus2", "lpcnet/gru_a_recurrent", "sram")
    found = describe(stage_of(small_model()), target)
    assert {row["memory"] for row in found["memories"]} == {"flash"}

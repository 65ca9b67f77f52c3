# SPDX-License-Identifier: BSD-3-Clause
"""llvm-mca on machine code: known facts about each core, and what llvm's models leave out."""

import subprocess
from pathlib import Path

import pytest

from toolkit.common.errors import ToolError
from toolkit.device.build.elf import read_bytes
from toolkit.measure.cycles.code import Code
from toolkit.measure.cycles.mca import block_cycles, version
from toolkit.measure.cycles.models import MODELS

COMPILERS = {
    "cortex-m7": ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m7"],
    "cortex-m55": ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m55"],
    "cortex-a7": ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-a7", "-mfpu=neon-vfpv4"],
    "cortex-a53": ["aarch64-linux-gnu-gcc", "-mcpu=cortex-a53"],
    "cortex-a76": ["aarch64-linux-gnu-gcc", "-mcpu=cortex-a76"],
}


def machine_code(core: str, text: str, folder: Path) -> list[bytes]:
    """Return the code of each instruction of a snippet."""
    source, made = folder / "code.s", folder / "code.o"
    command = COMPILERS[core]
    head = ".syntax unified\n.thumb\n" if "-mthumb" in command else ""
    source.write_text(head + text.replace("; ", "\n") + "\n", encoding="utf-8")
    subprocess.run([*command, "-c", "-o", str(made), str(source)], check=True)
    found = []
    at = 0
    for instruction in Code(made).instructions(0, len(text.split("; "))):
        found.append(read_bytes(made, at, instruction.size))
        at += instruction.size
    return found


def cycles(core: str, folder: Path, *texts: str) -> list[float | None]:
    return block_cycles([machine_code(core, text, folder) for text in texts], MODELS[core])


def test_a_cortex_m7_issues_two_instructions_a_cycle_and_one_product(tmp_path: Path) -> None:
    pair = "add.w r0, r0, #1; add.w r1, r1, #1; add.w r2, r2, #1; add.w r3, r3, #1"
    products = "smlad r0, r4, r5, r0; smlad r1, r4, r5, r1; smlad r2, r4, r5, r2"
    assert cycles("cortex-m7", tmp_path, pair, products) == pytest.approx([2.0, 3.0], abs=0.1)


def test_a_cortex_m55_overlaps_a_vector_load_with_a_product(tmp_path: Path) -> None:
    load, product = "vldrw.u32 q0, [r0]", "vmladava.s16 r2, q1, q2"
    both = f"{load}; {product}"
    found = cycles("cortex-m55", tmp_path, f"{load}; {load}", f"{product}; {product}", both)
    assert found == pytest.approx([4.0, 4.0, 2.0], abs=0.1)


def test_the_end_of_a_low_overhead_loop_costs_nothing(tmp_path: Path) -> None:
    body = "add.w r0, r0, r1; add.w r2, r2, r1"
    found = cycles("cortex-m55", tmp_path, body, f"loop: {body}; le lr, loop")
    assert found[0] == found[1]


def test_a_dot_product_of_a_cortex_a76_is_half_a_cycle(tmp_path: Path) -> None:
    text = "; ".join(f"sdot v{i}.4s, v16.16b, v17.16b" for i in range(8))
    assert cycles("cortex-a76", tmp_path, text) == pytest.approx([4.0], abs=0.2)


@pytest.mark.parametrize("core", ["cortex-a7", "cortex-a53"])
def test_neon_without_dot_products(core: str, tmp_path: Path) -> None:
    old = "vmull.s8 q8, d0, d1; vpadal.s16 q9, q8; vld1.8 {d2, d3}, [r0]!"
    new = "smull v8.8h, v0.8b, v1.8b; sadalp v9.4s, v8.8h; ldr q2, [x0], #16"
    (found,) = cycles(core, tmp_path, old if core == "cortex-a7" else new)
    assert found is not None
    assert 2.0 <= found <= 15.0


def test_a_multiple_moves_as_many_words_a_cycle_as_the_bus_is_wide(tmp_path: Path) -> None:
    four, eight = "ldmia r0, {r1-r4}", "ldmia r0, {r1-r8}"
    for core, more in (("cortex-m7", 2), ("cortex-m55", 4)):
        short, long = cycles(core, tmp_path, four, eight)
        assert short is not None
        assert long is not None
        assert long - short == pytest.approx(more, abs=0.1)


def test_a_call_is_a_jump_and_what_cannot_be_read_is_not_guessed(tmp_path: Path) -> None:
    call = machine_code("cortex-m7", "bl .", tmp_path)
    undefined = [bytes.fromhex("ffffffff")]
    one = machine_code("cortex-m7", "adds r0, #1", tmp_path)
    found = block_cycles([call, undefined, one], MODELS["cortex-m7"])
    assert found[:2] == [1.0, None]
    assert found[2] == pytest.approx(1.0, abs=0.1)


def test_a_block_that_is_cut_off_is_not_guessed_and_leaves_the_next_as_it_is(
    tmp_path: Path,
) -> None:
    cut = machine_code("cortex-m55", "itttt eq; moveq r0, r1; nopeq; nopeq; nopeq", tmp_path)[:2]
    body = machine_code("cortex-m55", "ldr r0, [r1]; ldr r2, [r3]", tmp_path)
    whole = machine_code("cortex-m55", "itt eq; moveq r0, r1; moveq r2, r1", tmp_path)
    found = block_cycles([cut, body, whole, body], MODELS["cortex-m55"])
    assert found[0] is None
    assert found[1] == found[3] == pytest.approx(2.0, abs=1.0)
    assert found[2] == pytest.approx(1.5, abs=0.1)


def test_a_missing_llvm_mca_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert version().startswith("llvm-mca 19.")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"^llvm-mca-19 is missing: apt-get install llvm-19$"):
        version()

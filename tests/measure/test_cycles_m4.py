# SPDX-License-Identifier: BSD-3-Clause
"""The Cortex-M4's timing rules, on code that is small enough to count by hand with the manual."""

import subprocess

import pytest

from toolkit.measure.cycles.code import Code, Instruction
from toolkit.measure.cycles.m4 import block_cycles

# Code and its cycles by Arm DDI 0439, section 3.3; no jump is taken.
SNIPPETS: dict[str, tuple[str, float]] = {
    "arithmetic": ("add r0, r1, r2; eor r3, r4, r5, lsl #3; ssat r6, #16, r7", 3),
    "products": ("mul r0, r1, r2; smlad r3, r4, r5, r3; umull r0, r1, r2, r3", 3),
    "long products": ("smlal r0, r1, r2, r3; smlald r0, r1, r2, r3", 2),
    "the longest division": ("sdiv r0, r1, r2", 12),
    "a load": ("ldr r0, [r1, #8]", 2),
    "a constant": ("ldrh r0, [r1]; adds r0, #1", 3),
    "two loads": ("ldr r0, [r1]; ldr r2, [r3]", 3),
    "three loads": ("ldr r0, [r1, r5]; ldrb r1, [r2]; ldrsh r2, [r3, #4]", 4),
    "a load whose address was loaded": ("ldr r0, [r1]; ldr r2, [r0]", 4),
    "a load whose address was computed": ("add r1, r2; ldr r0, [r1]", 4),
    "a load after other work": ("add r1, r2; ldr r0, [r3]", 3),
    "what was loaded is stored": ("ldr r0, [r1, r2]; str r0, [r3, #20]", 3),
    "a store to two registers, after a load": ("ldr r0, [r1, r2]; str r1, [r3, r2]", 3),
    "a store to two registers": ("str r0, [r1, r2]", 2),
    "stores": ("str r0, [r1]; strb r2, [r1, #4]; strh.w r3, [r1], #2", 3),
    "a load after a store": ("str r0, [r1]; ldr r2, [r3]", 3),
    "pairs": ("ldrd r0, r1, [r2]; strd r0, r1, [r3, #8]", 6),
    "multiples": ("ldmia r0!, {r1, r2, r3}; stmia r4!, {r1-r3}", 8),
    "a load after a multiple": ("ldmia r0!, {r1, r2}; ldr r3, [r4]", 5),
    "call frame": ("push {r4-r7, lr}; pop {r4-r7, pc}", 12),
    "folded IT": ("movs r2, #0; itt eq; moveq r0, r1; addeq r0, #1", 3),
    "IT on its own": ("cmp.w r0, r8; it eq; moveq r0, r1", 3),
    "conditional load": ("movs r2, #0; it ne; ldrne r0, [r1]", 3),
    "a jump not taken": ("subs r0, #1; bne .", 2),
    "conditions that look like more": ("bic r0, r1, r2; bics r0, r1; bfi r0, r1, #2, #3", 3),
}


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Instruction]]:
    """Return each snippet as arm-none-eabi-as and objdump make it."""
    folder = tmp_path_factory.mktemp("m4")
    source, made = folder / "snippets.s", folder / "snippets.o"
    texts = [text.split("; ") for text, _ in SNIPPETS.values()]
    lines = [".syntax unified", ".thumb", *(line for text in texts for line in text)]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    subprocess.run(
        ["arm-none-eabi-as", "-mcpu=cortex-m4", "-mthumb", "-o", str(made), str(source)], check=True
    )
    code = Code(made).instructions(0, sum(map(len, texts)))
    return {name: [code.pop(0) for _ in text] for name, text in zip(SNIPPETS, texts, strict=True)}


@pytest.mark.parametrize("name", SNIPPETS)
def test_cycles_are_those_of_the_manual(name: str, assembled: dict[str, list[Instruction]]) -> None:
    assert block_cycles(assembled[name]) == SNIPPETS[name][1]

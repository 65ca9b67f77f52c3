# SPDX-License-Identifier: BSD-3-Clause
"""The timing model of each core, and its known errors.

Every model assumes what the code alone cannot tell: memory without wait states, no cache misses, no
other traffic on the bus.
"""

from dataclasses import dataclass

from toolkit.measure.cycles.m4 import REFILL

_MEMORY = "no wait states, cache misses or contention for memory"
_PREDICTED = "every jump is predicted: one that is not costs {} cycles"  # LLVM's figures
_ALONE = "a block of code that is no loop is taken to overlap with itself, not with its neighbours"
_DIVISION = "a division always takes the same time"


@dataclass(frozen=True)
class Model:
    """How the cycles of a core are estimated.

    `cpu` is llvm-mca's name of the core; without one the rules of the Cortex-M4 (m4.py) apply.
    `words_a_cycle` is how many registers of a load or store multiple move in a cycle; LLVM counts
    them as one access. `refill` is what a jump adds unless a loop-end instruction makes it.
    """

    text: str
    errors: tuple[str, ...]
    cpu: str = ""
    triple: str = ""
    attributes: str = ""
    words_a_cycle: int = 1
    refill: float = 0.0


_M4_RULES = Model(
    "Cortex-M4 timing rules of Arm DDI 0439",
    (
        _MEMORY,
        f"a jump refills the pipeline in {REFILL:.0f} cycles, where the manual has 1 to 3",
        "a division takes the longest time",
        "loads of constants from flash do not disturb the fetching of code",
    ),
    refill=REFILL,
)

# LLVM's model of the core, or of the nearest core if LLVM has none.
MODELS: dict[str, Model] = {
    "cortex-m4": _M4_RULES,
    "cortex-m33": Model(
        f"{_M4_RULES.text}, for the Cortex-M33",
        (*_M4_RULES.errors, "the M33 issues some pairs of 16-bit instructions at once"),
        refill=REFILL,
    ),
    # Arm DDI 0489: two instructions a cycle, 64 bits of data from a TCM, branch target cache.
    "cortex-m7": Model(
        "LLVM's model of the Cortex-M7",
        (_MEMORY, _PREDICTED.format(6), _ALONE, _DIVISION),
        cpu="cortex-m7",
        triple="thumbv7em-none-eabi",
        words_a_cycle=2,
    ),
    # A vector instruction takes two beats of 64 bits; beats for different pipes overlap.
    # LLVM says that its scalar pipeline is much like the M4's, hence the refill. A loop that ends
    # with LE does not jump.
    "cortex-m55": Model(
        "LLVM's model of the Cortex-M55",
        (
            _MEMORY,
            f"a jump that is no loop's end refills the pipeline in {REFILL:.0f} cycles: the M4's",
            "LLVM pairs some 32-bit instructions that the core issues alone",
            _ALONE,
            _DIVISION,
        ),
        cpu="cortex-m55",
        triple="thumbv8.1m.main-none-eabi",
        refill=REFILL,
    ),
    # LLVM has no model of the A7 (only itineraries, which llvm-mca cannot use). The A9's NEON is 64
    # bits wide like the A7's, but the A9 reorders.
    "cortex-a7": Model(
        "LLVM's model of the Cortex-A9, for the Cortex-A7",
        (_MEMORY, "every jump is predicted", _ALONE, "the A9 runs out of order, the A7 does not"),
        cpu="cortex-a9",
        triple="thumbv7a-none-eabi",
        attributes="+neon,+vfp4,+hwdiv",
        words_a_cycle=2,
    ),
    "cortex-a53": Model(
        "LLVM's model of the Cortex-A53",
        (_MEMORY, _PREDICTED.format(9), _ALONE, _DIVISION),
        cpu="cortex-a53",
        triple="aarch64-none-elf",
        words_a_cycle=2,
    ),
    "cortex-a72": Model(
        "LLVM's model of the Cortex-A72",
        (_MEMORY, _PREDICTED.format(16), _ALONE),
        cpu="cortex-a72",
        triple="aarch64-none-elf",
        words_a_cycle=2,
    ),
    # The Neoverse N1 is the server version of the A76.
    "cortex-a76": Model(
        "LLVM's model of the Neoverse N1, for the Cortex-A76",
        (_MEMORY, _PREDICTED.format(11), _ALONE),
        cpu="neoverse-n1",
        triple="aarch64-none-elf",
        words_a_cycle=4,
    ),
}

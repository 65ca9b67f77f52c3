// SPDX-License-Identifier: BSD-3-Clause
// From reset to main for a 32-bit Arm core with the Large Physical Address Extension (Cortex-A7,
// A15, A17) that starts in supervisor mode. Without the MMU all memory counts as strongly ordered,
// where an unaligned access faults. So the MMU is switched on before anything else runs.
#include "core.h"
#include "sections.h"

int main(void);

// The board's translation table, in setup_<name>.c: four entries of 1 GB.
extern const uint64_t dk_translation[];

#define ACTLR_SMP (1u << 6)  // set it before the caches are on: Cortex-A7, Arm DDI 0464 4.3.31
#define MEMORY_ATTRIBUTES 0x04FFu  // 0: normal, write-back; 1: device
// Long descriptors, tables in write-back memory; all 4 GB through TTBR0.
#define TRANSLATION_CONTROL ((1u << 31) | (1u << 8) | (1u << 10) | (3u << 12) | (1u << 23))
#define SYSTEM_MMU (1u << 0)
#define SYSTEM_CACHES ((1u << 2) | (1u << 11) | (1u << 12))  // data, branches, instructions
#define SYSTEM_ALIGNED_ONLY (1u << 1)

__attribute__((noreturn)) void dk_reset(void);

// The table of vectors: Arm instructions at the address where the core starts. After a fault, lr is
// corrected to the address of the faulting instruction. An interrupt continues in supervisor mode,
// on the only stack, and saves the registers that a C function may change. Interrupts do not nest.
__asm__(".pushsection .vectors, \"ax\"\n"
        ".arm\n"
        ".balign 32\n"
        ".global dk_vectors\n"
        "dk_vectors:\n"
        "    b dk_entry\n"
        "    b dk_undefined\n"
        "    b dk_fault\n"    // supervisor call
        "    b dk_no_code\n"  // prefetch abort
        "    b dk_no_data\n"  // data abort
        "    b dk_fault\n"    // hypervisor call
        "    b dk_interrupt\n"
        "    b dk_fault\n"  // fast interrupt
        "dk_undefined:\n"
        "    mrs r0, spsr\n"
        "    tst r0, #32\n"  // Thumb
        "    subeq lr, lr, #2\n"
        "    sub lr, lr, #2\n"
        "    b dk_fault\n"
        "dk_no_data:\n"
        "    sub lr, lr, #4\n"
        "dk_no_code:\n"
        "    sub lr, lr, #4\n"
        "    b dk_fault\n"
        "dk_interrupt:\n"
        "    sub lr, lr, #4\n"
        "    srsdb sp!, #19\n"
        "    cps #19\n"
        "    push {r0-r3, r12}\n"
        "    and r1, sp, #4\n"
        "    sub sp, sp, r1\n"  // to a multiple of 8
        "    push {r1, lr}\n"
        "    bl dk_irq\n"
        "    pop {r1, lr}\n"
        "    add sp, sp, r1\n"
        "    pop {r0-r3, r12}\n"
        "    rfeia sp!\n"
        "dk_entry:\n"
        "    cpsid aif, #19\n"
        "    ldr sp, =dk_stack_top\n"
        "    ldr r0, =dk_vectors\n"
        "    mcr p15, 0, r0, c12, c0, 0\n"
        "    mov r0, #0xF00000\n"  // the vector registers: compilers copy and multiply with them
        "    mcr p15, 0, r0, c1, c0, 2\n"
        "    isb\n"
        "    mov r0, #0x40000000\n"
        "    mcr p10, 7, r0, cr8, cr0, 0\n"  // FPEXC
        "    bl dk_reset\n"
        ".ltorg\n"
        ".popsection\n");

static void start_mmu(void)
{
    uint32_t control;
    DK_CP15_READ(control, 0, c1, c0, 1);
    DK_CP15_WRITE(control | ACTLR_SMP, 0, c1, c0, 1);
    DK_CP15_WRITE(MEMORY_ATTRIBUTES, 0, c10, c2, 0);
    DK_CP15_WRITE(TRANSLATION_CONTROL, 0, c2, c0, 2);
    __asm__ volatile("mcrr p15, 0, %0, %1, c2" ::"r"(dk_translation), "r"(0));
    // Invalidate what the core has cached: translations, instructions, branches.
    DK_CP15_WRITE(0, 0, c8, c7, 0);
    DK_CP15_WRITE(0, 0, c7, c5, 0);
    DK_CP15_WRITE(0, 0, c7, c5, 6);
    dk_core_sync();
    DK_CP15_READ(control, 0, c1, c0, 0);
    control = (control & ~SYSTEM_ALIGNED_ONLY) | SYSTEM_MMU | SYSTEM_CACHES;
    DK_CP15_WRITE(control, 0, c1, c0, 0);
    dk_core_sync();
}

void dk_reset(void)
{
    start_mmu();
    dk_paint_stack();
    dk_fill_ram();
    (void)main();
    for (;;) {
        dk_core_sleep();
    }
}

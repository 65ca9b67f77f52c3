// SPDX-License-Identifier: BSD-3-Clause
// From reset to main for a 64-bit Arm core that starts at EL1. Without the MMU all memory counts
// as device memory, where an unaligned access faults. So the MMU is switched on before anything
// else runs.
#include "core.h"
#include "sections.h"

int main(void);

// The board's translation table, in setup_<name>.c: four entries of 1 GB.
extern const uint64_t dk_translation[];

#define MEMORY_ATTRIBUTES 0x04FFu  // 0: normal, write-back; 1: device
// 4 GB of addresses, tables of 4 KB in write-back memory; TTBR1 is not used.
#define TRANSLATION_CONTROL (32u | (1u << 8) | (1u << 10) | (3u << 12) | (1u << 23))
#define SYSTEM_MMU (1u << 0)
#define SYSTEM_CACHES ((1u << 2) | (1u << 12))

__attribute__((noreturn)) void dk_reset(void);

// The table of vectors, 128 bytes each, at the address where the core starts. The first vector
// belongs to a stack that is never used, so the reset uses it. An interrupt saves the registers
// that a C function may change. Interrupts do not nest, so ELR and SPSR stay as they are.
__asm__(".pushsection .vectors, \"ax\"\n"
        ".balign 2048\n"
        ".global dk_vectors\n"
        "dk_vectors:\n"
        "    b dk_entry\n"
        ".rept 4\n"
        "    .balign 128\n"
        "    b dk_fault\n"
        ".endr\n"
        "    .balign 128\n"
        "    stp x0, x1, [sp, #-160]!\n"
        "    stp x2, x3, [sp, #16]\n"
        "    stp x4, x5, [sp, #32]\n"
        "    stp x6, x7, [sp, #48]\n"
        "    stp x8, x9, [sp, #64]\n"
        "    stp x10, x11, [sp, #80]\n"
        "    stp x12, x13, [sp, #96]\n"
        "    stp x14, x15, [sp, #112]\n"
        "    stp x16, x17, [sp, #128]\n"
        "    stp x18, x30, [sp, #144]\n"
        "    bl dk_irq\n"
        "    ldp x2, x3, [sp, #16]\n"
        "    ldp x4, x5, [sp, #32]\n"
        "    ldp x6, x7, [sp, #48]\n"
        "    ldp x8, x9, [sp, #64]\n"
        "    ldp x10, x11, [sp, #80]\n"
        "    ldp x12, x13, [sp, #96]\n"
        "    ldp x14, x15, [sp, #112]\n"
        "    ldp x16, x17, [sp, #128]\n"
        "    ldp x18, x30, [sp, #144]\n"
        "    ldp x0, x1, [sp], #160\n"
        "    eret\n"
        ".rept 10\n"
        "    .balign 128\n"
        "    b dk_fault\n"
        ".endr\n"
        "    .balign 128\n"
        "dk_entry:\n"
        "    msr daifset, #15\n"
        "    ldr x0, =dk_stack_top\n"
        "    mov sp, x0\n"
        "    ldr x0, =dk_vectors\n"
        "    msr vbar_el1, x0\n"
        "    mov x0, #(3 << 20)\n"  // the vector registers: compilers copy and multiply with them
        "    msr cpacr_el1, x0\n"
        "    isb\n"
        "    b dk_reset\n"
        ".ltorg\n"
        ".popsection\n");

static void start_mmu(void)
{
    uint64_t system;
    __asm__ volatile("msr mair_el1, %0" ::"r"((uint64_t)MEMORY_ATTRIBUTES));
    __asm__ volatile("msr tcr_el1, %0" ::"r"((uint64_t)TRANSLATION_CONTROL));
    __asm__ volatile("msr ttbr0_el1, %0" ::"r"(dk_translation));
    __asm__ volatile("tlbi vmalle1\n\tic iallu" ::: "memory");
    dk_core_sync();
    __asm__ volatile("mrs %0, sctlr_el1" : "=r"(system));
    system |= SYSTEM_MMU | SYSTEM_CACHES;
    __asm__ volatile("msr sctlr_el1, %0\n\tisb" ::"r"(system) : "memory");
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

// SPDX-License-Identifier: BSD-3-Clause
// What a Raspberry Pi's firmware starts: the first word of kernel8.img. The firmware's own stub
// (raspberrypi/tools, armstubs/armstub8.S) starts one core there, at EL2, and lets every interrupt
// through to it. QEMU without a kernel starts all cores there, at EL3; its interrupt controller
// knows no Secure interrupts, so nothing needs to be let through. All but the first core sleep for
// good. The first core goes on at EL1, as after a reset.
#include "drivers.h"

// Registers: Arm DDI 0487. Each value has the bits that must be 1, and of the others those named.
__asm__(".pushsection .boot, \"ax\"\n"
        ".global dk_boot\n"
        "dk_boot:\n"
        "    msr daifset, #15\n"
        "    mrs x0, mpidr_el1\n"
        "    and x0, x0, #0xFFFFFF\n"  // affinity: 0 is the first core
        "    cbnz x0, sleep\n"
        "    mrs x0, currentel\n"
        "    cmp x0, #(2 << 2)\n"
        "    b.lo at_el1\n"
        "    b.eq at_el2\n"
        "    msr cptr_el3, xzr\n"  // no traps of the vector registers
        "    msr mdcr_el3, xzr\n"  // nor of the performance monitor
        "    mov x0, #0x5B1\n"     // SCR_EL3: NS, no SMC, HVC, 64 bits
        "    msr scr_el3, x0\n"
        "    mov x0, #0x3C9\n"  // SPSR_EL3: EL2 with its own stack, no interrupts
        "    msr spsr_el3, x0\n"
        "    adr x0, at_el2\n"
        "    msr elr_el3, x0\n"
        "    eret\n"
        "at_el2:\n"
        "    mov x0, #(1 << 31)\n"  // HCR_EL2: 64 bits, nothing virtual
        "    msr hcr_el2, x0\n"
        "    mov x0, #0x33FF\n"  // CPTR_EL2: no traps
        "    msr cptr_el2, x0\n"
        "    msr hstr_el2, xzr\n"
        "    mrs x0, pmcr_el0\n"
        "    ubfx x0, x0, #11, #5\n"  // MDCR_EL2.HPMN: EL1 has all the counters that there are
        "    msr mdcr_el2, x0\n"
        "    ldr x0, =0x30D00800\n"  // SCTLR_EL1: no MMU, no caches
        "    msr sctlr_el1, x0\n"
        "    mov x0, #0x3C5\n"  // SPSR_EL2: EL1 with its own stack, no interrupts
        "    msr spsr_el2, x0\n"
        "    adr x0, at_el1\n"
        "    msr elr_el2, x0\n"
        "    eret\n"
        "at_el1:\n"
        "    b dk_vectors\n"
        "sleep:\n"
        "    wfi\n"
        "    b sleep\n"
        ".ltorg\n"
        ".popsection\n");

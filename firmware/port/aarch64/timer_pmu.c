// SPDX-License-Identifier: BSD-3-Clause
// The timer by the core's performance monitor (Arm DDI 0487 D13), which counts cycles. In QEMU an
// instruction is one cycle with the TOML's -icount.
#include "core.h"

#define CPU_CYCLES 0x11u
#define COUNTER_0 1u
#define PMCR_ENABLE 1u

void dk_timer_init(void)
{
    uint64_t control;
    __asm__ volatile("msr pmevtyper0_el0, %0" ::"r"((uint64_t)CPU_CYCLES));
    __asm__ volatile("msr pmcntenset_el0, %0" ::"r"((uint64_t)COUNTER_0));
    __asm__ volatile("mrs %0, pmcr_el0" : "=r"(control));
    __asm__ volatile("msr pmcr_el0, %0\n\tisb" ::"r"(control | PMCR_ENABLE));
}

uint32_t dk_timer_now(void)
{
    uint64_t count;
    __asm__ volatile("mrs %0, pmevcntr0_el0" : "=r"(count)::"memory");
    return (uint32_t)count;
}

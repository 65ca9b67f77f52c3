// SPDX-License-Identifier: BSD-3-Clause
// The port's access to a 64-bit Arm core at EL1 (Arm DDI 0487) and to its interrupt controller.
#ifndef DREDKIT_AARCH64_CORE_H
#define DREDKIT_AARCH64_CORE_H

#include <stdint.h>

#include "../cortexa/core_common.h"
#include "drivers.h"

// Hold interrupts back. Pass the result to dk_core_release.
static inline uint32_t dk_core_hold(void)
{
    uint64_t mask;
    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(mask)::"memory");
    return (uint32_t)mask;
}

static inline void dk_core_release(uint32_t mask)
{
    __asm__ volatile("msr daif, %0" ::"r"((uint64_t)mask) : "memory");
}

#define DK_PMU_COUNTER_0 (1u << 0)
#define DK_PMU_L1D_CACHE (1u << 4)  // event 4: accesses to the data cache

// The timer is the performance monitor if that counts. Every core of silicon knows the events of
// its data cache. QEMU does not, and its cycles are virtual time.
static inline bool dk_core_timer_is_cycles(void)
{
    uint64_t events;
    uint64_t counters;
    __asm__ volatile("mrs %0, pmceid0_el0" : "=r"(events));
    __asm__ volatile("mrs %0, pmcntenset_el0" : "=r"(counters));
    return (events & DK_PMU_L1D_CACHE) != 0 && (counters & DK_PMU_COUNTER_0) != 0;
}

#endif

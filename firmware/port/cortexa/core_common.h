// SPDX-License-Identifier: BSD-3-Clause
// Core functions that are the same for Cortex-A cores of 32 and 64 bits.
#ifndef DREDKIT_CORE_COMMON_H
#define DREDKIT_CORE_COMMON_H

#include <stdbool.h>
#include <stdint.h>

static inline void dk_core_sleep(void)
{
    __asm__ volatile("wfi" ::: "memory");
}

// Make a write to a device or a system register take effect before the next instruction.
static inline void dk_core_sync(void)
{
    __asm__ volatile("dsb sy\n\tisb" ::: "memory");
}

// The timer already is the core's performance monitor, so there is no other cycle counter.
static inline bool dk_core_cycles_start(void)
{
    return false;
}

static inline uint32_t dk_core_cycles(void)
{
    return 0;
}

// Both are in cortexa/gic.c.
void dk_core_enable(uint32_t irq);
void dk_core_pend(uint32_t irq, uint32_t mask);

#endif

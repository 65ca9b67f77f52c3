// SPDX-License-Identifier: BSD-3-Clause
// What Cortex-A cores of 32 and 64 bits say in the same words.
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

// The timer is the performance monitor already.
static inline bool dk_core_cycles_start(void)
{
    return false;
}

static inline uint32_t dk_core_cycles(void)
{
    return 0;
}

// Both in cortexa/gic.c.
void dk_core_enable(uint32_t irq);
void dk_core_pend(uint32_t irq, uint32_t mask);

#endif

// SPDX-License-Identifier: BSD-3-Clause
// The port's access to a 32-bit Arm core in supervisor mode (Armv7-A, Arm DDI 0406) and to its
// interrupt controller.
#ifndef DREDKIT_ARMV7A_CORE_H
#define DREDKIT_ARMV7A_CORE_H

#include <stdint.h>

#include "../cortexa/core_common.h"
#include "drivers.h"

#define DK_CPSR_IRQ_HELD (1u << 7)

// Read or write a register of the system control coprocessor.
#define DK_CP15_READ(value, op1, n, m, op2) \
    __asm__ volatile("mrc p15, " #op1 ", %0, " #n ", " #m ", " #op2 : "=r"(value)::"memory")
#define DK_CP15_WRITE(value, op1, n, m, op2) \
    __asm__ volatile("mcr p15, " #op1 ", %0, " #n ", " #m ", " #op2 ::"r"(value) : "memory")

// Hold interrupts back. Pass the result to dk_core_release.
static inline uint32_t dk_core_hold(void)
{
    uint32_t state;
    __asm__ volatile("mrs %0, cpsr\n\tcpsid i" : "=r"(state)::"memory");
    return state & DK_CPSR_IRQ_HELD;
}

static inline void dk_core_release(uint32_t held)
{
    uint32_t state;
    __asm__ volatile("mrs %0, cpsr" : "=r"(state));
    __asm__ volatile("msr cpsr_c, %0" ::"r"((state & ~DK_CPSR_IRQ_HELD) | held) : "memory");
}

// No board of silicon has such a core so far, and in QEMU it has no register that tells its events.
static inline bool dk_core_timer_is_cycles(void)
{
    return false;
}

#endif

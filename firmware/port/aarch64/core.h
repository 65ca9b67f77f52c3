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

#endif

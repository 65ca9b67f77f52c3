// SPDX-License-Identifier: BSD-3-Clause
// The wait for a clock or a voltage, in setup files.
#ifndef DREDKIT_CORTEXM_WAIT_H
#define DREDKIT_CORTEXM_WAIT_H

#include <stdint.h>

// Wait until `bits` of a register are `value`.
static inline void dk_wait_for(const volatile uint32_t *reg, uint32_t bits, uint32_t value)
{
    while ((*reg & bits) != value) {
    }
}

#endif

// SPDX-License-Identifier: BSD-3-Clause
// What start-up does to the RAM before main. All stores go through volatile pointers: no call to
// memset or memcpy, no vector register, whose frames and access rights are just being set up.
#ifndef DREDKIT_BAREMETAL_SECTIONS_H
#define DREDKIT_BAREMETAL_SECTIONS_H

#include <stdint.h>

#include "drivers.h"

// From the linker script: their addresses are what counts.
extern uint32_t dk_data_start[], dk_data_end[], dk_bss_start[], dk_bss_end[];
extern uint32_t dk_stack_bottom[];
extern const uint32_t dk_data_load[];

// Below the frame that is being used.
static inline void dk_paint_stack(void)
{
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = dk_stack_bottom; word < here; word++) {
        *word = DK_STACK_PAINT;
    }
}

static inline void dk_fill_ram(void)
{
    const uint32_t *from = dk_data_load;
    for (volatile uint32_t *to = dk_data_start; to < dk_data_end; to++) {
        *to = *from++;
    }
    for (volatile uint32_t *word = dk_bss_start; word < dk_bss_end; word++) {
        *word = 0;
    }
}

#endif

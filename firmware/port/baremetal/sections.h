// SPDX-License-Identifier: BSD-3-Clause
// What start-up does to the RAM before main. All stores go through volatile pointers: no call to
// memset or memcpy, no vector register, whose frames and access rights are just being set up.
#ifndef DREDKIT_BAREMETAL_SECTIONS_H
#define DREDKIT_BAREMETAL_SECTIONS_H

#include <stdint.h>

#include "board.h"
#include "drivers.h"

// From the linker script: their addresses are what counts.
#define DK_FROM_LINKER(section) \
    extern uint32_t section##_start[], section##_end[]; \
    extern const uint32_t section##_load[];
DK_BOARD_FILLED(DK_FROM_LINKER)
extern uint32_t dk_bss_start[], dk_bss_end[];
extern uint32_t dk_stack_bottom[];

// Below the frame that is being used.
static inline void dk_paint_stack(void)
{
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = dk_stack_bottom; word < here; word++) {
        *word = DK_STACK_PAINT;
    }
}

static inline void dk_fill(volatile uint32_t *to, const uint32_t *end, const uint32_t *from)
{
    while (to < end) {
        *to++ = *from++;
    }
}

static inline void dk_fill_ram(void)
{
#define DK_FILL(section) dk_fill(section##_start, section##_end, section##_load);
    DK_BOARD_FILLED(DK_FILL)
#undef DK_FILL
    for (volatile uint32_t *word = dk_bss_start; word < dk_bss_end; word++) {
        *word = 0;
    }
}

#endif

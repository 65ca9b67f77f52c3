// SPDX-License-Identifier: BSD-3-Clause
// Start-up's work on the RAM before main. All stores go through volatile pointers, so that the
// compiler calls no memset or memcpy and uses no vector register: the stack and the access rights
// for them are still being set up.
#ifndef DREDKIT_BAREMETAL_SECTIONS_H
#define DREDKIT_BAREMETAL_SECTIONS_H

#include <stdint.h>

#include "board.h"
#include "drivers.h"

// Symbols of the linker script: only their addresses matter.
#define DK_FROM_LINKER(section) \
    extern uint32_t section##_start[], section##_end[]; \
    extern const uint32_t section##_load[];
DK_BOARD_FILLED(DK_FROM_LINKER)
extern uint32_t dk_bss_start[], dk_bss_end[];
extern uint32_t dk_stack_bottom[];

// Write the pattern on the stack below the current frame.
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

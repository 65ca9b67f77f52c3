// SPDX-License-Identifier: BSD-3-Clause
// What the examples ask the machine that they run on: a clock, and how deep the stack has been. The
// clock counts instructions on an emulated board under QEMU's -icount shift=10, and nanoseconds on
// a host. A real board would read its cycle counter.
#ifndef EXAMPLES_BOARD_H
#define EXAMPLES_BOARD_H

#include <stdint.h>

extern const char clock_unit[];

// Start the clock; the start-up code of a board calls it.
void clock_start(void);

// Return a point in time, in ticks that wrap.
uint32_t clock_now(void);

// Return how many units have passed since `then`. Right for spans below 2^32 ticks.
uint32_t clock_since(uint32_t then);

// Return the most bytes of stack that were in use since main began, up to 64 KB; 0 on a host.
uint32_t stack_used(void);

#endif

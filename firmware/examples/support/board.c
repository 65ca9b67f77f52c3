// SPDX-License-Identifier: BSD-3-Clause
// An emulated board. Its clock is a timer that runs by virtual time, of which QEMU's -icount gives
// each instruction the same amount. board.cmake defines
//   CLOCK_BASE            the timer's address
//   CLOCK_SSE             for the system counter of Arm's SSE-300 (101773); otherwise the timer is
//                         that of the Cortex-M System Design Kit (DDI 0479), which counts down
//   CLOCK_UNITS, _TICKS   so many instructions take so many ticks under -icount shift=10
#include "board.h"

#define REGISTER(offset) (*(volatile uint32_t *)(CLOCK_BASE + (offset)))

const char clock_unit[] = "instructions";

#if defined(CLOCK_SSE)
void clock_start(void)
{
    REGISTER(0x00u) |= 1u;  // CNTCR: enable
}

uint32_t clock_now(void)
{
    return REGISTER(0x08u);  // CNTCV, low word
}
#else
void clock_start(void)
{
    REGISTER(0x08u) = 0xFFFFFFFFu;  // RELOAD
    REGISTER(0x04u) = 0xFFFFFFFFu;  // VALUE
    REGISTER(0x00u) = 1u;           // CTRL: enable
}

uint32_t clock_now(void)
{
    return ~REGISTER(0x04u);
}
#endif

uint32_t clock_since(uint32_t then)
{
    return (uint32_t)((uint64_t)(clock_now() - then) * CLOCK_UNITS / CLOCK_TICKS);
}

// SPDX-License-Identifier: BSD-3-Clause
// The driver of the core's SysTick timer (Arm DDI 0403 B3.3), which counts down 24 bits at the
// core's clock. This file counts them on to 32 bits, for which it must be read once in 2^24 ticks:
// the server reads it at least twice a step. For boards without a better counter.
#include "core.h"
#include "drivers.h"

#define CSR DK_REG(0xE000E010u)
#define RVR DK_REG(0xE000E014u)
#define CVR DK_REG(0xE000E018u)
#define CSR_ON 5u  // from the core's clock, without interrupt
#define MASK 0xFFFFFFu

static uint32_t total;
static uint32_t last;

void dk_timer_init(void)
{
    RVR = MASK;
    CVR = 0;  // a write of anything loads it
    CSR = CSR_ON;
}

uint32_t dk_timer_now(void)
{
    uint32_t held = dk_core_hold();  // the interrupt reads the timer too
    uint32_t now = MASK - CVR;
    total += (now - last) & MASK;
    last = now;
    uint32_t result = total;
    dk_core_release(held);
    return result;
}

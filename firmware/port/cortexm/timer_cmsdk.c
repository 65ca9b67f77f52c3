// SPDX-License-Identifier: BSD-3-Clause
// The driver of the CMSDK APB timer (Arm DDI 0479, Cortex-M System Design Kit), which counts down
// for ever, 32 bits.
#include "board.h"
#include "core.h"
#include "drivers.h"

#define CTRL DK_REG(DK_BOARD_TIMER_BASE + 0x00u)
#define VALUE DK_REG(DK_BOARD_TIMER_BASE + 0x04u)
#define RELOAD DK_REG(DK_BOARD_TIMER_BASE + 0x08u)

#define CTRL_ENABLE (1u << 0)

void dk_timer_init(void)
{
    RELOAD = 0xFFFFFFFFu;
    VALUE = 0xFFFFFFFFu;
    CTRL = CTRL_ENABLE;
}

uint32_t dk_timer_now(void)
{
    return ~VALUE;
}

// SPDX-License-Identifier: BSD-3-Clause
// The driver of the system counter of Arm's SSE-300 (101773, "System counter"), by its control
// frame.
#include "board.h"
#include "core.h"
#include "drivers.h"

#define CNTCR DK_REG(DK_BOARD_TIMER_BASE + 0x00u)
#define CNTCV_LOW DK_REG(DK_BOARD_TIMER_BASE + 0x08u)
#define CNTCR_ENABLE (1u << 0)

void dk_timer_init(void)
{
    CNTCR |= CNTCR_ENABLE;
}

uint32_t dk_timer_now(void)
{
    return CNTCV_LOW;
}

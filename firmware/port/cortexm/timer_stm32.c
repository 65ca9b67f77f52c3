// SPDX-License-Identifier: BSD-3-Clause
// The driver of a 32-bit general-purpose timer of the STM32 (ST RM0090, TIM2 to TIM5), which counts
// up for ever.
#include "board.h"
#include "core.h"
#include "drivers.h"

#define CR1 DK_REG(DK_BOARD_TIMER_BASE + 0x00u)
#define EGR DK_REG(DK_BOARD_TIMER_BASE + 0x14u)
#define CNT DK_REG(DK_BOARD_TIMER_BASE + 0x24u)
#define PSC DK_REG(DK_BOARD_TIMER_BASE + 0x28u)
#define ARR DK_REG(DK_BOARD_TIMER_BASE + 0x2Cu)

void dk_timer_init(void)
{
    PSC = 0;
    ARR = 0xFFFFFFFFu;
    EGR = 1u;  // make both take effect
    CR1 = 1u;
}

uint32_t dk_timer_now(void)
{
    return CNT;
}

// SPDX-License-Identifier: BSD-3-Clause
// The setup of a NUCLEO-H743ZI2 (ST RM0433; data sheet DS12110): 400 MHz from the internal 64 MHz
// oscillator, whatever crystal the board has; USART3 on PD8 and PD9, the debugger's serial port.
// 480 MHz needs a further voltage range that chips of revision Y do not have.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"
#include "wait.h"

#define FLASH_ACR DK_REG(0x52002000u)
#define PWR_CSR1 DK_REG(0x58024804u)
#define PWR_CR3 DK_REG(0x5802480Cu)
#define PWR_D3CR DK_REG(0x58024818u)
#define RCC 0x58024400u
#define RCC_CR DK_REG(RCC + 0x00u)
#define RCC_CFGR DK_REG(RCC + 0x10u)
#define RCC_D1CFGR DK_REG(RCC + 0x18u)
#define RCC_D2CFGR DK_REG(RCC + 0x1Cu)
#define RCC_D3CFGR DK_REG(RCC + 0x20u)
#define RCC_PLLCKSELR DK_REG(RCC + 0x28u)
#define RCC_PLLCFGR DK_REG(RCC + 0x2Cu)
#define RCC_PLL1DIVR DK_REG(RCC + 0x30u)
#define RCC_AHB4ENR DK_REG(RCC + 0xE0u)
#define RCC_APB1LENR DK_REG(RCC + 0xE8u)
#define GPIOD_MODER DK_REG(0x58020C00u)
#define GPIOD_AFRH DK_REG(0x58020C24u)

#define LDO_ONLY 2u                  // PWR_CR3: the board's supply; may be written once
#define ACTVOSRDY (1u << 13)         // PWR_CSR1
#define VOSRDY (1u << 13)            // PWR_D3CR
#define VOS_1 (3u << 14)             // PWR_D3CR
#define LATENCY_210_MHZ 0x22u        // FLASH_ACR in VOS1 up to 210 MHz: 2 wait states, WRHIGHFREQ 2
#define PLL1_ON (1u << 24)           // RCC_CR
#define PLL1_READY (1u << 25)        // RCC_CR
#define INPUT_8_TO_16_MHZ (3u << 2)  // RCC_PLLCFGR; a wide VCO
#define P_ON (1u << 16)              // RCC_PLLCFGR
#define SYSTEM_IS_PLL1 3u            // RCC_CFGR
#define HALF 8u                      // of the core's clock: AHB
#define QUARTER 4u                   // half of the AHB's: every APB

#define HSI_HZ 64000000u
#define M 4u
#define N 50u
#define P 2u
static_assert(HSI_HZ / M >= 8000000u && HSI_HZ / M <= 16000000u, "the PLL's input");
static_assert(HSI_HZ / M * N >= 192000000u && HSI_HZ / M * N <= 836000000u, "the PLL's VCO");
static_assert(HSI_HZ / M * N / P == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_CLOCK_HZ / 4u == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is APB1's");

void dk_setup(void)
{
    PWR_CR3 = LDO_ONLY;
    dk_wait_for(&PWR_CSR1, ACTVOSRDY, ACTVOSRDY);
    PWR_D3CR = VOS_1;
    dk_wait_for(&PWR_D3CR, VOSRDY, VOSRDY);
    FLASH_ACR = LATENCY_210_MHZ;
    dk_wait_for(&FLASH_ACR, 0xFu, LATENCY_210_MHZ & 0xFu);
    RCC_PLLCKSELR = M << 4;  // from the internal oscillator; the other PLLs stay off
    RCC_PLLCFGR = INPUT_8_TO_16_MHZ | P_ON;
    RCC_PLL1DIVR = (N - 1u) | ((P - 1u) << 9) | (1u << 16) | (1u << 24);
    RCC_CR |= PLL1_ON;
    dk_wait_for(&RCC_CR, PLL1_READY, PLL1_READY);
    RCC_D1CFGR = HALF | (QUARTER << 4);
    RCC_D2CFGR = (QUARTER << 4) | (QUARTER << 8);
    RCC_D3CFGR = QUARTER << 4;
    RCC_CFGR = SYSTEM_IS_PLL1;
    dk_wait_for(&RCC_CFGR, 7u << 3, SYSTEM_IS_PLL1 << 3);
    RCC_AHB4ENR |= 1u << 3;    // GPIOD
    RCC_APB1LENR |= 1u << 18;  // USART3
    (void)RCC_APB1LENR;        // the clock runs two cycles after the write
    GPIOD_MODER = (GPIOD_MODER & ~(15u << 16)) | (10u << 16);  // PD8, PD9: alternate function
    GPIOD_AFRH = (GPIOD_AFRH & ~0xFFu) | 0x77u;                // number 7: USART3
}

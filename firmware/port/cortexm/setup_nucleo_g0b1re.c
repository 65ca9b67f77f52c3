// SPDX-License-Identifier: BSD-3-Clause
// The setup of a NUCLEO-G0B1RE (ST RM0444; data sheet DS13560): 64 MHz from the internal 16 MHz
// oscillator; USART2 on PA2 and PA3, the debugger's serial port; clocks of USART2 and TIM2.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"

#define FLASH_ACR DK_REG(0x40022000u)
#define RCC 0x40021000u
#define RCC_CR DK_REG(RCC + 0x00u)
#define RCC_CFGR DK_REG(RCC + 0x08u)
#define RCC_PLLCFGR DK_REG(RCC + 0x0Cu)
#define RCC_IOPENR DK_REG(RCC + 0x34u)
#define RCC_APBENR1 DK_REG(RCC + 0x3Cu)
#define GPIOA_MODER DK_REG(0x50000000u)
#define GPIOA_AFRL DK_REG(0x50000020u)

#define LATENCY_64_MHZ 2u  // FLASH_ACR in range 1, which reset selects
#define PREFETCH_AND_CACHE (3u << 8)
#define FROM_HSI 2u        // RCC_PLLCFGR
#define R_ON (1u << 28)    // RCC_PLLCFGR
#define PLL_ON (1u << 24)  // RCC_CR
#define PLL_READY (1u << 25)
#define SYSTEM_IS_PLL 2u  // RCC_CFGR

#define HSI_HZ 16000000u
#define M 1u
#define N 8u
#define R 2u
static_assert(HSI_HZ / M >= 2660000u && HSI_HZ / M <= 16000000u, "the PLL's input");
static_assert(HSI_HZ / M * N >= 96000000u && HSI_HZ / M * N <= 344000000u, "the PLL's VCO");
static_assert(HSI_HZ / M * N / R == DK_BOARD_CLOCK_HZ, "clock_hz");
static_assert(DK_BOARD_CLOCK_HZ == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is the APB's");

void dk_setup(void)
{
    FLASH_ACR = LATENCY_64_MHZ | PREFETCH_AND_CACHE;
    while ((FLASH_ACR & 7u) != LATENCY_64_MHZ) {
    }
    RCC_PLLCFGR = FROM_HSI | ((M - 1u) << 4) | (N << 8) | R_ON | ((R - 1u) << 29);
    RCC_CR |= PLL_ON;
    while (!(RCC_CR & PLL_READY)) {
    }
    RCC_CFGR = SYSTEM_IS_PLL;
    while ((RCC_CFGR >> 3 & 7u) != SYSTEM_IS_PLL) {
    }
    RCC_IOPENR |= 1u << 0;                  // GPIOA
    RCC_APBENR1 |= (1u << 0) | (1u << 17);  // TIM2, USART2
    (void)RCC_APBENR1;                      // the clock runs two cycles after the write
    GPIOA_MODER = (GPIOA_MODER & ~(15u << 4)) | (10u << 4);    // PA2, PA3: alternate function
    GPIOA_AFRL = (GPIOA_AFRL & ~(0xFFu << 8)) | (0x11u << 8);  // number 1: USART2
}

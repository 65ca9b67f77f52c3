// SPDX-License-Identifier: BSD-3-Clause
// The setup of an STM32F405 or F407 (ST RM0090): 168 MHz from the internal 16 MHz oscillator,
// whatever crystal the board has; USART1 on PA9 and PA10, or USART2 on PA2 and PA3; clocks of the
// USART and of TIM2.
#include <assert.h>

#include "board.h"
#include "core.h"
#include "drivers.h"

#define RCC 0x40023800u
#define RCC_CR DK_REG(RCC + 0x00u)
#define RCC_PLLCFGR DK_REG(RCC + 0x04u)
#define RCC_CFGR DK_REG(RCC + 0x08u)
#define RCC_AHB1ENR DK_REG(RCC + 0x30u)
#define RCC_APB1ENR DK_REG(RCC + 0x40u)
#define RCC_APB2ENR DK_REG(RCC + 0x44u)
#define FLASH_ACR DK_REG(0x40023C00u)
#define GPIOA 0x40020000u
#define GPIOA_MODER DK_REG(GPIOA + 0x00u)
#define GPIOA_AFRL DK_REG(GPIOA + 0x20u)
#define GPIOA_AFRH DK_REG(GPIOA + 0x24u)
#define USART1 0x40011000u
#define USART2 0x40004400u

#define PLL_ON (1u << 24)
#define PLL_READY (1u << 25)
#define CLOCK_PLL 2u
// The PLL locks within 300 us (DS8626), 4800 cycles here. The wait is bounded because QEMU models
// no clock control and never reports that the PLL is ready.
#define WAITS 2000u

#define HSI_HZ 16000000u
#define M 8u
#define N 168u
#define P 2u
static_assert(HSI_HZ / M >= 1000000u && HSI_HZ / M <= 2000000u, "the PLL's input");
static_assert(HSI_HZ / M * N >= 100000000u && HSI_HZ / M * N <= 432000000u, "the PLL's VCO");
static_assert(HSI_HZ / M * N / P == DK_BOARD_CLOCK_HZ, "clock_hz");
#if DK_BOARD_UART_BASE == USART1
static_assert(DK_BOARD_CLOCK_HZ / 2u == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is APB2's");
#elif DK_BOARD_UART_BASE == USART2
static_assert(DK_BOARD_CLOCK_HZ / 4u == DK_BOARD_UART_CLOCK_HZ, "uart.clock_hz is APB1's");
#else
#error "uart.base: this file knows the pins of USART1 and USART2"
#endif

void dk_setup(void)
{
    // Five wait states, prefetch and both caches: needed above 150 MHz at 3.3 V.
    FLASH_ACR = 5u | (1u << 8) | (1u << 9) | (1u << 10);
    // Q 7 gives USB its 48 MHz.
    RCC_PLLCFGR = M | (N << 6) | ((P / 2u - 1u) << 16) | (7u << 24);
    RCC_CR |= PLL_ON;
    for (uint32_t i = 0; i < WAITS && !(RCC_CR & PLL_READY); i++) {
    }
    if (RCC_CR & PLL_READY) {
        // APB1 = HCLK / 4, APB2 = HCLK / 2, then the switch.
        RCC_CFGR = (5u << 10) | (4u << 13) | CLOCK_PLL;
    }
    RCC_AHB1ENR |= 1u << 0;  // GPIOA
    RCC_APB1ENR |= 1u << 0;  // TIM2
    // A USART's clock runs two cycles after the write (errata 2.1.13), hence the reads. The
    // function of the pins is number 7 for both.
#if DK_BOARD_UART_BASE == USART1
    RCC_APB2ENR |= 1u << 4;
    (void)RCC_APB2ENR;
    GPIOA_MODER = (GPIOA_MODER & ~(15u << 18)) | (10u << 18);
    GPIOA_AFRH = (GPIOA_AFRH & ~(0xFFu << 4)) | (0x77u << 4);
#else
    RCC_APB1ENR |= 1u << 17;
    (void)RCC_APB1ENR;
    GPIOA_MODER = (GPIOA_MODER & ~(15u << 4)) | (10u << 4);
    GPIOA_AFRL = (GPIOA_AFRL & ~(0xFFu << 8)) | (0x77u << 8);
#endif
}
